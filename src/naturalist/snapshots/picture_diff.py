"""Which pictures two snapshots differ in, and why: what came, what left, what was relabelled.

Only tables whose bytes differ are read, and of the ledger the files of the categories that changed.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import cluster_titles
from naturalist.errors import StoreError
from naturalist.ledger import Withheld
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT, CLUSTER_MEMBERS, LEDGER, PREVIEWS
from naturalist.snapshots import parquet
from naturalist.snapshots.reading import File, Snapshot, newest, read
from naturalist.stores import Store

NOTHING_WITHHELD = Withheld()
What = Literal["came", "left", "relabelled"]

_JPEG = b"\xff\xd8\xff"
_LARGEST_THUMBNAIL = 200_000
_IDS = pa.schema([("picID", pa.string())])
_ROWS = pa.schema(
    [LEDGER.field(n) for n in ("pic_id", "source", "outcome", "reason", "sha256", "batch")]
)
_WORDS = pa.schema([AMENDMENT.field(n) for n in ("pic_id", "outcome", "reason", "at_ns")])
_MEMBERS = pa.schema([CLUSTER_MEMBERS.field(n) for n in ("picID", "cluster")])
_THUMBNAILS = pa.schema([PREVIEWS.field(n) for n in ("pic_id", "thumbnail")])
_MEMBERS_FILE = "clusters/default/members.parquet"
_NAMES_FILE = "clusters/default/names.json"
_LARGEST_NAMES = 32_000_000
_WITHDRAWN = {
    "conflict": "the same bytes in another category",
    "duplicate": "the same bytes as another picture",
}


@dataclass(frozen=True)
class PictureChange:
    """A picture that is in one of two snapshots, or has another id in the other.

    Attributes:
        pic_id: its id in the newer snapshot, or in the older one if it left.
        what: `came`, `left` or `relabelled`.
        reason: why, for people.
        category: name of its category.
        source: name of its source; empty if the ledger does not say.
        region: its cluster, else that it is in none, with its category and source.
        was: its id before it was relabelled.
        is_hidden: it was taken down, or its category was retired: it is not shown again.
    """

    pic_id: str
    what: What
    reason: str
    category: str
    source: str
    region: str
    was: str = ""
    is_hidden: bool = False


@dataclass(frozen=True)
class PictureDiff:
    """All of them, by what happened, reason, region and id."""

    before: str
    after: str
    changes: tuple[PictureChange, ...]

    def counts(self) -> dict[str, int]:
        """How many pictures came, left and were relabelled."""
        found = {"came": 0, "left": 0, "relabelled": 0}
        for one in self.changes:
            found[one.what] += 1
        return found

    def groups(self) -> dict[tuple[str, str, str], list[PictureChange]]:
        """Pictures by what happened, reason and region."""
        found: dict[tuple[str, str, str], list[PictureChange]] = defaultdict(list)
        for one in self.changes:
            found[one.what, one.reason, one.region].append(one)
        return dict(found)


@dataclass(frozen=True)
class _Row:
    source: str
    outcome: str
    reason: str | None
    sha256: bytes | None
    batch: int


def diff_pictures(
    store: Store, before: Snapshot, after: Snapshot, gone: Withheld = NOTHING_WITHHELD
) -> PictureDiff:
    """Compare the pictures of two snapshots of one store.

    Args:
        store: where both are published.
        before: the older one.
        after: the newer one.
        gone: pictures and categories that may not be shown again, beside those of which the newest
            snapshot says so.

    Raises:
        StoreError: a file of theirs is gone or damaged.
    """
    with tempfile.TemporaryDirectory(prefix="naturalist-diff-") as folder:
        files = _Files(store, Path(folder))
        old, new = _differing(before, after), _differing(after, before)
        old_ids, new_ids = files.ids(old), files.ids(new)
        left, came = old_ids - new_ids, new_ids - old_ids
        rows = files.ledger(before, left) | files.ledger(after, left | came)
        latest = read(store, newest(store)[0].id)
        later = files.ledger(latest, left | came) if latest.id != after.id else {}
        relabelled = _relabelled(left, came, rows)
        clusters = files.clusters(before, left) | files.clusters(after, came)
        newest_before = _last_batch(before)
        names = before.names | after.names
        changes = [
            _change(
                pic, "came", rows.get(pic), clusters, names, _why_came(rows.get(pic), newest_before)
            )
            for pic in came - relabelled.keys()
        ]
        changes += [
            _change(
                pic, "left", rows.get(pic), clusters, names, _why_left(pic, rows.get(pic), after)
            )
            for pic in left - set(relabelled.values())
        ]
        for pic, was in relabelled.items():
            reason = f"from {_category(was, names)} to {_category(pic, names)}"
            changes.append(_change(pic, "relabelled", rows.get(pic), clusters, names, reason, was))
    hidden = {pic for pic, row in (rows | later).items() if row.reason == Reason.TAKEN_DOWN}
    shown = [_hide(one, hidden, latest.names, gone) for one in changes]
    return PictureDiff(before.id, after.id, tuple(sorted(shown, key=_order)))


def spread(group: Sequence[PictureChange], most: int) -> list[PictureChange]:
    """At most `most` pictures, evenly from the whole group: neighbours by id are often alike."""
    if len(group) <= most:
        return list(group)
    return [group[k * len(group) // most] for k in range(most)]


def thumbnails(
    store: Store, before: Snapshot, after: Snapshot, wanted: Iterable[PictureChange]
) -> Iterator[tuple[str, bytes]]:
    """Id and JPEG of pictures that may be shown, from whichever snapshot has them.

    Raises:
        StoreError: a file of theirs is gone or damaged.
    """
    groups: dict[str, tuple[Snapshot, set[str]]] = {}
    for one in wanted:
        if not one.is_hidden:
            snapshot = before if one.what == "left" else after
            groups.setdefault(snapshot.id, (snapshot, set()))[1].add(one.pic_id)
    with tempfile.TemporaryDirectory(prefix="naturalist-diff-") as folder:
        files = _Files(store, Path(folder))
        for snapshot, ids in groups.values():
            yield from files.thumbnails(snapshot, ids)


@dataclass(frozen=True)
class _Files:
    """Reads files of snapshots, each checked before its rows are read."""

    store: Store
    folder: Path

    def table(self, file: File, schema: pa.Schema) -> pa.Table:
        path = self.folder / f"{file.sha256}.parquet"
        if not path.exists():
            self.store.fetch(file.key, path, file.sha256, file.size_bytes)
        where = f"{file.key} in {self.store.url}"
        with parquet.opened(path, where, parquet.ANY, schema) as opened:
            return parquet.plain(opened.read(schema.names), where, None)

    def some(self, file: File, schema: pa.Schema, ids: set[str], column: str) -> pa.Table:
        found = self.table(file, schema)
        return found.filter(pc.is_in(found[column], pa.array(sorted(ids), pa.string())))

    def ids(self, tables: Iterable[File]) -> set[str]:
        return {pic for file in tables for pic in self.table(file, _IDS)["picID"].to_pylist()}

    def ledger(self, snapshot: Snapshot, ids: set[str]) -> dict[str, _Row]:
        """What the ledger of a snapshot says of pictures."""
        found: dict[str, _Row] = {}
        later: dict[str, tuple[int, str, str | None]] = {}
        categories = {_key(pic) for pic in ids}
        for file in snapshot.files:
            if file.part != "ledger" or file.category not in categories:
                continue
            if file.suffix != ".parquet":
                continue
            if "/amendments/" in file.name:
                for row in self.some(file, _WORDS, ids, "pic_id").to_pylist():
                    word = (row["at_ns"], row["outcome"], row["reason"])
                    later[row["pic_id"]] = max(later.get(row["pic_id"], word), word, key=_when)
            else:
                for row in self.some(file, _ROWS, ids, "pic_id").to_pylist():
                    pic = row.pop("pic_id")
                    found[pic] = _Row(**row)
        for pic, (_, outcome, reason) in later.items():
            if pic in found:
                row = found[pic]
                found[pic] = _Row(row.source, outcome, reason, row.sha256, row.batch)
        return found

    def clusters(self, snapshot: Snapshot, ids: set[str]) -> dict[str, str]:
        """The cluster of each picture that has one, by its name in that snapshot."""
        file = _named(snapshot, _MEMBERS_FILE)
        if file is None or not ids:
            return {}
        known = self.names(snapshot, file.sha256)
        rows = self.some(file, _MEMBERS, ids, "picID").to_pylist()
        return {
            one["picID"]: cluster_titles.numbered(one["cluster"], known)
            for one in rows
            if one["cluster"] >= 0
        }

    def names(self, snapshot: Snapshot, members_sha256: str) -> dict[int, str]:
        """Names of clusters; none if there are none for these."""
        file = _named(snapshot, _NAMES_FILE)
        if file is None or file.size_bytes > _LARGEST_NAMES:
            return {}
        path = self.folder / f"{file.sha256}.json"
        if not path.exists():
            self.store.fetch(file.key, path, file.sha256, file.size_bytes)
        try:
            held = json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{file.key} in {self.store.url} is not valid JSON") from error
        return cluster_titles.names(held, members_sha256)

    def thumbnails(self, snapshot: Snapshot, ids: set[str]) -> Iterator[tuple[str, bytes]]:
        categories = {_key(pic) for pic in ids}
        for file in snapshot.files:
            if file.part != "previews" or file.category not in categories:
                continue
            for row in self.some(file, _THUMBNAILS, ids, "pic_id").to_pylist():
                data = row["thumbnail"]
                if data and data.startswith(_JPEG) and len(data) <= _LARGEST_THUMBNAIL:
                    yield row["pic_id"], data


def _named(snapshot: Snapshot, name: str) -> File | None:
    return next((one for one in snapshot.files if one.name == name), None)


def _differing(snapshot: Snapshot, other: Snapshot) -> list[File]:
    """Parquet tables of a snapshot that the other does not have with the same bytes."""
    known = {(file.name, file.sha256) for file in other.files}
    return [
        file
        for file in snapshot.files
        if file.part == "tables"
        and file.suffix == ".parquet"
        and (file.name, file.sha256) not in known
    ]


def _key(pic_id: str) -> str:
    return pic_id.rpartition("_id_")[0]


def _category(pic_id: str, names: Mapping[str, str]) -> str:
    return names.get(_key(pic_id), _key(pic_id))


def _when(word: tuple[int, str, str | None]) -> int:
    return word[0]


def _last_batch(snapshot: Snapshot) -> int:
    stems = (
        PurePosixPath(file.name).stem
        for file in snapshot.files
        if file.part == "ledger" and "/amendments/" not in file.name
    )
    return max((int(stem) for stem in stems if stem.isdigit()), default=0)


def _relabelled(left: set[str], came: set[str], rows: Mapping[str, _Row]) -> dict[str, str]:
    """New id and old id of pictures whose bytes are in another category now."""
    before = {rows[pic].sha256: pic for pic in sorted(left) if pic in rows and rows[pic].sha256}
    pairs = {pic: before.get(rows[pic].sha256) for pic in sorted(came) if pic in rows}
    return {pic: was for pic, was in pairs.items() if was and _key(was) != _key(pic)}


def _why_came(row: _Row | None, newest_before: int) -> str:
    if row is None:
        return "not in the ledger that was published"
    if row.batch > newest_before:
        return f"new in batch {row.batch}"
    return "taken back into the tables"


def _why_left(pic_id: str, row: _Row | None, after: Snapshot) -> str:
    if _key(pic_id) not in after.names:
        return "its category was retired or removed from the collection"
    if row is None:
        return "not in the ledger that was published"
    if row.reason in list(Reason):
        return f"{row.reason.replace('_', ' ')}: {Reason(row.reason).meaning}"
    return _WITHDRAWN.get(row.outcome, row.reason or "no longer in the tables")


def _change(
    pic_id: str,
    what: What,
    row: _Row | None,
    clusters: Mapping[str, str],
    names: Mapping[str, str],
    reason: str,
    was: str = "",
) -> PictureChange:
    category, source = _category(pic_id, names), row.source if row else ""
    # A picture that was relabelled has a new id, which is in no cluster until the next study.
    cluster = clusters.get(pic_id) or clusters.get(was)
    region = cluster or " · ".join(filter(None, (category, source)))
    if clusters and not cluster:
        region = f"in no cluster: {region}"
    return PictureChange(pic_id, what, reason, category, source, region, was)


def _hide(
    change: PictureChange, taken_down: set[str], categories: Mapping[str, str], gone: Withheld
) -> PictureChange:
    """The change, marked if its picture was taken down or is of a category that is retired."""
    ids = {change.pic_id, change.was} - {""}
    is_hidden = (
        bool(ids & taken_down)
        or _key(change.pic_id) not in categories
        or any(pic in gone for pic in ids)
    )
    return replace(change, is_hidden=is_hidden)


def _order(change: PictureChange) -> tuple[str, str, str, str, int]:
    number = int(change.pic_id.rpartition("_id_")[2])
    return change.what, change.reason, change.region, _key(change.pic_id), number
