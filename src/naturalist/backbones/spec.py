"""What a backbone is: its identity as a value, and the protocol its implementations follow."""

import dataclasses
from functools import lru_cache
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from naturalist.artifacts import fingerprint
from naturalist.errors import BackboneError
from naturalist.images import Pixels

Fit = Literal["pad", "crop", "stretch"]
Precision = Literal["float32", "int8"]

Features = NDArray[np.float32]

GRAPH_INPUT = "pictures"
"""Name of the input of every ONNX model that this package writes."""


@dataclasses.dataclass(frozen=True, slots=True)
class BackboneSpec:
    """Everything that can change a feature vector, plus the licence of the weights.

    ``weights_sha256`` is the hash of the file the weights were read from ("" for a backbone
    without weights). ``graph`` names and versions the rule that turns the weights into a network
    and ``preprocessing`` the rule that turns pixels into its input; neither changes its meaning
    without a new version. ``fit`` says how a picture meets the square: inside it with bars
    ("pad"), over it with the rest cut off ("crop"), or stretched; a decoder may hand over a
    reduced picture that still covers it, unless ``full_decode`` asks for every pixel.
    ``quantisation`` names the activation ranges of an int8 network.
    """

    name: str
    dim: int
    side: int
    weights_sha256: str
    graph: str
    preprocessing: str
    fit: Fit
    licence: str
    projection: str | None = None
    precision: Precision = "float32"
    quantisation: str | None = None
    full_decode: bool = False

    @property
    def fingerprint(self) -> str:
        """Sha256 of the canonical JSON of all fields but the licence."""
        return _fingerprint(self)

    @property
    def id(self) -> str:
        """A folder name for vectors of this backbone: readable, and unique per fingerprint.

        Holds only ASCII letters, digits, ``_`` and ``-`` (names are checked by the registry).
        """
        words = self.name.split("_")
        parts = [
            self.name,
            *(part for part in (str(self.side), self.precision) if part not in (*words, "float32")),
            f"{'p' if self.projection else 'f'}{self.dim}",
            self.fingerprint[:12],
        ]
        return "-".join(parts)

    def as_dict(self) -> dict[str, Any]:
        """All fields as JSON-ready values, for receipts and reports."""
        return dataclasses.asdict(self)


@lru_cache(maxsize=64)
def _fingerprint(spec: BackboneSpec) -> str:
    # Planning asks for it once for each shard, and there may be a hundred thousand.
    values = spec.as_dict()
    del values["licence"]
    return fingerprint(values)


class Backbone(Protocol):
    """A network ready to run in this process; load it once per worker."""

    @property
    def spec(self) -> BackboneSpec:
        """The identity that is written beside every vector."""
        ...

    def prepare(self, pixels: Pixels) -> Pixels:
        """Turn RGB pixels (height, width, 3) of any size into the input (side, side, 3)."""
        ...

    def features(self, batch: Pixels) -> Features:
        """Turn prepared pixels (N, side, side, 3) into vectors (N, dim), row by row.

        The same batch gives the same bits on the same machine; a row does not depend on its
        neighbours. N may be 0.
        """
        ...


def check_batch(batch: Pixels, spec: BackboneSpec) -> None:
    """Refuse a batch of the wrong type or shape.

    Raises:
        BackboneError: the batch is not uint8 (N, side, side, 3).
    """
    if batch.dtype != np.uint8 or batch.shape[1:] != (spec.side, spec.side, 3):
        raise BackboneError(
            f"{spec.name} takes uint8 pictures of shape (N, {spec.side}, {spec.side}, 3), "
            f"not {batch.dtype} {batch.shape}: pass each picture through prepare() first"
        )
