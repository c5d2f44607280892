"""What `clusters.json` says about clusters: numbers, pictures to look at, words, candidates."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NotRequired

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from naturalist.counting import counted
from naturalist.studies.clusters.methods import quality
from naturalist.studies.clusters.methods.clustering import NOISE

Entry = dict[str, Any]

MIXED_BELOW = 0.9
"""A cluster is mixed if its largest category has a smaller share."""
DOUBTFUL_BELOW = 0.6
"""A cluster is doubtful if its stability is less; Hennig (2007)."""
ONE_SOURCE_FROM = 0.95
"""A cluster is one source if the largest of its sources has this share."""
SHOWN = 6
_FOREIGN_BELOW = 0.2
_CANDIDATES = 200


class ClusterEntry(TypedDict):
    """One cluster; `category` and `purity` are None where categories are not known.

    `title`, the name that `naturalist names` found, is added where the dashboard serves it.
    """

    cluster: int
    size: int
    category: str | None
    purity: float | None
    categories: dict[str, int]
    sources: dict[str, int]
    medoids: list[str]
    boundary: list[str]
    single_source: bool
    mixed: bool
    words: list[str]
    stability: float | None
    parent: int | None
    sheet: str | None
    title: NotRequired[str]


class LabelCandidate(TypedDict):
    """A picture whose category is rare in its cluster."""

    picID: str
    category: str
    suggested: str
    cluster: int
    score: float


class ClusterReport(TypedDict):
    """What `clusters.json` holds; the dashboard's types are checked against it."""

    name: str
    method: str
    seed: int
    made_at: str
    made_from: dict[str, int]
    axes: dict[str, float]
    criterion: dict[str, Any]
    stability: float | None
    by_cluster: dict[Any, float]
    silhouette: float | None
    silhouette_features: float | None
    measured: dict[str, Any]
    added: dict[str, int]
    remade: NotRequired[dict[str, Any]]
    rows: int
    options: str
    files: list[list[Any]]
    model: str
    largest_id: int
    noise_when_made: int
    noise_sheet: NotRequired[str | None]
    noise: int
    metrics: dict[str, float | None]
    clusters: list[ClusterEntry]
    hierarchy: list[dict[str, Any]]
    label_candidates: list[LabelCandidate]
    words: list[str]


@dataclass(frozen=True, eq=False)
class Members:
    """Every row with its cluster.

    Attributes:
        pic_ids: (rows,) names.
        clusters: (rows,) int32; -1 is noise.
        strength: (rows,) float32, 0 to 1.
        distance: (rows,) float32, to the centre of the cluster.
        categories: (rows,) name of the category; all empty if there is no word about them.
        sources: (rows,) name of the source.
    """

    pic_ids: NDArray[np.str_]
    clusters: NDArray[np.int32]
    strength: NDArray[np.float32]
    distance: NDArray[np.float32]
    categories: NDArray[np.object_]
    sources: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.pic_ids)


def metrics(members: Members) -> dict[str, float | None]:
    """Clusters beside categories and beside sources; None where there are fewer than two."""
    named = {"categories": members.categories, "sources": members.sources}
    result: dict[str, float | None] = {}
    for what, names in named.items():
        groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
        known = quality.agreement(members.clusters, groups) if groups.max(initial=0) else {}
        for name in ("ari", "ari_clustered", "nmi", "purity", "completeness", "homogeneity"):
            result[name if what == "categories" else f"{name}_sources"] = known.get(name)
    return result


def entries(members: Members, stability: dict[int, float], parents: dict[int, int]) -> list[Entry]:
    """One entry for each cluster, the largest first."""
    named = Counter(zip(members.categories.tolist(), members.sources.tolist(), strict=True))
    sources_of = Counter(category for category, _ in named)
    several = len({source for _, source in named}) > 1
    made = [
        _entry(members, int(one), sources_of, stability.get(int(one)), several=several)
        | {"parent": parents.get(int(one))}
        for one in np.unique(members.clusters[members.clusters != NOISE])
    ]
    return sorted(made, key=lambda entry: (-entry["size"], entry["cluster"]))


def _entry(
    members: Members,
    cluster: int,
    sources_of: Counter[str],
    stability: float | None,
    *,
    several: bool,
) -> Entry:
    rows = np.flatnonzero(members.clusters == cluster)
    categories = Counter(members.categories[rows].tolist())
    sources = Counter(members.sources[rows].tolist())
    (category, most), size = categories.most_common(1)[0], len(rows)
    single = sources.most_common(1)[0][1] >= ONE_SOURCE_FROM * size
    entry = {
        "cluster": cluster,
        "size": size,
        "category": category or None,
        "purity": round(most / size, 4) if category else None,
        "categories": dict(categories.most_common()) if category else {},
        "sources": dict(sources.most_common()),
        "medoids": _first(members, rows, members.distance),
        "boundary": _first(members, rows, members.strength),
        "single_source": single and several,
        "mixed": bool(category) and most < MIXED_BELOW * size,
        "stability": _rounded(stability),
    }
    return entry | {"words": _words(entry, sources_of[category])}


def _first(members: Members, rows: NDArray[np.int64], by: NDArray[np.float32]) -> list[str]:
    order = rows[np.argsort(by[rows], kind="stable")[:SHOWN]]
    return [str(name) for name in members.pic_ids[order]]


def _words(entry: Entry, sources_of_category: int) -> list[str]:
    words = []
    if entry["single_source"]:
        name, count = next(iter(entry["sources"].items()))
        words.append(
            f"{count:,} of its {entry['size']:,} pictures come from one source, {name}: it may "
            "reflect how that source was collected rather than what the pictures show"
        )
        if sources_of_category > 1:
            words.append(
                f"category {entry['category']} has {sources_of_category} sources, and the others "
                "are not in it: a classifier can learn the source from it (a data-collection "
                "artefact)"
            )
    if entry["mixed"]:
        shares = ", ".join(f"{count:,} {name}" for name, count in entry["categories"].items())
        words.append(f"it mixes categories ({shares}): check the minority for wrong labels")
    if _is_doubtful(entry):
        words.append(
            f"it is doubtful: clusters of half of the pictures have {entry['stability']:.2f} of it "
            f"in common (below {DOUBTFUL_BELOW}), so that other pictures would give other clusters"
        )
    return words


def _is_doubtful(entry: Entry) -> bool:
    return entry["stability"] is not None and entry["stability"] < DOUBTFUL_BELOW


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def label_candidates(members: Members, result: list[Entry]) -> list[Entry]:
    """Pictures of a category that is rare in their cluster, the most suspect first.

    The score is the share of the cluster's largest category times the strength of the membership.
    """
    candidates = []
    for entry in result:
        few = {
            name
            for name, count in entry["categories"].items()
            if name != entry["category"] and count < _FOREIGN_BELOW * entry["size"]
        }
        rows = np.flatnonzero(members.clusters == entry["cluster"])
        suspect = rows[np.isin(members.categories[rows], sorted(few))]
        candidates += [_candidate(members, row, entry) for row in suspect.tolist()]
    return sorted(candidates, key=lambda one: (-one["score"], one["picID"]))[:_CANDIDATES]


def _candidate(members: Members, row: int, entry: Entry) -> Entry:
    return {
        "picID": str(members.pic_ids[row]),
        "category": str(members.categories[row]),
        "suggested": entry["category"],
        "cluster": entry["cluster"],
        "score": round(entry["purity"] * float(members.strength[row]), 4),
    }


def words(result: list[Entry], rows: int, noise: int, measured: dict[str, Any]) -> list[str]:
    """The clustering in sentences.

    Args:
        result: the clusters.
        rows: pictures in all.
        noise: pictures in no cluster.
        measured: of how many pictures stability was measured, and in which space.
    """
    if not result:
        return [
            f"no cluster: all {rows:,} pictures are noise, so there are no clusters to describe"
        ]
    lines = [f"{_counted(len(result))} of {counted(rows - noise, 'picture')}; noise: {noise:,}"]
    lines += _doubts(result)
    where = f"stability and silhouette are measured in {measured['space']}"
    more = rows - measured["rows"]
    lines.append(
        f"{where}, before the last {counted(more, 'picture was', 'pictures were')} added"
        if more > 0
        else where
    )
    return lines


def _doubts(result: list[Entry]) -> Iterator[str]:
    """What speaks against clusters."""
    doubtful = [entry for entry in result if _is_doubtful(entry)]
    single = [entry for entry in result if entry["single_source"]]
    mixed = [entry for entry in result if entry["mixed"]]
    if doubtful:
        inside = sum(entry["size"] for entry in doubtful)
        yield (
            f"{_counted(len(doubtful))} with {counted(inside, 'picture')}, doubtful: stability "
            "below "
            f"{DOUBTFUL_BELOW} ({_named(doubtful)})"
        )
    if single:
        inside = sum(entry["size"] for entry in single)
        yield (
            f"{_counted(len(single))} with {counted(inside, 'picture')}, each of one source "
            f"({_named(single)}): they may reflect how the data were collected"
        )
    if mixed:
        yield f"{_counted(len(mixed))} of mixed categories ({_named(mixed)}): see label_candidates"


def _counted(count: int) -> str:
    return counted(count, "cluster")


def _named(result: list[Entry]) -> str:
    names = [str(entry["cluster"]) for entry in result[:10]]
    return ", ".join(names) + (", ..." if len(result) > 10 else "")
