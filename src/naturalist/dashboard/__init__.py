"""The web application: health, map, clusters, models and pictures of one collection, read-only."""
