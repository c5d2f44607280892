"""Any ONNX file as a backbone, by a short descriptor.

::

    name = "my_network"
    file = "my_network.onnx"     # beside this file
    side = 224
    channels = "rgb"             # or "bgr"
    layout = "nchw"              # or "nhwc"
    mean = [123.675, 116.28, 103.53]          # subtracted from pixels of 0 to 255
    scale = [0.017125, 0.017507, 0.017429]    # then multiplied
    resize = "crop-v3"           # or letterbox-v3, stretch-v3, tensorflow-resize-with-pad-v1
    output = "features"          # which output, where there are several
    pooling = "none"             # "average" over height and width, "first" of a row of tokens
    project_to = 512             # optional: a fixed random orthogonal projection
    licence = "MIT"

    [text]                       # optional: the network for words of a pair such as CLIP
    file = "text.onnx"           # takes token ids, gives vectors of the same length
    tokenizer = "tokenizer.json" # as the package `tokenizers` writes it
    length = 77                  # tokens of a text
    prompt = "a photo of a {}"
    background = ["a photo", "a picture"]   # what a word is compared with
    scale = 100.0                # of cosines, as the pair was trained
    output = "text_embeds"       # which output, where there are several

The network is tried, the length of its vectors measured, and everything copied into the folder of
backbones, from where it works like the built-in ones.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from naturalist import artifacts
from naturalist.backbones.spec import BackboneSpec
from naturalist.backbones.weights import home_folder, read_checked
from naturalist.errors import BackboneError, WorkspaceError

if TYPE_CHECKING:
    from naturalist.backbones.descriptors import Added, Descriptor
    from naturalist.backbones.text import TextTower

_RECORD = "backbone.json"
_MODEL = "model.onnx"
_PROJECTION = "projection.npy"
_TEXT = "text.onnx"
_TOKENIZER = "tokenizer.json"
_SEED = 20261124


def keep(descriptor: Descriptor, folder_of_file: Path, home: Path | None = None) -> BackboneSpec:
    """Try a described network and keep it in the folder of backbones.

    Raises:
        BackboneError: the model cannot be read or run, or its vectors are not one row of finite
            numbers per picture.
    """
    from naturalist.backbones.descriptors import Added

    source = folder_of_file / descriptor.file
    try:
        model = source.read_bytes()
    except OSError as error:
        raise BackboneError(f"the model {source} cannot be read: {error}") from error
    dim = _try(descriptor, model)
    folder = home_folder(home) / descriptor.name
    projection_sha256 = None
    if descriptor.project_to is not None:
        projection_sha256 = _write_projection(folder / _PROJECTION, descriptor.project_to, dim)
        dim = descriptor.project_to
    digests = _keep_text(descriptor, folder_of_file, folder, dim)
    artifacts.write_bytes(folder / _MODEL, model)
    added = Added(
        descriptor=descriptor,
        dim=dim,
        weights_sha256=hashlib.sha256(model).hexdigest(),
        projection_sha256=projection_sha256,
        **digests,
    )
    artifacts.write_json(folder / _RECORD, added.model_dump())
    return added.spec


def added_names(home: Path | None = None) -> list[str]:
    """The names of added backbones, sorted."""
    return sorted(path.parent.name for path in home_folder(home).glob(f"*/{_RECORD}"))


def read_added(name: str, home: Path | None = None) -> Added | None:
    """Return what is kept of an added backbone; None if there is none of that name.

    Raises:
        BackboneError: its record is damaged.
    """
    from naturalist.backbones.descriptors import Added

    path = home_folder(home) / name / _RECORD
    try:
        value = artifacts.read_json(path)
        return None if value is None else Added(**value)
    except (WorkspaceError, ValueError, TypeError) as error:
        raise BackboneError(f"{path} is damaged: add the backbone again ({error})") from error


def added_model(added: Added, home: Path | None = None) -> bytes:
    """Make the ONNX model that takes uint8 pictures out of an added backbone's.

    Raises:
        BackboneError: the files are not those that were added.
    """
    from naturalist.backbones.networks.wrapping import wrapped

    folder = home_folder(home) / added.descriptor.name
    model = read_checked(folder / _MODEL, added.weights_sha256)
    projection = None
    if added.projection_sha256 is not None:
        read_checked(folder / _PROJECTION, added.projection_sha256)
        projection = np.load(folder / _PROJECTION, allow_pickle=False)
    return wrapped(added.descriptor, model, projection)


def text_tower(name: str, home: Path | None = None) -> TextTower | None:
    """The network for words of an added backbone; None if it has none.

    Raises:
        BackboneError: its files are damaged.
        MissingExtra: the package that cuts texts into tokens is not installed.
    """
    added = read_added(name, home)
    if added is None or added.descriptor.text is None or not added.text_sha256:
        return None
    from naturalist.backbones.text import TextTower

    folder = home_folder(home) / name
    model = read_checked(folder / _TEXT, added.text_sha256)
    tokenizer = read_checked(folder / _TOKENIZER, added.tokenizer_sha256 or "")
    return TextTower(added.descriptor.text, model, tokenizer)


def _keep_text(
    descriptor: Descriptor, folder_of_file: Path, folder: Path, dim: int
) -> dict[str, str]:
    """Try the network for words and keep it; the sha256 of its files, none if there is none."""
    if descriptor.text is None:
        return {}
    from naturalist.backbones.text import TextTower

    files = folder_of_file / descriptor.text.file, folder_of_file / descriptor.text.tokenizer
    try:
        model, tokenizer = (path.read_bytes() for path in files)
    except OSError as error:
        raise BackboneError(f"the text network cannot be read: {error}") from error
    vectors = TextTower(descriptor.text, model, tokenizer).vectors(["a dog", "snow"])
    if vectors.shape[1] != dim:
        raise BackboneError(
            f"{descriptor.name} gives vectors of {dim} values for pictures and of "
            f"{vectors.shape[1]} for texts: the two networks do not belong together"
        )
    artifacts.write_bytes(folder / _TEXT, model)
    artifacts.write_bytes(folder / _TOKENIZER, tokenizer)
    sha256 = (hashlib.sha256(data).hexdigest() for data in (model, tokenizer))
    return dict(zip(("text_sha256", "tokenizer_sha256"), sha256, strict=True))


def _try(descriptor: Descriptor, model: bytes) -> int:
    """Run the network on three pictures, together and one by one; give the vectors' length."""
    from naturalist.backbones.networks.wrapping import wrapped
    from naturalist.backbones.session import run_once

    shape = (3, descriptor.side, descriptor.side, 3)
    pictures = np.random.default_rng(_SEED).integers(0, 256, shape, np.uint8)
    model = wrapped(descriptor, model, None)
    together = run_once(model, pictures)
    if together.ndim != 2 or len(together) != len(pictures):
        raise BackboneError(
            f"{descriptor.name} returns an array of shape {together.shape} for 3 pictures, not one "
            'vector each: choose another output, or pooling = "average" or "first"'
        )
    if not np.isfinite(together).all():
        raise BackboneError(
            f"{descriptor.name} returns vectors with NaN or infinity: check mean and scale"
        )
    alone = np.concatenate([run_once(model, pictures[i : i + 1]) for i in range(len(pictures))])
    if not np.allclose(alone, together, rtol=1e-3, atol=1e-3 * np.abs(together).max()):
        raise BackboneError(
            f"the vectors of {descriptor.name} depend on the other pictures in the batch: "
            "export it for inference, not for training"
        )
    return int(together.shape[1])


def _write_projection(path: Path, rows: int, columns: int) -> str:
    if rows >= columns:
        raise BackboneError(
            f"project_to is {rows}, but the vectors have {columns} values: choose fewer "
            "than that, or leave project_to out"
        )
    rng = np.random.default_rng(_SEED)
    basis, _ = np.linalg.qr(rng.standard_normal((columns, rows)))
    with artifacts.atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.ascontiguousarray(basis.T, np.float32))
    return artifacts.sha256_file(path)
