"""Decisions made in the dashboard: kept in a journal, applied as `naturalist review` does."""
