"""Readers of weights files: bytes in, named arrays out; no framework, nothing executed."""
