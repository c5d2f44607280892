"""What methods of an opened collection give: typed values that print well and show pictures.

Each has `report`, the document that the command of the same name prints with `--json`. Thumbnails
are looked up when a notebook shows a result, so a result costs none by itself.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from naturalist.api import html
from naturalist.counting import counted
from naturalist.curation import review
from naturalist.curation.reviewing.effects import Effect
from naturalist.document_keys import ROWS, printed
from naturalist.pipeline.predicting import Prediction
from naturalist.pipeline.runner import RunReport
from naturalist.pipeline.status import CollectionStatus

Thumbnails = Callable[[Sequence[str]], Mapping[str, bytes]]
_SHOWN = 60
_SHOWN_GROUPS = 10
_LISTED = 8


@dataclass(frozen=True)
class Picture:
    """A picture of a result.

    Attributes:
        pic_id: as in plant_id_7.
        category, source: where it belongs; the source is empty where it is not known.
        score: what ranks it: a cosine, the score of a search, or how suspect its label is.
        path: inside its source; None where there is no ledger.
        why: what speaks for it, in a few words.
    """

    pic_id: str
    category: str
    source: str
    score: float
    path: str | None = None
    why: str = ""


@dataclass(frozen=True, repr=False)
class Pictures(Sequence[Picture]):
    """Pictures in order of their rank.

    Attributes:
        title: what they are.
        pictures: best first.
        report: what the command prints.
        messages: what a person should know, such as words that mean nothing here.
    """

    title: str
    pictures: tuple[Picture, ...]
    report: Mapping[str, Any]
    messages: tuple[str, ...] = ()
    _thumbnails: Thumbnails = field(default=lambda _: {}, compare=False)

    @property
    def pic_ids(self) -> list[str]:
        """Ids in the same order."""
        return [one.pic_id for one in self.pictures]

    @overload
    def __getitem__(self, at: int) -> Picture: ...
    @overload
    def __getitem__(self, at: slice) -> "Pictures": ...
    def __getitem__(self, at: int | slice) -> "Picture | Pictures":
        if isinstance(at, int):
            return self.pictures[at]
        return Pictures(self.title, self.pictures[at], self.report, self.messages, self._thumbnails)

    def __len__(self) -> int:
        return len(self.pictures)

    def __repr__(self) -> str:
        """A line for each picture, after a line that says what they are."""
        lines = [f"{self.title}: {counted(len(self), 'picture')}", *self.messages]
        lines += [
            f"  {one.pic_id}  {one.score:.3f}  {one.why or one.path or one.source}".rstrip()
            for one in self.pictures[:_LISTED]
        ]
        return "\n".join([*lines, *_more(len(self), _LISTED)])

    def _repr_html_(self) -> str:
        shown = self.pictures[:_SHOWN]
        captions = {one.pic_id: f"{one.score:.3f} {one.why}" for one in shown}
        parts = [f"{self.title}: {counted(len(self), 'picture')}", *self.messages]
        gallery = html.gallery(captions, self._thumbnails(list(captions)))
        return "".join(map(html.paragraph, parts)) + gallery


def _more(count: int, shown: int) -> list[str]:
    return [f"  and {count - shown:,} more"] if count > shown else []


@dataclass(frozen=True, repr=False)
class Status:
    """Counts per category.

    Attributes:
        report: what `naturalist status` prints; of a published collection, what its snapshot says.
        counts: pictures in the tables, by name of the category.
    """

    report: CollectionStatus | Mapping[str, Any]
    counts: Mapping[str, int]
    _columns: tuple[str, ...] = ()
    _rows: tuple[tuple[Any, ...], ...] = ()

    @property
    def accepted(self) -> int:
        """Pictures of all categories."""
        return sum(self.counts.values())

    def __repr__(self) -> str:
        """One line for each category."""
        lines = [f"{self.report['collection']}: {counted(self.accepted, 'picture')}"]
        for row in self._rows:
            facts = [
                f"{column} {value:,}"
                for column, value in zip(self._columns[1:], row[1:], strict=True)
            ]
            lines.append(f"  {row[0]}: {', '.join(facts)}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        title = html.paragraph(f"{self.report['collection']}: {counted(self.accepted, 'picture')}")
        return title + html.table(self._columns, self._rows)


@dataclass(frozen=True, repr=False)
class Run:
    """What a run did.

    Attributes:
        run: what each stage did.
        status: of the collection afterwards.
    """

    run: RunReport
    status: Status

    @property
    def changed(self) -> bool:
        """Whether anything was made."""
        return self.run.changed

    @property
    def report(self) -> Mapping[str, Any]:
        """What `naturalist run` prints."""
        return printed(self.run.as_document(self.status.report))

    def __repr__(self) -> str:
        """One line, and the status."""
        what = f"run {self.run.outcome}" if self.changed else "nothing new"
        return f"{what} in {self.run.duration_s:.1f} s\n{self.status!r}"

    def _repr_html_(self) -> str:
        return html.paragraph(repr(self).splitlines()[0]) + self.status._repr_html_()


@dataclass(frozen=True, repr=False, eq=False)
class Map:
    """A map of all pictures; row i of both arrays is the same picture.

    Attributes:
        name: as in tsne-2d.
        pic_ids: (N,) str.
        coordinates: (N, 2 or 3) float32.
        report: how it was made and what was measured on it (`map.json`).
        picture: PNG of it; empty where there is none.
    """

    name: str
    pic_ids: NDArray[np.str_]
    coordinates: NDArray[np.float32]
    report: Mapping[str, Any]
    picture: bytes = b""

    def __len__(self) -> int:
        return len(self.pic_ids)

    @property
    def verdict(self) -> str:
        """Which thresholds the map reaches or misses, in words."""
        return "; ".join(self.report["verdict"]["words"])

    def __repr__(self) -> str:
        """One line."""
        dims = self.coordinates.shape[1]
        return (
            f"map {self.name}: {counted(len(self), 'picture')} in {dims} dimensions; {self.verdict}"
        )

    def _repr_html_(self) -> str:
        shown = html.image(self.picture, "png", self.name) if self.picture else ""
        return html.paragraph(repr(self)) + shown


@dataclass(frozen=True, repr=False, eq=False)
class Clusters:
    """The clusters of all pictures; row i of both arrays is the same picture.

    Attributes:
        pic_ids: (N,) str.
        clusters: (N,) int32, number of the cluster; -1 is noise.
        report: what `clusters.json` says of each cluster.
        titles: names that `naturalist names` found, by number.
    """

    pic_ids: NDArray[np.str_]
    clusters: NDArray[np.int32]
    report: Mapping[str, Any]
    titles: Mapping[int, str] = field(default_factory=dict)
    _thumbnails: Thumbnails = field(default=lambda _: {})

    def __len__(self) -> int:
        """How many clusters there are, noise not counted."""
        return len(self.report["clusters"])

    def members(self, cluster: int) -> list[str]:
        """Ids of the pictures of a cluster; of noise for -1."""
        found: list[str] = self.pic_ids[self.clusters == cluster].tolist()
        return found

    def _line(self, entry: Mapping[str, Any]) -> str:
        number, category = entry["cluster"], entry["category"]
        title = self.titles.get(number, "")
        pure = "" if entry["purity"] is None else f", {entry['purity']:.0%} {category}"
        return f"cluster {number} {title}".rstrip() + f": {counted(entry['size'], 'picture')}{pure}"

    def __repr__(self) -> str:
        """A line for each of the largest."""
        lines = [f"{counted(len(self), 'cluster')} of {counted(len(self.pic_ids), 'picture')}"]
        lines += [f"  {self._line(entry)}" for entry in self.report["clusters"][:_LISTED]]
        return "\n".join([*lines, *_more(len(self), _LISTED)])

    def _repr_html_(self) -> str:
        entries = self.report["clusters"][:_SHOWN_GROUPS]
        shown = self._thumbnails([name for entry in entries for name in entry["medoids"]])
        parts = [
            html.paragraph(
                f"{counted(len(self), 'cluster')} of {counted(len(self.pic_ids), 'picture')}"
            )
        ]
        for entry in entries:
            parts.append(html.paragraph(self._line(entry)))
            parts.append(html.gallery(dict.fromkeys(entry["medoids"], ""), shown))
        return "".join(parts)


@dataclass(frozen=True, repr=False)
class Duplicates:
    """Near duplicates.

    Attributes:
        groups: ids of each group of two or more, the first picture of it first.
        report: counts.
    """

    groups: tuple[tuple[str, ...], ...]
    report: Mapping[str, Any]
    _thumbnails: Thumbnails = field(default=lambda _: {}, compare=False)

    def __len__(self) -> int:
        return len(self.groups)

    def __repr__(self) -> str:
        """Counts, and the first groups."""
        lines = [self._title()]
        lines += [f"  {', '.join(group)}" for group in self.groups[:_LISTED]]
        return "\n".join([*lines, *_more(len(self), _LISTED)])

    def _title(self) -> str:
        return (
            f"{counted(len(self), 'group')} of near duplicates among "
            f"{counted(self.report['pictures'], 'picture')}; across categories: "
            f"{self.report['across_categories']:,}"
        )

    def _repr_html_(self) -> str:
        groups = self.groups[:_SHOWN_GROUPS]
        shown = self._thumbnails([name for group in groups for name in group])
        galleries = [
            f"<div>{html.gallery(dict.fromkeys(group, ''), shown)}</div>" for group in groups
        ]
        return html.paragraph(self._title()) + "".join(galleries)


@dataclass(frozen=True, repr=False)
class Predictions(Sequence[Prediction]):
    """A prediction for each picture, in the order in which they were given."""

    rows: tuple[Prediction, ...]
    _thumbnails: Thumbnails = field(default=lambda _: {}, compare=False)

    @property
    def report(self) -> Mapping[str, Any]:
        """What `naturalist predict` prints."""
        return printed({ROWS: self.rows})

    @overload
    def __getitem__(self, at: int) -> Prediction: ...
    @overload
    def __getitem__(self, at: slice) -> "Predictions": ...
    def __getitem__(self, at: int | slice) -> "Prediction | Predictions":
        if isinstance(at, int):
            return self.rows[at]
        return Predictions(self.rows[at], self._thumbnails)

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        """A line for each picture."""
        lines = [f"  {one['path']}: {_said(one)}" for one in self.rows[:_LISTED]]
        count = counted(len(self), "prediction")
        return "\n".join([count, *lines, *_more(len(self), _LISTED)])

    def _repr_html_(self) -> str:
        parts = [html.paragraph(counted(len(self), "prediction"))]
        near = [[n["picID"] for n in one.get("nearest", ())] for one in self.rows[:_SHOWN_GROUPS]]
        shown = self._thumbnails([name for names in near for name in names])
        for one, names in zip(self.rows, near, strict=False):
            parts.append(html.paragraph(f"{one['path']}: {_said(one)}"))
            parts.append(html.gallery(dict.fromkeys(names, "similar"), shown))
        return "".join(parts)


def _said(one: Prediction) -> str:
    if one["category"] is None:
        return f"cannot be used: {one.get('reason', '')}"
    return f"{one['category']} {one['probability'] or 0:.1%} ({one['decision']})"


@dataclass(frozen=True, repr=False)
class LedgerRows(Sequence[Mapping[str, Any]]):
    """Rows of the ledger, and how many have what was asked for."""

    rows: tuple[Mapping[str, Any], ...]
    total: int

    @property
    def report(self) -> Mapping[str, Any]:
        """What `naturalist ledger` prints."""
        return printed({ROWS: self.rows})

    @overload
    def __getitem__(self, at: int) -> Mapping[str, Any]: ...
    @overload
    def __getitem__(self, at: slice) -> "LedgerRows": ...
    def __getitem__(self, at: int | slice) -> "Mapping[str, Any] | LedgerRows":
        return self.rows[at] if isinstance(at, int) else LedgerRows(self.rows[at], self.total)

    def __len__(self) -> int:
        return len(self.rows)

    def _cells(self) -> Iterator[tuple[Any, ...]]:
        for row in self.rows[:_SHOWN]:
            known = row["pic_id"] or row["same_as"] or row["reason"]
            yield row["category"], row["source"], row["path_text"], row["outcome"], known

    def __repr__(self) -> str:
        """A line for each file."""
        lines = [f"{len(self):,} of {counted(self.total, 'file')}"]
        lines += ["  " + "  ".join(str(c) for c in cells) for cells in self._cells()]
        return "\n".join([*lines, *_more(len(self), _SHOWN)])

    def _repr_html_(self) -> str:
        columns = ("category", "source", "path", "outcome", "picture or reason")
        count = html.paragraph(f"{len(self):,} of {counted(self.total, 'file')}")
        return count + html.table(columns, self._cells())


@dataclass(frozen=True, repr=False)
class Reviewed:
    """What decisions changed, or would change.

    Attributes:
        result: what became of each picture.
        effect: what it does to tables and budgets; None if the decisions were applied.
        file: the file of decisions, if there was one.
    """

    result: review.Reviewed
    effect: Effect | None = None
    file: Path | None = None

    @property
    def report(self) -> Mapping[str, Any]:
        """What `naturalist review` prints."""
        effect = {"effect": asdict(self.effect)} if self.effect else {}
        return printed(self.result.as_json() | effect)

    @property
    def changes(self) -> list[review.Change]:
        """What became of each picture or file."""
        return self.result.changes

    def __repr__(self) -> str:
        """Counts, and the first changes."""
        would = "would change" if self.result.dry_run else "changed"
        lines = [
            (
                f"{counted(self.result.decided, 'decision')}; "
                f"{counted(len(self.changes), 'picture')} {would}"
            )
        ]
        lines += [f"  {one.what}: {one.was} -> {one.now}" for one in self.changes[:_LISTED]]
        return "\n".join([*lines, *_more(len(self.changes), _LISTED)])

    def _repr_html_(self) -> str:
        rows = [(one.what, one.was, one.now) for one in self.changes[:_SHOWN]]
        title = html.paragraph(repr(self).splitlines()[0])
        return title + html.table(("picture or file", "was", "now"), rows)
