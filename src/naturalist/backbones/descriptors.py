"""What is said of an added backbone: its descriptor, and what is kept beside its model.

Apart from `custom`, because pydantic takes long to import and workers seldom need it.
"""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from naturalist.backbones.preprocessing import RULES
from naturalist.backbones.spec import BackboneSpec
from naturalist.errors import BackboneError

GRAPH = "custom-onnx-v1"
MODEL_FILE = "model.onnx"
TEXT_FILE = "text.onnx"
TOKENIZER_FILE = "tokenizer.json"
_ENTRY_FIELDS = {"channels", "layout", "mean", "scale", "output", "pooling"}

Channels = Annotated[list[float], Field(min_length=3, max_length=3)]


class TextDescriptor(BaseModel):
    """The network for words that was trained together with one for pictures, as CLIP's are."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    file: str = TEXT_FILE
    tokenizer: str = TOKENIZER_FILE
    length: Annotated[int, Field(ge=2, le=4096)] = 77
    output: str | None = None
    prompt: Annotated[str, Field(pattern=r"\{\}")] = "a photo of a {}"
    background: Annotated[tuple[str, ...], Field(min_length=1)] = ("a photo", "a picture")
    scale: Annotated[float, Field(gt=0)] = 100.0


class Descriptor(BaseModel):
    """What a user says of an ONNX file; `custom` shows every field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")]
    file: str = MODEL_FILE
    side: Annotated[int, Field(ge=8, le=2048)]
    channels: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    mean: Channels = [0.0, 0.0, 0.0]
    scale: Channels = [1.0, 1.0, 1.0]
    resize: str = "letterbox-v3"
    output: str | None = None
    pooling: Literal["none", "average", "first"] = "none"
    project_to: Annotated[int, Field(ge=2)] | None = None
    licence: str
    text: TextDescriptor | None = None

    @model_validator(mode="after")
    def _whole_vectors(self) -> "Descriptor":
        if self.text is not None and self.project_to is not None:
            raise ValueError(
                "project_to cannot be used with a text network: projected vectors cannot be "
                "compared with those of texts"
            )
        return self

    @model_validator(mode="after")
    def _known_rule(self) -> "Descriptor":
        if self.resize not in RULES:
            raise ValueError(f"resize must be one of {', '.join(RULES)}, not {self.resize!r}")
        return self


class Added(BaseModel):
    """What is kept of an added backbone beside its model."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    descriptor: Descriptor
    dim: int
    weights_sha256: str
    projection_sha256: str | None = None
    text_sha256: str | None = None
    tokenizer_sha256: str | None = None

    @property
    def spec(self) -> BackboneSpec:
        """The backbone's identity; how pixels enter is part of it, through the graph's name."""
        reported = self.descriptor
        entry = reported.model_dump(include=_ENTRY_FIELDS)
        digest = hashlib.sha256(json.dumps(entry, sort_keys=True).encode()).hexdigest()
        rule = RULES[reported.resize]
        return BackboneSpec(
            name=reported.name,
            dim=self.dim,
            side=reported.side,
            weights_sha256=self.weights_sha256,
            graph=f"{GRAPH}-{digest[:12]}",
            preprocessing=reported.resize,
            fit=rule.fit,
            full_decode=rule.full_decode,
            licence=reported.licence,
            projection=self.projection_sha256
            and f"random-orthogonal-{self.dim}-{self.projection_sha256[:12]}",
        )


def read_descriptor(path: Path) -> Descriptor:
    """Read and check a descriptor.

    Raises:
        BackboneError: the file is missing, not TOML, or says something that is not allowed.
    """
    try:
        return Descriptor(**tomllib.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BackboneError(f"the descriptor {path} cannot be read: {error}") from error
    except ValidationError as error:
        problems = "; ".join(f"{_where(e['loc'])}{e['msg']}" for e in error.errors())
        raise BackboneError(f"the descriptor {path} is invalid: {problems}") from error


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) + ": " if location else ""
