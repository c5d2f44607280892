"""Open questions about pictures, for a person to answer: as a CSV file, or many at once."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, ledger
from naturalist.config import Config
from naturalist.curation.decisions import BY_BYTES, Decision
from naturalist.curation.sheets import write_sheet
from naturalist.errors import ConfigError
from naturalist.running import workspace
from naturalist.stages.ingest.resolve import Kind, first_category
from naturalist.studies.clusters import names
from naturalist.studies.labels.ranking import read_suspects
from naturalist.suggestions import choose_one_of

EARLIER = "earlier"
"""Keeps, of pictures in conflict, those that were there first."""
HEADER = ("picID", "decision", "category", "note", "question", "now", "suggested", "found_in")
_FILES_NAMED = 6

Row = dict[str, Any]


def write_template(config: Config, path: Path, most: int) -> dict[str, int]:
    """Write the open questions as a CSV file whose column `decision` is to be filled in.

    Args:
        config: the collection.
        path: the file to write; one that is there is not overwritten.
        most: questions of each kind at most.

    Returns:
        How many questions of each kind were written.

    Raises:
        ConfigError: the file is there already, or cannot be written.
    """
    workspace.reading(config.layout)
    counts: dict[str, int] = {}
    written: list[Row] = []
    seen: set[str] = set()
    for kind, rows in (
        ("conflict", conflicts(config)),
        ("label", label_issues(config)),
        ("cluster", odd_in_clusters(config)),
    ):
        fresh = [row for row in islice(rows, most) if row["picID"] not in seen]
        seen |= {row["picID"] for row in fresh}
        counts[kind] = len(fresh)
        written += [{**row, "question": kind} for row in fresh]
    write_sheet(path, HEADER, written)
    return counts


_CONFLICTS = """
SELECT sha256,
       list({'category': category, 'batch': batch, 'has_id': pic_id IS NOT NULL}) AS rows,
       list(DISTINCT category || '/' || source || '/' || path_text
            ORDER BY category || '/' || source || '/' || path_text) AS files
FROM ledger
WHERE sha256 IN (SELECT sha256 FROM ledger WHERE outcome = 'conflict')
    AND outcome IN ('accepted', 'conflict')
GROUP BY sha256 ORDER BY files[1]
"""


def conflicts(config: Config) -> Iterator[Row]:
    """Bytes that are in conflict, with the files that have them."""
    with ledger.connect(config.layout) as connection:
        result = ledger.query(connection, _CONFLICTS).to_pylist()
    for row in result:
        files = [_printable(name) for name in row["files"]]
        more = [f"and {len(files) - _FILES_NAMED} more"] if len(files) > _FILES_NAMED else []
        yield {
            "picID": f"{BY_BYTES}{row['sha256'].hex()}",
            "now": "conflict",
            "suggested": _earlier(row["rows"]) or "",
            "found_in": " | ".join(files[:_FILES_NAMED] + more),
        }


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)


def label_issues(config: Config) -> Iterator[Row]:
    """Undecided pictures whose category is suspected to be wrong, the most suspect first."""
    path = config.layout.label_issues
    if not path.exists():
        return
    for row in undecided(config, read_suspects(path)).to_pylist():
        yield {
            "picID": row["picID"],
            "now": row["category"],
            "suggested": row["suggested"],
            "found_in": f"suspect {row['rank']}, score {row['score']:.3f}",
        }


def odd_in_clusters(config: Config) -> Iterator[Row]:
    """Pictures of a category that is rare in the cluster they are in, in mixed clusters."""
    for path in sorted(config.layout.clusterings.glob("*/clusters.json")):
        clusters = artifacts.read_json(path)["clusters"]
        mixed = {one["cluster"]: one for one in clusters if one.get("mixed")}
        members = artifacts.read_parquet(path.with_name("members.parquet"), ["picID", "cluster"])
        members = members.filter(pc.is_in(members["cluster"], pa.array(list(mixed), pa.int32())))
        known = names.titles(path.parent)
        for row in undecided(config, members).to_pylist():
            one = mixed[row["cluster"]]
            key = row["picID"].rpartition("_id_")[0]
            category = config.names.get(key, key)
            if category != one["category"]:
                yield {
                    "picID": row["picID"],
                    "now": category,
                    "suggested": one["category"],
                    "found_in": _cluster(one["cluster"], known, path.parent.name),
                }


def _cluster(number: int, known: dict[int, str], clustering: str) -> str:
    """A cluster for people, as `mammal (cluster 3 of default)`."""
    exact = f"cluster {number} of {clustering}"
    return f"{known[number]} ({exact})" if number in known else exact


def undecided(config: Config, pictures: pa.Table) -> pa.Table:
    """Rows of accepted pictures about which no person has said anything, in their order.

    The ledger is searched for these alone: ids of all pictures would take seconds and 100 MB of a
    million.

    Args:
        config: the collection.
        pictures: a table with a column `picID`.
    """
    with ledger.connect(config.layout) as connection:
        connection.register("pictures", pictures.select(["picID"]))
        open_ones = ledger.query(connection, _UNDECIDED)["pic_id"]
    return pictures.filter(pc.is_in(pictures["picID"], open_ones))


def undecided_ids(config: Config, ids: Iterable[str]) -> set[str]:
    """Those of some ids that `undecided` keeps."""
    pictures = pa.table({"picID": pa.array(list(ids), pa.string())})
    return set(undecided(config, pictures)["picID"].to_pylist())


_UNDECIDED = """
SELECT pic_id FROM ledger ANTI JOIN decisions USING (pic_id)
WHERE outcome = 'accepted' AND pic_id IN (SELECT "picID" FROM pictures)
"""
_BETWEEN = """
SELECT sha256, list(category || '/' || source) AS sources,
       list({'category': category, 'batch': batch, 'has_id': pic_id IS NOT NULL}) AS rows
FROM ledger
WHERE sha256 IN (SELECT sha256 FROM ledger WHERE outcome = 'conflict')
    AND outcome IN ('accepted', 'conflict')
GROUP BY sha256 ORDER BY sha256
"""


def conflicts_between(config: Config, one: str, other: str, keep: str) -> list[Decision]:
    """A decision for each open conflict between two sources.

    Args:
        config: the collection.
        one: category/source.
        other: category/source of another category.
        keep: a category, or `EARLIER` for that of the picture which was there first.

    Raises:
        ConfigError: there is no such conflict, or in one of them nothing was there first.
    """
    workspace.reading(config.layout)
    if keep != EARLIER and keep not in config.keys_by_any_name:
        allowed = [EARLIER, *config.names.values()]
        raise ConfigError(f"--keep {keep!r}: {choose_one_of(keep, allowed)}")
    with ledger.connect(config.layout) as connection:
        result = ledger.query(connection, _BETWEEN).to_pylist()
    mine = [row for row in result if {one, other} <= set(row["sources"])]
    if not mine:
        raise ConfigError(
            f"there is no open conflict between {one} and {other}: write sources as "
            "category/source; `naturalist ledger --outcome conflict` shows them"
        )
    note = f"all conflicts between {one} and {other}"
    made = []
    for line, row in enumerate(mine, start=1):
        category = _earlier(row["rows"]) if keep == EARLIER else config.keys_by_any_name[keep]
        if category is None:
            raise ConfigError(
                f"of {row['sha256'].hex()[:12]} none came first: pass a category with --keep, or "
                "decide picture by picture (--template). Nothing was changed"
            )
        made.append(Decision(line, f"{BY_BYTES}{row['sha256'].hex()}", Kind.KEEP, category, note))
    return made


def _earlier(rows: Sequence[Row]) -> str | None:
    return first_category((row["category"], row["batch"], row["has_id"]) for row in rows)
