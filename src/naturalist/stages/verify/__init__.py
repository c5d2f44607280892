"""The two verification stages: features before they become tables, tables before they leave."""
