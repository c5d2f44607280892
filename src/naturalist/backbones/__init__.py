"""Networks that turn pictures into feature vectors.

    >>> from naturalist import backbones
    >>> backbones.describe("colour_histogram").dim
    512

``describe`` is cheap and opens nothing; ``load`` gives a :class:`Backbone`, whose ``prepare`` makes
a picture of any size ready and whose ``features`` runs a batch of prepared ones.
"""

from naturalist.backbones.registry import describe, load, names
from naturalist.backbones.spec import Backbone, BackboneSpec

__all__ = ["Backbone", "BackboneSpec", "describe", "load", "names"]
