"""The table of backbones: a new one is one more entry here."""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from naturalist.backbones.cache import cached_model
from naturalist.backbones.preprocessing import RULES
from naturalist.backbones.spec import Backbone, BackboneSpec
from naturalist.errors import BackboneError

_EMITTER = 1
"""Counts changes in the way models are written that leave the vectors as they are."""


class _Entry(NamedTuple):
    spec: BackboneSpec
    open: Callable[[BackboneSpec, int], Backbone]


def names() -> list[str]:
    """The backbones that can be asked for, sorted."""
    return sorted(_BACKBONES)


def describe(name: str) -> BackboneSpec:
    """Return the identity of a backbone without building it (no network, no runtime).

    Raises:
        BackboneError: there is no backbone of that name.
    """
    return _entry(name).spec


def load(name: str, *, threads: int = 1) -> Backbone:
    """Open a backbone in this process; `threads` is for one call of ``features``.

    Raises:
        BackboneError: there is no backbone of that name, or its weights are missing or not the
            pinned ones.
    """
    entry = _entry(name)
    return entry.open(entry.spec, threads)


def _entry(name: str) -> _Entry:
    try:
        return _BACKBONES[name]
    except KeyError:
        raise BackboneError(
            f"there is no backbone named {name!r}: choose one of {', '.join(names())}"
        ) from None


def _open_efficientnet_lite0(spec: BackboneSpec, threads: int) -> Backbone:
    from naturalist.backbones.session import OnnxBackbone

    model = cached_model(f"{spec.id}-e{_EMITTER}", lambda: _build_efficientnet_lite0(spec))
    return OnnxBackbone(spec, model, RULES[spec.preprocessing].prepare, threads)


def _build_efficientnet_lite0(spec: BackboneSpec) -> bytes:
    from naturalist.backbones.networks import efficientnet_lite0
    from naturalist.backbones.projections import read_projection

    data = read_checked(efficientnet_lite0.weights_path(), spec.weights_sha256)
    projection = read_projection(spec.projection) if spec.projection else None
    return efficientnet_lite0.build(data, spec.side, projection)


def _open_colour_histogram(spec: BackboneSpec, threads: int) -> Backbone:
    from naturalist.backbones.networks.colour_histogram import ColourHistogram

    return ColourHistogram(spec)


def read_checked(path: Path, sha256: str) -> bytes:
    """Read a weights file, whole, and only if it is the pinned one.

    Raises:
        BackboneError: the file is missing, unreadable or has other bytes.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BackboneError(f"the weights file cannot be read: {error}") from error
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise BackboneError(
            f"{path} is not the expected weights file: its sha256 is {found}, not {sha256}; "
            "install or fetch it again"
        )
    return data


_EFFICIENTNET_LITE0 = BackboneSpec(
    name="efficientnet_lite0",
    dim=512,
    side=128,
    weights_sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    graph="efficientnet_lite0-v1",
    preprocessing="letterbox-v1",
    fit="pad",
    licence="Apache-2.0",
    projection="lite0-statistics-512-v1",
)

_COLOUR_HISTOGRAM = BackboneSpec(
    name="colour_histogram",
    dim=512,
    side=64,
    weights_sha256="",
    graph="colour_histogram-v1",
    preprocessing="stretch-v1",
    fit="stretch",
    licence="Apache-2.0",
)

_BACKBONES: Mapping[str, _Entry] = {
    entry.spec.name: entry
    for entry in (
        _Entry(_EFFICIENTNET_LITE0, _open_efficientnet_lite0),
        _Entry(_COLOUR_HISTOGRAM, _open_colour_histogram),
    )
}
