"""The study of near duplicates: groups, a report, and a contact sheet.

Pictures that left the tables (conflicts, takedowns, removed files) are in no group. Groups matter
most where they span categories (one of the labels is wrong, or both are right in part) and where
they span sources (a test on one source knows pictures of another).
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from PIL import Image

from naturalist import artifacts, ledger
from naturalist.backbones import BackboneSpec
from naturalist.counting import counted
from naturalist.features.blocks import IN_THIS_PROCESS, BlockMapper
from naturalist.layout import Layout, pic_id, pic_number
from naturalist.progress import SILENT, Progress
from naturalist.schemas import NEAR_DUPLICATES
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.duplicates import steps as near_duplicate_steps
from naturalist.studies.duplicates.methods.grouping import Indices, components
from naturalist.studies.duplicates.options import NearDuplicateOptions
from naturalist.studies.duplicates.steps import Steps
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy
from naturalist.studies.thumbnails import read_thumbnails

FORMAT = 1
"""Changes when the same steps would give other groups."""
GROUPS_SHOWN = 24
_COLUMNS = 6
_LISTED = 100


@dataclass(frozen=True, eq=False)
class DuplicateStudy(WholeStudy):
    """Groups of near duplicates; what was compared before is not compared again.

    Attributes:
        layout: the workspace.
        spec: backbone whose vectors confirm what the hashes propose.
        categories: those of the collection, in the order of their names.
        options: what is near.
        progress: hears how far it is.
        blocks: who finds what borders surround, in the thumbnails of new pictures.
    """

    layout: Layout
    spec: BackboneSpec
    categories: Sequence[str]
    options: NearDuplicateOptions
    progress: Progress = SILENT
    blocks: BlockMapper = IN_THIS_PROCESS
    name: str = "duplicates"

    @cached_property
    def _steps(self) -> Steps:
        """All comparisons, those of new pictures among them: groups follow from these."""
        return near_duplicate_steps.update(
            self.layout, self.spec, self.categories, self.options, self.progress, self.blocks
        )

    @cached_property
    def _withheld(self) -> dict[str, list[str]]:
        return {c: ledger.not_accepted(self.layout, c) for c in self.categories}

    @property
    def _expected(self) -> str:
        return artifacts.fingerprint(FORMAT, self._steps.fingerprints, self._withheld)

    def current(self) -> Report | None:
        """The report of the groups that are there, if they are of the same comparisons."""
        receipt = artifacts.read_receipt(self.layout.near_duplicates)
        if receipt is None or receipt.fingerprint != self._expected:
            return None
        return receipt.facts

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Write groups, contact sheet and report."""
        del outgrown
        made = _write(self.layout, self._steps, self.categories, self._withheld, self._expected)
        return made.facts

    def summary(self, result: Result) -> Report:
        """Everything but the list of groups."""
        return {key: value for key, value in result.report.items() if key != "listed"}


@dataclass(frozen=True)
class _Pictures:
    """Pictures of all steps, arrays of one length."""

    category: NDArray[np.int32]
    """Place of the category among those of the collection, in the order of their names."""
    number: Indices
    source: NDArray[np.int32]
    """Number of the pair of category and source."""

    @property
    def order(self) -> Indices:
        """Places in the order of ids."""
        return np.lexsort((self.number, self.category))


def _write(
    layout: Layout,
    steps: Steps,
    categories: Sequence[str],
    withheld: dict[str, list[str]],
    expected: str,
) -> artifacts.Receipt:
    pictures = _read_pictures(layout, steps, categories)
    pairs = _allowed(near_duplicate_steps.read_pairs(layout, steps), pictures, categories, withheld)
    rank = np.empty(len(pictures.number), np.int64)
    rank[pictures.order] = np.arange(len(rank))
    group = _groups(pairs, rank)
    table = _table(pairs, pictures, group, categories, rank)
    facts = _report(table, pictures, group, rank, pairs.num_rows, categories)
    path, sheet = layout.near_duplicates, layout.near_duplicate_sheet
    artifacts.write_parquet(path, table)
    artifacts.write_bytes(sheet, _sheet(layout, table, facts))
    digests = {p.name: artifacts.sha256_file(p) for p in (path, sheet)}
    receipt = artifacts.Receipt(expected, table.num_rows, digests, facts=facts)
    artifacts.write_receipt(path, receipt)
    return receipt


def _read_pictures(layout: Layout, steps: Steps, categories: Sequence[str]) -> _Pictures:
    rows = near_duplicate_steps.read_pictures(layout, steps, ["number", "source"])
    places = np.array([categories.index(part.category) for part in steps.parts], np.int32)
    category = np.repeat(places, [part.rows for part in steps.parts])
    names = rows["source"].combine_chunks().dictionary_encode()
    many = max(1, len(names.dictionary))
    source = category * many + names.indices.to_numpy().astype(np.int32)
    return _Pictures(category, rows["number"].to_numpy(), source)


def _allowed(
    pairs: pa.Table,
    pictures: _Pictures,
    categories: Sequence[str],
    withheld: dict[str, list[str]],
) -> pa.Table:
    """The pairs of which no picture was withheld."""
    gone = np.zeros(len(pictures.number), bool)
    for place, category in enumerate(categories):
        numbers = [pic_number(name) for name in withheld[category]]
        gone |= (pictures.category == place) & np.isin(pictures.number, numbers)
    bad = gone[pairs["first"].to_numpy()] | gone[pairs["second"].to_numpy()]
    return pairs.filter(pa.array(~bad))


def _groups(pairs: pa.Table, rank: Indices) -> Indices:
    """For each picture the one of its group that is first in the order of ids, by its place."""
    first, second = (rank[pairs[name].to_numpy()] for name in ("first", "second"))
    least = components(len(rank), first, second)
    place = np.empty(len(rank), np.int64)
    place[rank] = np.arange(len(rank))
    groups: Indices = place[least[rank]]
    return groups


def _table(
    pairs: pa.Table,
    pictures: _Pictures,
    group: Indices,
    categories: Sequence[str],
    rank: Indices,
) -> pa.Table:
    """One row for each picture of a group of two or more, group by group."""
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    at = np.concatenate([first, second])
    distance, cosine = (np.tile(pairs[name].to_numpy(), 2) for name in ("distance", "cosine"))
    order = np.lexsort((-cosine, distance, at))
    members, nearest = np.unique(at[order], return_index=True)
    nearest = order[nearest]
    arranged = np.lexsort((rank[members], rank[group[members]]))
    members, nearest = members[arranged], nearest[arranged]
    columns = [
        pa.array(_names(members, pictures, categories), pa.string()),
        pa.array(_names(group[members], pictures, categories), pa.string()),
        pa.array(distance[nearest], pa.int32()),
        pa.array(cosine[nearest], pa.float32()),
    ]
    return pa.Table.from_arrays(columns, schema=NEAR_DUPLICATES)


def _names(places: Indices, pictures: _Pictures, categories: Sequence[str]) -> list[str]:
    result = zip(pictures.category[places], pictures.number[places], strict=True)
    return [pic_id(categories[category], int(number)) for category, number in result]


def _report(
    table: pa.Table,
    pictures: _Pictures,
    group: Indices,
    rank: Indices,
    pairs: int,
    categories: Sequence[str],
) -> Report:
    sizes = np.bincount(group, minlength=len(group))
    heads = np.flatnonzero(sizes > 1)
    many_categories, many_sources = (
        set(_spanning(group, what).tolist()) for what in (pictures.category, pictures.source)
    )
    # What spans categories comes first, then what is large.
    shown = sorted(
        heads.tolist(), key=lambda h: (h not in many_categories, -int(sizes[h]), int(rank[h]))
    )[:_LISTED]
    named = zip(shown, _names(np.array(shown, np.int64), pictures, categories), strict=True)
    return {
        "pictures": len(group),
        "pairs": pairs,
        "groups": len(heads),
        "grouped": table.num_rows,
        "surplus": table.num_rows - len(heads),
        "largest": int(sizes.max(initial=0)) if len(heads) else 0,
        "across_categories": len(many_categories),
        "across_sources": len(many_sources),
        "listed": [
            {
                "group": name,
                "pictures": int(sizes[head]),
                "across_categories": head in many_categories,
                "across_sources": head in many_sources,
            }
            for head, name in named
        ],
    }


def _spanning(group: Indices, what: NDArray[np.int32]) -> Indices:
    """Groups whose pictures do not all have the same value."""
    return np.unique(group[what != what[group]])


def _sheet(layout: Layout, table: pa.Table, facts: Report) -> bytes:
    expected = [one["group"] for one in facts["listed"][:GROUPS_SHOWN]]
    members: dict[str, list[dict[str, Any]]] = {name: [] for name in expected}
    rows = table.filter(pc.is_in(table["group"], pa.array(expected, pa.string())))
    for row in rows.to_pylist():
        if len(members[row["group"]]) < _COLUMNS:
            members[row["group"]].append(row)
    names = [row["picID"] for rows_ in members.values() for row in rows_]
    thumbnails = read_thumbnails(layout, names)
    tiles = []
    for rows_ in members.values():
        tiles += [Tile(thumbnails.get(row["picID"]), _caption(row)) for row in rows_]
        tiles += [Tile(_nothing(), "")] * (-len(tiles) % _COLUMNS)
    title = f"{counted(facts['groups'], 'group')} of near duplicates, one in each row"
    return contact_sheet(tiles, title, _COLUMNS)


def _caption(row: dict[str, Any]) -> str:
    return f"{row['picID']:<26}{row['distance']} bits, cosine {row['cosine']:.3f}"


def _nothing() -> bytes:
    """An empty place of the sheet."""
    buffer = io.BytesIO()
    Image.new("RGB", (1, 1), (255, 255, 255)).save(buffer, "JPEG")
    return buffer.getvalue()
