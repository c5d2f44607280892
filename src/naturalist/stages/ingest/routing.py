"""Sources that feed several categories: each of their files gets its category by a metadata label.

Such a source is listed and examined once, for its *home* category. When a batch is written, its
findings are shared out: a picture goes to the category of its label; what has none is refused as
`no_category`, in the home category, where archives that were opened are too. A picture that the
ledger has keeps its category, whatever its label says by then: a person moves it, with a file of
decisions (`disagreements`).

Files without a category are known under a fingerprint of mapping and metadata, as what `include`
and `exclude` leave out is under theirs, so exactly these are looked at again after a change.
"""

import contextlib
import tempfile
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.metadata.labelling import Labels, fingerprint, open_labels
from naturalist.reasons import Reason
from naturalist.schemas import FINDINGS
from naturalist.stages.ingest.listing import Entry
from naturalist.stages.ingest.options import Routing, Source
from naturalist.stages.ingest.selection import SEPARATOR

ANY_LABEL = "*"
"""In a mapping: every label that it does not name."""
MOVED = "moved"
"""The kind of a finding that takes a file out of the count of its home category."""
_SHOWN = 10

Row = dict[str, Any]


@dataclass(frozen=True)
class Disagreement:
    """A picture whose label gives another category than the one it is in.

    Attributes:
        pic_id: the picture.
        source: its source.
        label: what the metadata say now; None for nothing.
        category: key of the category that it is in.
        expected: key of the category of its label; None if it has none.
    """

    pic_id: str
    source: str
    label: str | None
    category: str
    expected: str | None


def prepare(sources: Sequence[Source]) -> tuple[Source, ...]:
    """The sources, with the fingerprint of mapping and metadata of those that feed several."""
    return tuple(map(_prepared, sources))


def _prepared(source: Source) -> Source:
    routing = source.routing
    if routing is None:
        return source
    said = artifacts.fingerprint(
        routing.column, sorted(routing.categories), fingerprint(routing.rules)
    )
    return replace(source, selection=replace(source.selection, routing=said))


def category_of(routing: Routing | None, label: str | None) -> str | None:
    """Key of the category of a label; None if it has none."""
    if label is None or routing is None:
        return None
    named = {_plain(word): key for word, key in routing.categories}
    return named.get(_plain(label), named.get(ANY_LABEL)) or None


def _plain(label: str) -> str:
    return " ".join(label.split()).casefold()


class Router:
    """Shares out the findings of sources that feed several categories; close it when done."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._stack = contextlib.ExitStack()
        self._labels: dict[str, Labels] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def share_out(self, findings: Sequence[tuple[Source, pa.Table]]) -> list[tuple[str, pa.Table]]:
        """The findings of a batch's tasks by category, each in the order of its listing."""
        held = self._held([(one, table) for one, table in findings if one.routing is not None])
        shared: list[tuple[str, pa.Table]] = []
        for source, table in findings:
            if source.routing is None:
                shared.append((source.category, table))
            else:
                by_category = self._share_out(source, source.routing, table, held)
                shared += [
                    (category, pa.Table.from_pylist(rows, FINDINGS))
                    for category, rows in sorted(by_category.items())
                ]
        return shared

    def _share_out(
        self, source: Source, routing: Routing, table: pa.Table, held: "_Held"
    ) -> dict[str, list[Row]]:
        rows = table.to_pylist()
        labels = self.labels_of(source).of([_text(row["path"]) for row in rows])
        shared: dict[str, list[Row]] = defaultdict(list)
        for row, label in zip(rows, labels, strict=True):
            if row["kind"] != "picture":
                shared[routing.home].append(row)
                continue
            file = (source.name, row["path"], row["occurrence"])
            category = held.categories.get((*file, row["sha256"])) or category_of(routing, label)
            if category is None:
                shared[routing.home].append(_without_category(source, routing, row, label))
                continue
            shared[category].append(row)
            refused_in = held.refused_in.get(file, category)
            if refused_in != category:
                shared[refused_in].append(_moved(row))
        return shared

    def labels_of(self, source: Source) -> Labels:
        """The labels of a source that feeds several categories, read once."""
        routing = source.routing
        if routing is None:
            raise ValueError(f"source {source.name!r} has one category")
        if source.name not in self._labels:
            self._layout.scratch.mkdir(parents=True, exist_ok=True)
            folder = self._stack.enter_context(
                tempfile.TemporaryDirectory(dir=self._layout.scratch, prefix="labels-")
            )
            opened = open_labels(routing.rules, routing.column, Path(folder))
            self._labels[source.name] = self._stack.enter_context(opened)
        return self._labels[source.name]

    def _held(self, findings: Sequence[tuple[Source, pa.Table]]) -> "_Held":
        held = _Held()
        if not findings or not ledger.categories(self._layout):
            return held
        asked = pa.concat_tables(
            table.select(["source", "path", "occurrence"]) for _, table in findings
        )
        with ledger.connect(self._layout) as connection:
            connection.register("asked", asked)
            for source, path, occurrence, category, sha256, reason in connection.execute(
                _HELD
            ).fetchall():
                file = (source, path, occurrence)
                if reason == Reason.NO_CATEGORY:
                    held.refused_in[file] = category
                else:
                    held.categories[(*file, sha256)] = category
        return held


@dataclass(frozen=True)
class _Held:
    """What the ledger has of the files of a batch.

    Attributes:
        categories: the category of each picture, by source, path, occurrence and sha256.
        refused_in: the category in whose ledger a file is refused for want of one.
    """

    categories: dict[tuple[str, bytes, int, bytes], str] = field(default_factory=dict)
    refused_in: dict[tuple[str, bytes, int], str] = field(default_factory=dict)


_HELD = """
SELECT source, path, occurrence, category, sha256, reason FROM ledger
WHERE (source, path, occurrence) IN (SELECT (source, path, occurrence) FROM asked)
    AND (outcome IN ('accepted', 'duplicate', 'conflict') OR pic_id IS NOT NULL
        OR reason = 'no_category')
"""


def _text(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace").replace("\0", "!/")


def _without_category(source: Source, routing: Routing, row: Row, label: str | None) -> Row:
    if label is None:
        detail = f"no {routing.column}"
    else:
        detail = f"{routing.column} {label!r} has no category"
    key = None
    if SEPARATOR not in row["path"]:
        entry = Entry(row["path"], row["size_bytes"], row["mtime_ns"])
        key = entry.seen_key(source.name, source.selection.fingerprint)
    refused = {"kind": "refused", "reason": Reason.NO_CATEGORY.value, "detail": detail}
    return row | refused | {"seen_key": key, "staged": False}


def _moved(row: Row) -> Row:
    """The row of a file whose category is found now, for the category that it was refused in."""
    return row | {
        "kind": MOVED,
        "detail": "its label has a category now",
        "seen_key": None,
        "staged": False,
    }


def check_agreement(
    layout: Layout, sources: Sequence[Source], names: Mapping[str, str]
) -> dict[str, str]:
    """Check that pictures are where their labels put them, where mapping or metadata changed.

    Args:
        layout: the workspace.
        sources: prepared ones.
        names: name of each category by key, for messages.

    Returns:
        What to remember (`remember`) when the ingest goes on.

    Raises:
        ConfigError: a label of pictures in the ledger has another category now.
    """
    before = artifacts.read_json(layout.routings) or {}
    now = {s.name: s.selection.routing for s in sources if s.routing is not None}
    changed = [
        s for s in sources if s.routing and s.is_listed and before.get(s.name) != now[s.name]
    ]
    found = list(disagreements(layout, changed, names))
    if found:
        raise ConfigError(_message(found, names))
    return now


def remember(layout: Layout, now: Mapping[str, str]) -> None:
    """Remember the fingerprints that pictures agree with."""
    before = artifacts.read_json(layout.routings) or {}
    if (after := before | dict(now)) != before:
        artifacts.write_json(layout.routings, after)


def disagreements(
    layout: Layout, sources: Sequence[Source], active: Collection[str]
) -> Iterator[Disagreement]:
    """Accepted pictures whose label gives another category; none that a person has decided about.

    Args:
        layout: the workspace.
        sources: those to look at; of one that feeds several categories, the listed one.
        active: keys of the categories that are not retired.
    """
    routed = [source for source in sources if source.routing is not None and source.is_listed]
    if not routed or not ledger.categories(layout):
        return
    with Router(layout) as router, ledger.connect(layout) as connection:
        for source in routed:
            labels = router.labels_of(source)
            cursor = connection.execute(_ACCEPTED, [source.name])
            while rows := cursor.fetchmany(_AT_ONCE):
                found = labels.of([path for _, _, path in rows])
                for (pic, category, _), label in zip(rows, found, strict=True):
                    expected = category_of(source.routing, label)
                    if expected != category and category in active:
                        yield Disagreement(pic, source.name, label, category, expected)


_AT_ONCE = 50_000
_ACCEPTED = """
SELECT pic_id, category, path_text FROM ledger
WHERE source = ? AND outcome = 'accepted' AND occurrence >= 0
    AND pic_id NOT IN (SELECT pic_id FROM decisions)
ORDER BY category, pic_id
"""


def _message(found: Sequence[Disagreement], names: Mapping[str, str]) -> str:
    counted = Counter((one.source, one.label, one.category, one.expected) for one in found)
    lines = ["labels of pictures that are in the ledger have other categories now:"]
    for (source, label, category, expected), count in counted.most_common(_SHOWN):
        said = "no label" if label is None else repr(label)
        new = names.get(expected, expected) if expected else "no category"
        lines.append(
            f"  source {source}, {said}: {names.get(category, category)} -> {new}, {count:,} "
            f"picture{'s' if count > 1 else ''}"
        )
    if len(counted) > _SHOWN:
        lines.append(f"  and {len(counted) - _SHOWN} more labels")
    lines += [
        "If that is meant, move them (they get ids of their new category):",
        "  naturalist metadata --decisions moves.csv",
        "  naturalist review moves.csv",
        "Or restore the mapping or the metadata. Nothing was changed",
    ]
    return "\n".join(lines)


def unmapped(layout: Layout, sources: Sequence[Source]) -> list[tuple[str, str, int]]:
    """Source, what is missing, and files of it, of everything that has no category; most first."""
    names = sorted({source.name for source in sources if source.routing is not None})
    if not names or not ledger.categories(layout):
        return []
    with ledger.connect(layout) as connection:
        return [
            (str(source), str(detail), int(count))
            for source, detail, count in connection.execute(_UNMAPPED, [names]).fetchall()
        ]


_UNMAPPED = """
SELECT source, detail, count(*) AS files FROM ledger
WHERE reason = 'no_category' AND list_contains(?, source)
GROUP BY ALL ORDER BY files DESC, source, detail
"""
