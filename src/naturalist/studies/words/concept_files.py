"""Concepts of a workspace: one JSON file each, with its examples, its model and its measures."""

import base64
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.studies.words.methods.concepts import Concept, ConceptQuality, folded_name
from naturalist.suggestions import choose_one_of

FORMAT = 1
_MOST_LESSONS = 100
_NAME = re.compile(r"[^\W_][\w ]{0,63}")


@dataclass(frozen=True)
class Lesson:
    """Examples that a person gave.

    Attributes:
        by: who taught.
        at: when, ISO 8601.
        yes: examples that were given.
        no: counter-examples that were given.
    """

    by: str
    at: str
    yes: int
    no: int


@dataclass(frozen=True)
class SavedConcept:
    """A concept as it is kept.

    Attributes:
        name: the word that it stands for, in small letters.
        backbone: id of the backbone whose vectors it is for.
        yes: examples, as picture ids.
        no: counter-examples.
        likely: pictures drawn at random above the threshold, that a person was asked about; their
            answers estimate the precision.
        made_at: when, ISO 8601.
        quality: what cross-validation says; None with too few examples.
        weights: (dim,) float32, base64.
        bias: of the linear model.
        lessons: who taught it when, the newest last; at most 100, none of before they were kept.
    """

    name: str
    backbone: str
    yes: tuple[str, ...]
    no: tuple[str, ...]
    likely: tuple[str, ...]
    made_at: str
    quality: ConceptQuality | None
    weights: str
    bias: float
    lessons: tuple[Lesson, ...] = ()

    @property
    def model(self) -> str:
        """Fingerprint of what scores depend on."""
        return artifacts.fingerprint(self.weights, self.bias, self.threshold)

    @property
    def concept(self) -> Concept:
        """The linear model."""
        return Concept(np.frombuffer(base64.b64decode(self.weights), np.float32), self.bias)

    @property
    def threshold(self) -> float:
        """The score from which on a picture shows the concept."""
        return self.quality.threshold if self.quality else 0.5


def encoded(concept: Concept) -> str:
    """The weights of a concept as text."""
    return base64.b64encode(concept.weights.astype("<f4").tobytes()).decode("ascii")


def checked_name(name: str) -> str:
    """The name in small letters; ``_`` and ``-`` are spaces, so that each concept has its file.

    Raises:
        ConfigError: it cannot be the name of a concept.
    """
    clean = folded_name(name)
    if not _NAME.fullmatch(clean):
        raise ConfigError(
            f"{name!r} cannot name a concept: use up to 64 letters, digits and spaces, "
            "beginning with a letter or digit"
        )
    return clean


def write_concept(layout: Layout, saved: SavedConcept) -> None:
    """Write a concept; one of the same name is replaced."""
    kept = replace(saved, lessons=saved.lessons[-_MOST_LESSONS:])
    artifacts.write_json(_path(layout, saved.name), {"format": FORMAT, **asdict(kept)})


def read_concept(layout: Layout, name: str) -> SavedConcept:
    """Read a concept.

    Raises:
        ConfigError: there is none of that name.
    """
    saved = read_concepts(layout).get(checked_name(name))
    if saved is None:
        advice = choose_one_of(name, read_concepts(layout))
        raise ConfigError(f"there is no concept {name!r} in the workspace: {advice}")
    return saved


def read_concepts(layout: Layout, backbone: str = "") -> dict[str, SavedConcept]:
    """All concepts by name, or those for the vectors of one backbone."""
    result = {}
    for path in _files(layout):
        value = artifacts.read_json(path)
        if isinstance(value, dict) and value.get("format") == FORMAT:
            saved = _saved(value)
            if backbone in ("", saved.backbone):
                result[saved.name] = saved
    return dict(sorted(result.items()))


def remove_concept(layout: Layout, name: str) -> None:
    """Remove a concept.

    Raises:
        ConfigError: there is none of that name.
    """
    saved = read_concept(layout, name)
    for path in _files(layout):
        if folded_name(path.stem) == saved.name:
            path.unlink(missing_ok=True)
            layout.concept_members(path.stem).unlink(missing_ok=True)


def _files(layout: Layout) -> list[Path]:
    """Files of concepts; those named as they are now come after those of before names were folded.

    Concepts that had names of their own before, such as ``red-cat`` beside ``red cat``, have one
    now: the last of them counts.
    """

    def is_of_now(path: Path) -> bool:
        return path.stem == _stem(folded_name(path.stem))

    return sorted(layout.concepts.glob("*.json"), key=lambda path: (is_of_now(path), path))


def _path(layout: Layout, name: str) -> Path:
    return layout.concept(_stem(name))


def _stem(name: str) -> str:
    return name.replace(" ", "_")


def _saved(value: dict[str, Any]) -> SavedConcept:
    fields = {key: one for key, one in value.items() if key != "format"}
    fields["name"] = folded_name(fields["name"])
    for key in ("yes", "no", "likely"):
        fields[key] = tuple(fields[key])
    fields["lessons"] = tuple(Lesson(**one) for one in fields.get("lessons", ()))
    quality = fields["quality"]
    return SavedConcept(**fields | {"quality": ConceptQuality(**quality) if quality else None})
