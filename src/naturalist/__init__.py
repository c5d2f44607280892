"""Folders of pictures in; verified, published, versioned feature tables out."""

__version__ = "0.1.0"
