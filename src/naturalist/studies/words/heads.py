"""The heads of networks, for stored features: from the weights that are installed.

EfficientNet-Lite0's features are kept as 512 numbers, a projection M (512, 1280) of what the head
takes. Its rows are orthonormal, so the head applied to ``M.T @ feature`` needs only a matrix
(1000, 512): nothing is extracted again.
"""

import functools

import numpy as np

from naturalist import backbones
from naturalist.backbones.projections import read_projection
from naturalist.backbones.readers.pickles import read_legacy_torch
from naturalist.backbones.registry import entry_of, weights_path
from naturalist.backbones.weights import read_checked
from naturalist.errors import BackboneError
from naturalist.studies.words.methods.top_classes import Head

_HEADS = {"efficientnet_lite0-v1": ("_fc.weight", "_fc.bias")}
"""Names of the head's weights and bias, by the graph of the network."""


def has_head(backbone: str) -> bool:
    """Whether the classes of a backbone can be told from its stored features."""
    entry = entry_of(backbone)
    return entry is not None and entry.spec.graph in _HEADS and entry.spec.projection is not None


@functools.cache
def head_of(backbone: str) -> Head:
    """The head for the stored features of a backbone that has one.

    Raises:
        BackboneError: no head is known for it, or its weights are not on this machine or not the
            pinned ones.
    """
    entry = entry_of(backbone)
    if entry is None or entry.spec.projection is None or not has_head(backbone):
        raise BackboneError(
            f"class scores of {backbone} are not available from its stored features"
        )
    names = _HEADS[entry.spec.graph]
    data = read_checked(weights_path(backbone), backbones.describe(backbone).weights_sha256)
    weights = read_legacy_torch(data)
    projection = read_projection(entry.spec.projection)
    turned = np.asarray(weights[names[0]], np.float32) @ projection.T
    return Head(turned, np.asarray(weights[names[1]], np.float32))
