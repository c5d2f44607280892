"""Concepts in a workspace: made from examples, improved by answers, applied to all pictures."""

import datetime as dt
import getpass
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts, backbones, ledger
from naturalist.config import Config
from naturalist.curation.concept_examples import gathered
from naturalist.curation.decisions import Decision
from naturalist.curation.measured import write_decisions
from naturalist.curation.searching import open_words
from naturalist.errors import ConfigError
from naturalist.ledger import Withheld
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.schemas import CONCEPT_MEMBERS
from naturalist.stages.ingest.resolve import Kind
from naturalist.studies.clusters import names as clustering_names
from naturalist.studies.maps import region_names
from naturalist.studies.words import concept_files
from naturalist.studies.words.concept_files import Lesson, SavedConcept, encoded
from naturalist.studies.words.methods.concepts import (
    BACKGROUND,
    Concept,
    ConceptQuality,
    cross_validate,
    fit_concept,
    interval_of_share,
    most_informative,
)
from naturalist.studies.words.opening import Words
from naturalist.suggestions import choose_one_of

Floats = NDArray[np.float32]

_POOL = 2000
"""Pictures with the highest scores among which the next to ask about are chosen."""
_LEAST_FOR_QUALITY = 3
_SHOWN = 20
_LONGEST_BY = 64
_MODEL = "model"
"""What the file of an applied concept calls the fingerprint of the concept."""
_NAMED = (clustering_names.names_of, region_names.names_of)


@dataclass(frozen=True, eq=False)
class Scored:
    """Every picture that is in the tables and accepted, with its score by a concept."""

    rows: NDArray[np.int64]
    scores: Floats


def make_concept(
    config: Config,
    name: str,
    yes: Iterable[str],
    no: Iterable[str],
    ask: int,
    progress: Progress,
    by: str = "",
) -> dict[str, Any]:
    """Make a concept, or improve it with more examples.

    Args:
        config: the collection.
        name: the word that it stands for.
        yes: pictures that show it, added to those that it has.
        no: pictures that do not.
        ask: how many pictures to propose for the next answers.
        progress: listens.
        by: who teaches it; the user of this process if empty. Kept with the concept.

    Returns:
        What `show_concept` does, `gone`: how many examples no longer count because they are no
        longer accepted, and `ask`: the pictures that would tell most.

    Raises:
        ConfigError: a picture is not there, is no longer accepted or is named as both, or there
            are too few examples.
        WorkspaceLocked: somebody else is writing.
    """
    name = concept_files.checked_name(name)
    words = open_words(config, progress)
    backbone = backbones.describe(config.extract.backbone).id
    before = concept_files.read_concepts(config.layout, backbone).get(name)
    yes, no = list(yes), list(no)
    examples = gathered(words, config.layout, before, yes, no)
    labels, out = examples.labels, ledger.withheld(config.layout)
    model, quality = _fitted(words, labels, out, name)
    scored = _scored(words, model, out)
    threshold = quality.threshold if quality else 0.5
    questions = _questions(words, scored, threshold, set(labels), ask)
    at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    lesson = Lesson(by.strip()[:_LONGEST_BY] or getpass.getuser(), at, len(yes), len(no))
    saved = SavedConcept(
        name=name,
        backbone=backbone,
        yes=tuple(one for one, says in labels.items() if says),
        no=tuple(one for one, says in labels.items() if not says),
        likely=(*examples.likely, *questions["likely"]),
        made_at=at,
        quality=quality,
        weights=encoded(model),
        bias=model.bias,
        lessons=(*(before.lessons if before else ()), lesson),
    )
    with workspace.writing(config):
        concept_files.write_concept(config.layout, saved)
    return _described(saved, scored) | {"gone": examples.gone, "ask": questions}


def show_concept(config: Config, name: str, progress: Progress) -> dict[str, Any]:
    """What is known of a concept, and the pictures that show it most.

    Raises:
        ConfigError: there is none of that name for the collection's backbone.
    """
    words = open_words(config, progress)
    saved = _of_backbone(config, name)
    scored = _scored(words, saved.concept, ledger.withheld(config.layout))
    best = np.argsort(-scored.scores, kind="stable")[:_SHOWN]
    named = words.index.described(scored.rows[best].tolist())
    scores = [round(float(score), 4) for score in scored.scores[best]]
    rows = [one | {"score": score} for one, score in zip(named, scores, strict=True)]
    return _described(saved, scored) | {"rows": rows}


def list_concepts(config: Config) -> list[dict[str, Any]]:
    """All concepts of a workspace, by name."""
    workspace.reading(config.layout)
    backbone = backbones.describe(config.extract.backbone).id
    return [
        _facts(saved) | {"usable": saved.backbone == backbone}
        for saved in concept_files.read_concepts(config.layout).values()
    ]


def examples_of(config: Config, name: str) -> dict[str, Any]:
    """The examples of a concept that are in the collection: `concept`, and ids `yes` and `no`.

    `names` is how many clusters and regions of maps are called after it.

    Raises:
        ConfigError: there is none of that name.
    """
    workspace.reading(config.layout)
    saved, out = concept_files.read_concept(config.layout, name), ledger.withheld(config.layout)
    sides = {"yes": saved.yes, "no": saved.no}
    kept = {side: [one for one in ids if one not in out] for side, ids in sides.items()}
    return {"concept": saved.name, **kept, "names": _called(config, saved.name)}


def _called(config: Config, name: str) -> int:
    """How many clusters and regions of maps have a concept as the first of their names."""
    layout = config.layout
    folders = [*layout.clusterings.glob("*"), *layout.maps.glob("*")]
    kept = [of(folder).read_report() for folder in folders for of in _NAMED]
    entries = [entry for report in kept if report for entry in report["entries"]]
    best = [entry["names"][0] for entry in entries if entry["names"]]
    return sum(1 for one in best if one.get("by") == "concept" and one["name"] == name)


@dataclass(frozen=True, eq=False)
class Matches:
    """The pictures that show a concept, as it was applied last.

    Attributes:
        pictures: how many were scored.
        ids: of those that match, the best match first; (rows,).
    """

    pictures: int
    ids: list[str]


def matches_of(config: Config, name: str) -> Matches | None:
    """What `apply_concept` wrote; None if the concept was not applied since it was last taught.

    Pictures that are withheld by now are left out.

    Raises:
        ConfigError: there is no such concept.
        WorkspaceError: the file is damaged.
    """
    saved = concept_files.read_concept(config.layout, name)
    path = _members(config, saved.name)
    if not path.exists():
        return None
    about = artifacts.read_parquet_metadata(path).metadata or {}
    if about.get(_MODEL.encode()) != saved.model.encode():
        return None
    table = artifacts.read_parquet(path)
    table = table.filter(pc.invert(ledger.withheld(config.layout).among(table["picID"])))
    best = table.filter(table["match"]).sort_by([("score", "descending"), ("picID", "ascending")])
    return Matches(table.num_rows, best["picID"].to_pylist())


def _members(config: Config, name: str) -> Path:
    return config.layout.concept_members(name.replace(" ", "_"))


def apply_concept(
    config: Config,
    name: str,
    progress: Progress,
    *,
    decisions: Path | None = None,
    category: str = "",
) -> dict[str, Any]:
    """Write the score of every picture by a concept, and which of them show it.

    Args:
        config: the collection.
        name: the concept.
        progress: listens.
        decisions: also write a file for `naturalist review` that proposes `category` for all
            pictures that show the concept and are in another one.
        category: a category of the collection.

    Raises:
        ConfigError: there is no such concept or category, or the file is there already.
        WorkspaceLocked: somebody else is writing.
    """
    saved = _of_backbone(config, name)
    if decisions is not None:
        _check_proposal(config, decisions, category)
    words = open_words(config, progress)
    scored = _scored(words, saved.concept, ledger.withheld(config.layout))
    named = _names(words, scored.rows)
    matches = scored.scores >= saved.threshold
    columns = [named["picID"], pa.array(scored.scores), pa.array(matches)]
    table = pa.Table.from_arrays(columns, schema=CONCEPT_MEMBERS)
    path = _members(config, saved.name)
    with workspace.writing(config):
        about = {"concept": saved.name, _MODEL: saved.model}
        artifacts.write_parquet(path, table, metadata=about)
    proposed = 0
    if decisions is not None:
        proposed = _write_proposal(decisions, saved, category, named, scored.scores, matches)
    return {
        "concept": saved.name,
        "pictures": len(matches),
        "matches": int(matches.sum()),
        "threshold": round(saved.threshold, 4),
        "file": str(path),
        "decisions": str(decisions) if decisions else None,
        "proposed": proposed,
    }


def drop_concept(config: Config, name: str) -> str:
    """Remove a concept; returns its name.

    Raises:
        ConfigError: there is none of that name.
        WorkspaceLocked: somebody else is writing.
    """
    workspace.reading(config.layout)
    with workspace.writing(config):
        concept_files.remove_concept(config.layout, name)
    return concept_files.checked_name(name)


def _fitted(
    words: Words, labels: dict[str, bool], out: Withheld, name: str
) -> tuple[Concept, ConceptQuality | None]:
    vectors = _vectors(words, [one for one in labels if one not in out])
    yes, no = (
        _stack([vectors[one] for one, says in labels.items() if says is side and one in vectors])
        for side in (True, False)
    )
    drawn = _background(words, set(labels) | out.pictures, name)
    no = no if len(no) else drawn[:0]
    enough = len(yes) >= _LEAST_FOR_QUALITY
    return fit_concept(yes, no, drawn), cross_validate(yes, no, drawn) if enough else None


def _vectors(words: Words, pic_ids: Sequence[str]) -> dict[str, Floats]:
    result = {}
    for name in pic_ids:
        known = words.vectors.vector(name)
        if known is None:
            raise ConfigError(f"{name} is not in the tables: ids look like plant_id_7")
        result[name] = np.asarray(known[0], np.float32)
    return result


def _stack(vectors: list[Floats]) -> Floats:
    return np.stack(vectors) if vectors else np.empty((0, 0), np.float32)


def _background(words: Words, but: AbstractSet[str], name: str) -> Floats:
    """Vectors drawn at random from all pictures but some; the same ones for the same concept."""
    rng = np.random.default_rng(list(name.encode()))
    total = words.index.rows
    rows = np.sort(rng.choice(total, min(total, BACKGROUND + len(but)), replace=False))
    named = words.index.described(rows.tolist())
    kept = [row for row, one in zip(rows, named, strict=True) if one["picID"] not in but]
    return _rows_of(words, np.array(kept[:BACKGROUND], np.int64))


def _rows_of(words: Words, rows: NDArray[np.int64]) -> Floats:
    starts = words.index.starts
    parts = np.searchsorted(starts, rows, side="right") - 1
    result = [words.part(int(p))[row - starts[p]] for row, p in zip(rows, parts, strict=True)]
    return np.array(result, np.float32).reshape(len(rows), words.index.about["dim"])


def _scored(words: Words, model: Concept, out: Withheld) -> Scored:
    scores = np.concatenate([model.scores(words.part(k)) for k in range(len(words.index.parts))])
    rows = np.arange(words.index.rows)
    if out:
        names = _names(words, rows)["picID"]
        rows = rows[~out.among(names).to_numpy(zero_copy_only=False)]
    return Scored(rows, scores[rows])


def _names(words: Words, rows: NDArray[np.int64]) -> dict[str, pa.Array]:
    """picID and category of rows."""
    table = pa.concat_tables([part.names for part in words.index.parts]).take(pa.array(rows))
    return {key: table[key].combine_chunks() for key in ("picID", "category")}


def _questions(
    words: Words, scored: Scored, threshold: float, known: set[str], count: int
) -> dict[str, list[str]]:
    """Pictures whose answers would tell most: half about the border, half about the precision."""
    order = np.argsort(-scored.scores, kind="stable")
    above = order[scored.scores[order] >= threshold]
    pool = order[: max(_POOL, 2 * len(above))][:10_000]
    named = words.index.described(scored.rows[pool].tolist())
    pool = pool[[one["picID"] not in known for one in named]]
    vectors = _rows_of(words, scored.rows[pool])
    uncertain = pool[most_informative(vectors, scored.scores[pool], threshold, count - count // 2)]
    rest = np.setdiff1d(pool[scored.scores[pool] >= threshold], uncertain)
    rng = np.random.default_rng(len(known))
    likely = rng.permutation(rest)[: count // 2]
    return {
        key: [one["picID"] for one in words.index.described(scored.rows[own].tolist())]
        for key, own in (("uncertain", uncertain), ("likely", likely))
    }


def _described(saved: SavedConcept, scored: Scored) -> dict[str, Any]:
    matches = int((scored.scores >= saved.threshold).sum())
    return _facts(saved) | {"pictures": len(scored.rows), "matches": matches}


def _facts(saved: SavedConcept) -> dict[str, Any]:
    return {
        "concept": saved.name,
        "yes": len(saved.yes),
        "no": len(saved.no),
        "made_at": saved.made_at,
        "backbone": saved.backbone,
        "threshold": round(saved.threshold, 4),
        "cross_validation": _rounded(saved.quality),
        "precision": _precision(saved),
        "lessons": [vars(one) for one in saved.lessons],
    }


def _rounded(quality: ConceptQuality | None) -> dict[str, float] | None:
    if quality is None:
        return None
    return {key: round(value, 4) for key, value in vars(quality).items()}


def _precision(saved: SavedConcept) -> dict[str, Any] | None:
    """Share of right ones among the answers about pictures drawn above the threshold."""
    right = len({*saved.likely} & {*saved.yes})
    answered = right + len({*saved.likely} & {*saved.no})
    if not answered:
        return None
    low, high = interval_of_share(right, answered)
    return {
        "share": round(right / answered, 4),
        "answers": answered,
        "interval_90": [round(low, 4), round(high, 4)],
    }


def _of_backbone(config: Config, name: str) -> SavedConcept:
    saved = concept_files.read_concept(config.layout, name)
    backbone = backbones.describe(config.extract.backbone).id
    if saved.backbone != backbone:
        raise ConfigError(
            f"the concept {saved.name!r} was made for the vectors of {saved.backbone} and the "
            f"collection has those of {backbone}: make it again with the same examples"
        )
    return saved


def _check_proposal(config: Config, path: Path, category: str) -> None:
    if category not in config.labels:
        raise ConfigError(
            f"--category {category!r}: --decisions needs the category to propose; "
            f"{choose_one_of(category, sorted(config.labels))}"
        )
    if path.exists():
        raise ConfigError(f"{path} already exists: choose another file, or delete it")


def _write_proposal(
    path: Path,
    saved: SavedConcept,
    category: str,
    named: dict[str, pa.Array],
    scores: Floats,
    matches: NDArray[np.bool_],
) -> int:
    """Write decisions that put matching pictures of other categories into one."""
    own = np.asarray(named["category"].to_numpy(zero_copy_only=False) == category, bool)
    selected = np.flatnonzero(matches & ~own)
    selected = selected[np.argsort(-scores[selected], kind="stable")]
    decisions = (
        Decision(
            line,
            named["picID"][row].as_py(),
            Kind.RELABEL,
            category,
            f"concept {saved.name}, score {scores[row]:.3f}",
        )
        for line, row in enumerate(selected.tolist(), 2)
    )
    return write_decisions(path, decisions)
