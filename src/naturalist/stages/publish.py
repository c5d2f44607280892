"""The publish stage: data first, verified at the store, then the snapshot, then `latest`.

The Delta Lake log beside the tables follows last.

Keys hold the hash of the bytes, so a published object never changes under its name, and a reader
of any snapshot sees what it names and nothing else.
"""

import contextlib
import datetime as dt
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import __version__, artifacts, ledger, metadata, snapshots
from naturalist.backbones import BackboneSpec
from naturalist.errors import Conflict, StoreError
from naturalist.layout import Layout
from naturalist.ledger.public import Unnamed, public_amendments, public_rows, unnamed
from naturalist.schemas import data_dictionary
from naturalist.snapshots import FORMAT, LATEST, File, delta, maintenance
from naturalist.stages import tables
from naturalist.stages.cards import CARD, CROISSANT, CardFile, croissant, data_card
from naturalist.stores import ObjectInfo, Store, Upload

_HASH_LETTERS = 16
_PUBLIC_FORMAT = 2
"""Changes when the published ledger does, though its rows are the same."""
SITE_MARKER = "naturalist-export.json"


@dataclass(frozen=True)
class Item:
    """One file to publish: its name in the snapshot, and where its bytes lie."""

    name: str
    path: Path
    sha256: str
    size_bytes: int
    placed: str = ""
    """The key, for files that find each other by their names and are below a hash of them all."""

    @property
    def key(self) -> str:
        """The key in the store: the name with the hash of the bytes in it."""
        return self.placed or keyed(self.name, self.sha256)

    def entry(self) -> dict[str, Any]:
        """The file's entry in the snapshot."""
        return {
            "name": self.name,
            "key": self.key,
            "size_bytes": self.size_bytes,
            "sha256": self.sha256,
        }


def keyed(name: str, sha256: str) -> str:
    """The key of a file: its name with the beginning of its sha256 before the suffix."""
    path = PurePosixPath(name)
    return str(path.with_name(f"{path.stem}.{sha256[:_HASH_LETTERS]}{path.suffix}"))


@dataclass(frozen=True)
class Published:
    """What a publish did."""

    snapshot: str
    files: int
    size_bytes: int
    sent_files: int
    sent_bytes: int
    changed: bool
    """Whether there is a new snapshot; False if `latest` names these files already."""
    held_since: str = ""
    """Since when a rollback holds `latest`, and nothing was sent; empty if none does."""
    repaired_files: int = 0
    """Objects that were damaged or gone in the store, where that was asked for."""


ALL_COLUMNS = "*"
"""Stands for every metadata column."""


def prepare(
    layout: Layout,
    labels: Mapping[str, int],
    spec: BackboneSpec,
    columns: Sequence[str] = (ALL_COLUMNS,),
) -> list[Item]:
    """List everything that is published, making the parts that exist only for publishing.

    Args:
        layout: the workspace.
        labels: the label of each category.
        spec: backbone of the features.
        columns: names of the metadata columns to publish.
    """
    items = [*_tables(layout, labels), *_ledger(layout, labels), *_reports(layout)]
    items += _metadata(layout, labels, columns)
    items += _site(layout)
    dictionary = layout.outbox / "data_dictionary.md"
    artifacts.write_bytes(dictionary, data_dictionary(spec.dim).encode())
    return [*items, item("data_dictionary.md", dictionary)]


def item(name: str, path: Path, sha256: str | None = None) -> Item:
    """A file as it is published; its sha256 is computed if it is not given."""
    return Item(name, path, sha256 or artifacts.sha256_file(path), path.stat().st_size)


def _tables(layout: Layout, labels: Mapping[str, int]) -> Iterator[Item]:
    for category in sorted(labels):
        for path, receipt in tables.done_tables(layout, category):
            for name, sha256 in sorted(receipt.sha256.items()):
                yield item(f"tables/{category}/{name}", path.with_name(name), sha256)


def published_columns(layout: Layout, columns: Sequence[str]) -> list[metadata.Column]:
    """The metadata columns that are published."""
    summary = metadata.read_summary(layout)
    held = summary.columns if summary else ()
    return [one for one in held if metadata.is_published(one.name, columns)]


def _metadata(layout: Layout, labels: Mapping[str, int], columns: Sequence[str]) -> Iterator[Item]:
    """Metadata columns, beside each table; without those that are not published."""
    summary = metadata.read_summary(layout)
    taken = [column.name for column in published_columns(layout, columns)]
    if summary is None or not taken:
        return
    for name, sha256 in sorted(summary.tables.items()):
        if name.partition("/")[0] not in labels:
            continue
        path = layout.metadata / name
        if len(taken) == len(summary.columns):
            yield item(f"metadata/{name}", path, sha256)
        else:
            yield _some_columns(path, layout, f"metadata/{name}", sha256, ["pic_id", *taken])


def _some_columns(
    source: Path, layout: Layout, name: str, sha256: str, columns: Sequence[str]
) -> Item:
    """A copy of a Parquet file with some of its columns."""
    path = layout.outbox / name
    expected = artifacts.fingerprint(sha256, list(columns))
    if not artifacts.is_done(path, expected):
        rows = artifacts.read_parquet(source, list(columns))
        artifacts.write_parquet(path, rows)
        digest = {path.name: artifacts.sha256_file(path)}
        artifacts.write_receipt(path, artifacts.Receipt(expected, rows.num_rows, digest))
    return item(name, path)


def _ledger(layout: Layout, labels: Mapping[str, int]) -> Iterator[Item]:
    without = unnamed(layout)
    for category in sorted(labels):
        for summary in ledger.batches(layout, category):
            source = layout.batch(category, summary.batch)
            name = f"ledger/{category}/{source.name}"
            yield _public(source, layout, name, summary.sha256, without, public_rows)
        for source in sorted(layout.amendments(category).glob("*.parquet")):
            name = f"ledger/{category}/amendments/{source.name}"
            sha256 = artifacts.sha256_file(source)
            yield _public(source, layout, name, sha256, without, public_amendments)


def previews(layout: Layout, labels: Mapping[str, int]) -> Iterator[Item]:
    """Previews of every shard, without those of pictures that are no longer accepted."""
    for category in sorted(labels):
        gone = ledger.not_accepted(layout, category, but_by="extract")
        for summary in ledger.batches(layout, category):
            for number, shard in enumerate(summary.shards):
                path = layout.previews(category, summary.batch, number)
                receipt = artifacts.read_receipt(path)
                if receipt is None:
                    continue
                name = f"previews/{category}/{path.name}"
                withheld = ledger.between(gone, *summary.numbers(shard))
                if withheld:
                    path = without(path, layout.outbox / name, withheld, receipt.fingerprint)
                    receipt = artifacts.read_receipt(path)
                if receipt is not None:
                    yield item(name, path, receipt.sha256[path.name])


def without(
    source: Path, path: Path, withheld: tuple[str, ...], made_from: str, column: str = "pic_id"
) -> Path:
    """A copy, at `path`, of a Parquet file without the rows of some pictures, with a receipt.

    Args:
        source: the file.
        path: where the copy goes.
        withheld: the pictures, by the names in `column`.
        made_from: stands for the bytes of the file.
        column: where the names are.
    """
    expected = artifacts.fingerprint(made_from, list(withheld))
    if not artifacts.is_done(path, expected):
        table = artifacts.read_parquet(source)
        gone = pc.is_in(table[column], pa.array(withheld, pa.string()))
        kept = table.filter(pc.invert(gone))
        artifacts.write_parquet(path, kept)
        digest = {path.name: artifacts.sha256_file(path)}
        artifacts.write_receipt(path, artifacts.Receipt(expected, kept.num_rows, digest))
    return path


def _public(
    source: Path,
    layout: Layout,
    name: str,
    sha256: str,
    without: Unnamed,
    as_published: Callable[[pa.Table, Unnamed], pa.Table],
) -> Item:
    """A copy of a file of the ledger as it is published."""
    path = layout.outbox / name
    expected = artifacts.fingerprint(_PUBLIC_FORMAT, sha256, without.fingerprint)
    if not artifacts.is_done(path, expected):
        rows = as_published(artifacts.read_parquet(source), without)
        artifacts.write_parquet(path, rows)
        digest = {path.name: artifacts.sha256_file(path)}
        artifacts.write_receipt(path, artifacts.Receipt(expected, rows.num_rows, digest))
    return item(name, path)


def _reports(layout: Layout) -> Iterator[Item]:
    for path in (layout.verification, layout.verification_page):
        if path.exists():
            yield item(f"reports/{path.name}", path)


def _site(layout: Layout) -> Iterator[Item]:
    """The exported dashboard, unless it may show pictures that were withdrawn since."""
    marker = artifacts.read_json(layout.site / SITE_MARKER)
    if marker is None or marker.get("withdrawn") != ledger.withdrawn_fingerprint(layout):
        return
    files = sorted(path for path in layout.site.rglob("*") if path.is_file())
    result = [item(path.relative_to(layout.root).as_posix(), path) for path in files]
    digest = artifacts.fingerprint([[one.name, one.sha256] for one in result])[:_HASH_LETTERS]
    for one in result:
        below = PurePosixPath(one.name).relative_to("site")
        yield replace(one, placed=f"site/{digest}/{below}")


def publish(
    store: Store,
    items: Sequence[Item],
    about: Mapping[str, Any],
    now: dt.datetime,
    on_file: Callable[[int], None],
    also: Sequence[dict[str, Any]] = (),
    prunes_before: int | None = None,
    check: Callable[[snapshots.Snapshot], None] | None = None,
) -> Published:
    """Send what the store lacks, then write the snapshot, then point `latest` to it.

    Args:
        store: where to.
        items: every file of the collection.
        about: what else the snapshot says (collection, categories, backbone).
        now: time that the snapshot names.
        on_file: hears 1 for each file that is safe in the store.
        also: snapshot entries of files that are in the store already.
        prunes_before: `maintenance.prunes_so_far` before `also` was looked for; None if now will
            do, because there are none.
        check: raises if the snapshot that it is given may not be replaced.

    Raises:
        StoreError: the store failed; nothing that a reader sees has changed.
        Conflict: somebody else published or pruned at the same time; run again.
    """
    if prunes_before is None:
        prunes_before = maintenance.prunes_so_far(store)
    sent: list[str] = []

    def done(upload: Upload, _: ObjectInfo, was_sent: bool) -> None:
        on_file(1)
        if was_sent:
            sent.append(upload.key)

    store.put_files([Upload(item.key, item.path, item.sha256) for item in items], done)
    entries = [*(item.entry() for item in items), *also]
    entries.sort(key=lambda entry: entry["name"])
    latest = store.head(LATEST)
    pointer = snapshots.decode(LATEST, store.get_bytes(LATEST)[0]) if latest else None
    if check is not None and pointer is not None:
        check(snapshots.parse(pointer["key"], snapshots.pointed(store, pointer)))
    snapshot, changed = _snapshot(store, entries, about, pointer, now)
    if changed:
        maintenance.check_unpruned(store, prunes_before)
        condition = {"if_match": latest.version} if latest else {"if_absent": True}
        _point_to(store, snapshot, condition)
    delta.follow(store, snapshot["snapshot"], map(_file, entries))
    sizes = {entry["key"]: entry["size_bytes"] for entry in entries}
    return Published(
        snapshot=snapshot["snapshot"],
        files=len(entries),
        size_bytes=sum(sizes.values()),
        sent_files=len(sent),
        sent_bytes=sum(sizes[key] for key in sent),
        changed=changed,
    )


def stored_keys(store: Store, items: Sequence[Item]) -> AbstractSet[str]:
    """Keys in the store, but not those of pictures, of which there may be millions."""
    parts = {first + slash for first, slash, _ in (item.key.partition("/") for item in items)}
    return {info.key for part in parts for info in store.list(part)}


def is_latest(store: Store, entries: list[dict[str, Any]]) -> bool:
    """Whether `latest` names exactly these files."""
    if store.head(LATEST) is None:
        return False
    pointer = snapshots.decode(LATEST, store.get_bytes(LATEST)[0])
    named: list[dict[str, Any]] = read_snapshot(store, pointer)["files"]
    return named == sorted(entries, key=lambda entry: entry["name"])


def _file(entry: Mapping[str, Any]) -> File:
    return File(entry["name"], entry["key"], entry["size_bytes"], entry["sha256"])


def _snapshot(
    store: Store,
    entries: list[dict[str, Any]],
    about: Mapping[str, Any],
    pointer: dict[str, Any] | None,
    now: dt.datetime,
) -> tuple[dict[str, Any], bool]:
    if pointer is not None and read_snapshot(store, pointer)["files"] == entries:
        return pointer, False
    name = f"{max(map(int, snapshots.ids(store)), default=0) + 1:06d}"
    body = {
        "format": FORMAT,
        "snapshot": name,
        "parent": pointer["snapshot"] if pointer else None,
        "created_at": now.isoformat(timespec="seconds"),
        "made_by": f"naturalist {__version__}",
        **about,
        "files": entries,
    }
    data = _encode(body)
    key = f"{snapshots.FOLDER}{name}.json"
    store.put_bytes(key, data, if_absent=True)
    return {"snapshot": name, "key": key, "sha256": hashlib.sha256(data).hexdigest()}, True


def _point_to(store: Store, snapshot: dict[str, Any], condition: dict[str, Any]) -> None:
    """Make a snapshot the latest one; it goes again where another publisher was faster.

    Raises:
        Conflict: another publisher was faster. Our snapshot would look newer than theirs.
    """
    try:
        store.put_bytes(LATEST, _encode(snapshot), **condition)
    except Conflict as error:
        with contextlib.suppress(StoreError):
            store.delete([snapshot["key"]])
        raise Conflict(
            f"someone else published to {store.url} at the same time and finished first: run the "
            "same command again; uploaded files are not uploaded again"
        ) from error


def _encode(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()


def read_snapshot(store: Store, pointer: Mapping[str, Any]) -> dict[str, Any]:
    """Read the snapshot that `latest` points to, and check its bytes.

    Raises:
        StoreError: the snapshot is gone or has other bytes.
    """
    snapshot: dict[str, Any] = json.loads(snapshots.pointed(store, pointer))
    return snapshot


def cards(layout: Layout, about: Mapping[str, Any], items: Sequence[Item]) -> list[Item]:
    """The data card and the Croissant description of the other items, ready to publish."""
    files = [CardFile(item.name, item.key, item.size_bytes, item.sha256) for item in items]
    made = []
    for name, text in ((CARD, data_card(about, files)), (CROISSANT, croissant(about, files))):
        artifacts.write_bytes(layout.outbox / name, text.encode())
        made.append(item(name, layout.outbox / name))
    return made


def about(
    name: str,
    labels: Mapping[str, int],
    rows: Mapping[str, int],
    spec: BackboneSpec,
    sources: Sequence[Mapping[str, Any]] = (),
    columns: Sequence[metadata.Column] = (),
    keys: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """What a snapshot says beside its files.

    Args:
        name: of the collection.
        labels: the label of each category.
        rows: table rows of each category.
        keys: the key of each category, by name: its folders, and the prefix of its pictures' ids.
        spec: backbone of the features.
        sources: category, name, accepted pictures, origin and licence of each source.
        columns: published metadata columns.
    """
    categories = [
        {"name": category, "label": label, "table_rows": rows.get(category, 0)}
        | _key(category, (keys or {}).get(category, category))
        for category, label in sorted(labels.items(), key=lambda pair: pair[1])
    ]
    return {
        "collection": name,
        "categories": categories,
        "sources": list(sources),
        **({"columns": [asdict(one) for one in columns]} if columns else {}),
        "backbone": asdict(spec),
    }


def _key(name: str, key: str) -> dict[str, str]:
    """What a snapshot says of the key of a category: nothing where it is the name."""
    return {} if key == name else {"key": key}
