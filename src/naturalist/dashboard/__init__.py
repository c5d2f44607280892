"""The web application: health, map, clusters, models and pictures of a collection, read-only.

Nothing is written to the workspace or the bucket. What is made for answering (an index of the
ledger, files of a published collection) is in a temporary folder and in the user's cache.
"""
