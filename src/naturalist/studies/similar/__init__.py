"""The index of similar pictures."""
