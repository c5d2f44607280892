"""Names of groups, drift of a batch and the evaluation of a classifier, as results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from naturalist.api import html
from naturalist.counting import counted
from naturalist.document_keys import ROWS
from naturalist.studies.classifier.wording import accuracies
from naturalist.studies.drift.wording import VERDICTS

_SHOWN = 20


@dataclass(frozen=True)
class NamedGroup:
    """A cluster, a region of a map or a group of near duplicates, with its name.

    Attributes:
        group: number of the cluster or group, or the region as in "column 1, row 2".
        pictures: how many it has.
        name: what its pictures have in common; empty where nothing is certain.
        by: what the name comes from, such as words in paths or classes of the network.
        support: share of the pictures that the name is true of, from 0 to 1.
        also: further names, the best first.
    """

    group: str
    pictures: int
    name: str
    by: str
    support: float
    also: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Names(Sequence[NamedGroup]):
    """Names of groups, the largest group first.

    Attributes:
        report: what `naturalist names` prints.
        groups: each group, named or not.
    """

    report: Mapping[str, Any]
    groups: tuple[NamedGroup, ...]

    @classmethod
    def of(cls, report: Mapping[str, Any]) -> "Names":
        """The names in a report."""
        return cls(report, tuple(map(_group, report[ROWS])))

    @overload
    def __getitem__(self, at: int) -> NamedGroup: ...
    @overload
    def __getitem__(self, at: slice) -> "Names": ...
    def __getitem__(self, at: int | slice) -> "NamedGroup | Names":
        return self.groups[at] if isinstance(at, int) else Names(self.report, self.groups[at])

    def __len__(self) -> int:
        return len(self.groups)

    def _title(self) -> str:
        return f"{self.report['named']:,} of {counted(self.report['groups'], 'group')} have a name"

    def __repr__(self) -> str:
        """A line for each of the largest groups."""
        lines = [
            f"  {one.group}: {one.name or '-'} ({counted(one.pictures, 'picture')}, "
            f"true of {one.support:.0%})"
            for one in self.groups[:_SHOWN]
        ]
        return "\n".join([self._title(), *lines])

    def _repr_html_(self) -> str:
        cells = (
            (one.group, one.pictures, one.name, one.by, f"{one.support:.0%}", ", ".join(one.also))
            for one in self.groups
        )
        columns = ("group", "pictures", "name", "by", "true of", "also")
        return html.paragraph(self._title()) + html.table(columns, cells)


def _group(entry: Mapping[str, Any]) -> NamedGroup:
    best, *others = entry["names"] or [{"name": "", "by": "", "support": 0.0}]
    also = tuple(one["name"] for one in others)
    return NamedGroup(
        entry["group"], entry["pictures"], best["name"], best["by"], best["support"], also
    )


@dataclass(frozen=True, repr=False)
class Drift:
    """How a batch differs from the pictures before it.

    Attributes:
        report: tests, sources and categories, as `naturalist drift` prints them.
        sheet: PNG of typical new pictures beside earlier ones.
    """

    report: Mapping[str, Any]
    sheet: bytes = b""

    @property
    def verdict(self) -> str:
        """One of drift, new_source, none, first and too_few."""
        return str(self.report["verdict"])

    @property
    def messages(self) -> list[str]:
        """What differs and what to do, one sentence each."""
        return list(self.report["words"])

    def _title(self) -> str:
        batch, source = self.report["batch"], self.report["source"]
        what = " ".join(filter(None, [f"batch {batch}" if batch is not None else "source", source]))
        rows = counted(self.report["row_count"], "picture")
        return f"{what}, {rows}: {VERDICTS[self.report['verdict']]}"

    def __repr__(self) -> str:
        """The verdict, and why."""
        return "\n".join([self._title(), *(f"  - {one}" for one in self.messages)])

    def _repr_html_(self) -> str:
        texts = "".join(map(html.paragraph, [self._title(), *self.messages]))
        return texts + (html.image(self.sheet, "png", "new and earlier") if self.sheet else "")


@dataclass(frozen=True, repr=False)
class Evaluation:
    """How good the classifier is on sources that it never saw.

    Attributes:
        report: what `naturalist evaluate` prints.
    """

    report: Mapping[str, Any]

    @property
    def model(self) -> str:
        """Id of the model that was evaluated."""
        return str(self.report["model"])

    @property
    def balanced_accuracy(self) -> float | None:
        """Mean accuracy of the categories with each source left out in turn, from 0 to 1.

        None where each category has only one source.
        """
        left_out = self.report["leave_one_source_out"]
        return None if left_out is None else float(left_out["balanced_accuracy"])

    @property
    def random_split(self) -> float:
        """Balanced accuracy on new pictures of the same sources, from 0 to 1."""
        return float(self.report["random_split"]["balanced_accuracy"])

    @property
    def advice(self) -> list[str]:
        """What would make it better, one sentence each."""
        return list(self.report["advice"])

    def _lines(self) -> Iterator[str]:
        yield self.model
        yield from (f"  {line}" for line in accuracies(self.report))
        yield from (f"  - {one}" for one in self.advice)

    def __repr__(self) -> str:
        """Accuracies, and advice."""
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        return "".join(map(html.paragraph, self._lines()))
