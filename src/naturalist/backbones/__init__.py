"""Networks that turn pictures into feature vectors.

    >>> from naturalist import backbones
    >>> backbones.describe("colour_histogram").dim
    512

``describe`` is cheap and opens nothing; ``load`` gives a :class:`Backbone`, whose ``prepare`` makes
a picture of any size ready and whose ``features`` runs a batch of prepared ones. ``listing``,
``fetch``, ``add`` and ``bench`` stand behind the command line's ``backbones`` commands.
"""

from naturalist.backbones.bench import Bench, Speed, bench
from naturalist.backbones.custom import text_tower
from naturalist.backbones.fetching import fetch
from naturalist.backbones.registry import (
    DEFAULT,
    PRESETS,
    Listed,
    add,
    describe,
    listing,
    load,
    make_model,
    model_of,
    names,
    resolve,
)
from naturalist.backbones.spec import Backbone, BackboneSpec
from naturalist.backbones.weights import FetchedFile, home_folder

__all__ = [
    "DEFAULT",
    "PRESETS",
    "Backbone",
    "BackboneSpec",
    "Bench",
    "FetchedFile",
    "Listed",
    "Speed",
    "add",
    "bench",
    "describe",
    "fetch",
    "home_folder",
    "listing",
    "load",
    "make_model",
    "model_of",
    "names",
    "resolve",
    "text_tower",
]
