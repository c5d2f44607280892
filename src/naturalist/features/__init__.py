"""The one way to features: of a place (workspace, pulled, published), or of one's own vectors."""

from naturalist.features.own_vectors import open_file
from naturalist.features.rows import Names, Rows, joined
from naturalist.features.table import FeatureFile, FeatureTable, fingerprint_of, open_features

__all__ = [
    "FeatureFile",
    "FeatureTable",
    "Names",
    "Rows",
    "fingerprint_of",
    "joined",
    "open_features",
    "open_file",
]
