"""Clusters of the features, with reports and contact sheets."""
