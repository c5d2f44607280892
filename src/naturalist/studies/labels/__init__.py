"""Pictures whose category is probably wrong."""
