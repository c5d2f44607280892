"""Packing pictures for publishing: shard by shard, without metadata, as a tar or one by one.

A tar is a WebDataset shard (https://github.com/webdataset/webdataset): for each picture
`<pic_id>.<extension>` and `<pic_id>.cls` with the label. Beside it goes an index with the place and
the sha256 of every picture, so that single ones can be fetched by a byte range. The same pictures
give the same bytes.
"""

import hashlib
import shutil
import tarfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, images, ledger
from naturalist.backbones import BackboneSpec
from naturalist.errors import PictureError
from naturalist.images import EXTENSIONS
from naturalist.layout import Layout, shard_name
from naturalist.ledger import Outcome, Shard
from naturalist.schemas import PICTURE_INDEX
from naturalist.stages import extract
from naturalist.stages.pictures import Location, are_remote, read_picture

FORMAT = 1
_HASH_LETTERS = 16

Row = dict[str, Any]


class Form(StrEnum):
    """How pictures are published."""

    NONE = "none"
    TARS = "tars"
    OBJECTS = "objects"


@dataclass(frozen=True)
class PackTask:
    """The pictures of one shard that are to be published."""

    root: Path
    category: str
    label: int
    batch: int
    number: int
    shard: Shard
    sources: Mapping[str, Location]
    withheld: tuple[str, ...]
    form: Form
    keep_metadata: bool
    along: tuple[Row, ...] | None = None
    """The ledger's rows of the shard, for machines that do not have the workspace."""

    @property
    def key(self) -> str:
        """Names the task among those under way."""
        return f"{self.category}-{shard_name(self.batch, self.number)}"

    @property
    def fingerprint(self) -> str:
        """What the packed bytes depend on."""
        options = [self.label, self.form, self.keep_metadata]
        return artifacts.fingerprint(FORMAT, self.shard.fingerprint, options, list(self.withheld))

    @property
    def index(self) -> Path:
        """The index; kept after publishing, with a receipt that names what was packed."""
        return Layout(self.root).picture_index(self.category, self.batch, self.number)

    @property
    def tar(self) -> Path:
        """The tar; removed once it is in the store."""
        return self.index.with_suffix(".tar")

    @property
    def folder(self) -> Path:
        """Single pictures; removed once they are in the store."""
        return self.index.with_suffix(".pictures")


@dataclass(frozen=True)
class Packed:
    """What a finished task tells."""

    pictures: int
    left_out: int
    size_bytes: int


def plan(
    layout: Layout,
    labels: Mapping[str, int],
    sources: Mapping[str, Mapping[str, Location]],
    spec: BackboneSpec,
    form: Form,
    *,
    keep_metadata: bool,
) -> list[PackTask]:
    """List every shard's packing, done or not; shards without features are not published."""
    tasks = []
    for category in sorted(labels):
        gone = ledger.not_accepted(layout, category)
        ready = {(p.batch, p.number) for p in extract.parts(layout, category, spec)}
        for summary in ledger.batches(layout, category):
            for number, shard in enumerate(summary.shards):
                if (summary.batch, number) not in ready:
                    continue
                withheld = ledger.between(gone, *summary.numbers(shard))
                task = PackTask(
                    root=layout.root,
                    category=category,
                    label=labels[category],
                    batch=summary.batch,
                    number=number,
                    shard=shard,
                    sources=sources[category],
                    withheld=withheld,
                    form=form,
                    keep_metadata=keep_metadata,
                )
                tasks.append(task)
    return tasks


def run(task: PackTask) -> Packed:
    """Pack one shard.

    A picture that can no longer be read, or whose format has no way of stripping metadata, is
    left out and counted.

    Raises:
        StorageFull: the workspace's drive is full.
    """
    expected = _kept_rows(task)
    index = _pack_tar(task, expected) if task.form is Form.TARS else _pack_folder(task, expected)
    table = pa.Table.from_pylist(index, PICTURE_INDEX)
    artifacts.write_parquet(task.index, table)
    packed = Packed(len(index), len(expected) - len(index), sum(row["size_bytes"] for row in index))
    artifacts.write_receipt(
        task.index,
        artifacts.Receipt(
            task.fingerprint,
            table.num_rows,
            {task.index.name: artifacts.sha256_file(task.index)},
            facts={"left_out": packed.left_out} | _tar_facts(task),
        ),
    )
    return packed


def published_pictures(task: PackTask) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each picture of a shard as it is published; nothing is written."""
    for row, data in _bytes_of(task, _kept_rows(task)):
        yield f"{row['pic_id']}.{EXTENSIONS[row['format']]}", data


def _kept_rows(task: PackTask) -> list[Row]:
    gone = set(task.withheld)
    return [row for row in attached_rows(task) if row["pic_id"] not in gone]


def attached_rows(task: PackTask) -> tuple[Row, ...]:
    """What the ledger says of a task's shard; the task has it along, or its workspace does."""
    if task.along is not None:
        return task.along
    rows = ledger.shard_rows(Layout(task.root), task.category, task.batch, task.shard)
    return tuple(rows.to_pylist())


def is_remote(task: PackTask) -> bool:
    """Whether all pictures of a task that has its rows along are read in buckets."""
    return are_remote(attached_rows(task), task.sources)


def _tar_facts(task: PackTask) -> dict[str, Any]:
    if task.form is not Form.TARS:
        return {}
    return {
        "tar_sha256": artifacts.sha256_file(task.tar),
        "tar_size_bytes": task.tar.stat().st_size,
    }


def _bytes_of(task: PackTask, expected: list[Row]) -> Iterator[tuple[Row, bytes]]:
    layout = Layout(task.root)
    for row in expected:
        try:
            data = read_picture(layout, task.sources.get(row["source"]), row)
        except PictureError:
            continue
        shown = data if task.keep_metadata else images.strip_metadata(data, row["format"])
        if shown is not None:
            yield row, shown


def _pack_tar(task: PackTask, expected: list[Row]) -> list[Row]:
    index = []
    label = str(task.label).encode()
    with artifacts.atomic(task.tar) as temporary, temporary.open("wb") as file:
        for row, data in _bytes_of(task, expected):
            name = f"{row['pic_id']}.{EXTENSIONS[row['format']]}"
            offset = _add(file, name, data)
            _add(file, f"{row['pic_id']}.cls", label)
            index.append(_index_row(row, name, data, offset))
        file.write(bytes(2 * tarfile.BLOCKSIZE))
    return index


def _add(file: BinaryIO, name: str, data: bytes) -> int:
    """Append a member with a header that depends on nothing else; gives the data's offset."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    file.write(info.tobuf(tarfile.USTAR_FORMAT))
    offset = file.tell()
    file.write(data)
    file.write(bytes(-len(data) % tarfile.BLOCKSIZE))
    return offset


def _pack_folder(task: PackTask, expected: list[Row]) -> list[Row]:
    shutil.rmtree(task.folder, ignore_errors=True)
    index = []
    with artifacts.storage_errors(str(task.folder)):
        task.folder.mkdir(parents=True)
        for row, data in _bytes_of(task, expected):
            digest = hashlib.sha256(data).hexdigest()
            name = f"{row['pic_id']}.{digest[:_HASH_LETTERS]}.{EXTENSIONS[row['format']]}"
            (task.folder / name).write_bytes(data)
            index.append(_index_row(row, name, data, None))
    return index


def _index_row(row: Row, name: str, data: bytes, offset: int | None) -> Row:
    return {
        "pic_id": row["pic_id"],
        "name": name,
        "offset": offset,
        "size_bytes": len(data),
        "sha256": hashlib.sha256(data).digest(),
    }


def discard(task: PackTask) -> None:
    """Remove the packed pictures, which are in the store now; the index stays."""
    task.tar.unlink(missing_ok=True)
    shutil.rmtree(task.folder, ignore_errors=True)


def picture_sizes(
    layout: Layout, tasks: Iterable[PackTask]
) -> Iterator[tuple[PackTask, list[int]]]:
    """Sizes, as the ledger has them, of the pictures of each shard; each batch is read once."""
    by_batch = defaultdict(list)
    for task in tasks:
        by_batch[task.category, task.batch].append(task)
    for (category, batch), shards in by_batch.items():
        rows = ledger.batch_rows(layout, category, batch, ["pic_id", "outcome", "size_bytes"])
        accepted = rows.filter(pc.equal(rows["outcome"], Outcome.ACCEPTED))
        for task in shards:
            yield task, _expected_sizes(task, accepted.slice(task.shard.start, task.shard.rows))


def _expected_sizes(task: PackTask, rows: pa.Table) -> list[int]:
    gone = pc.is_in(rows["pic_id"], pa.array(task.withheld, pa.string()))
    sizes: list[int] = rows.filter(pc.invert(gone))["size_bytes"].to_pylist()
    return sizes


def tar_bytes(sizes: Iterable[int]) -> int:
    """Size of a tar with a header, the bytes and a label for each picture, all in whole blocks."""
    block = tarfile.BLOCKSIZE
    label = 2 * block
    return sum(block + -(-size // block) * block + label for size in sizes) + 2 * block
