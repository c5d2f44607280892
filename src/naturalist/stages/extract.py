"""The extract stage: one read and one decode a picture give features, preview and measures.

The unit of work is a shard. Its vectors, previews and refusals are written at its end, each file
whole or not at all; the receipt of the features comes last.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from naturalist import artifacts, backbones, breadcrumbs, images, ledger
from naturalist.backbones import Backbone, BackboneSpec
from naturalist.errors import PictureError
from naturalist.images import PictureLimits
from naturalist.images.apart import Decode
from naturalist.layout import Layout, part_name, pic_number, receipt_path, shard_name
from naturalist.ledger import Outcome, Shard
from naturalist.reasons import Reason
from naturalist.schemas import AMENDMENT, PREVIEWS, features_schema
from naturalist.small_files import Look
from naturalist.stages.pictures import Location, are_remote, read_picture

FORMAT = 2
"""Changes when the same picture and backbone would give other files."""
_PREVIEW_GROUP_ROWS = 250
_WAITING_BYTES = 8 << 20
"""Prepared pictures that wait for the network: 160 of 128 pixels, or one batch if that is more."""

Row = dict[str, Any]


@dataclass(frozen=True)
class AttachedRows:
    """What the ledger says of a shard, for machines that do not have the workspace."""

    rows: tuple[Row, ...]
    lost: Mapping[str, PictureError]


@dataclass(frozen=True)
class ExtractTask:
    """One shard of one category and batch, for one backbone."""

    root: Path
    category: str
    batch: int
    number: int
    shard: Shard
    backbone: str
    fingerprint: str
    sources: Mapping[str, Location]
    limits: PictureLimits
    network_batch: int
    blamed: tuple[tuple[int, Reason], ...] = ()
    along: "AttachedRows | None" = None

    @property
    def key(self) -> str:
        """Names the task among those under way."""
        return f"extract-{self.category}-{shard_name(self.batch, self.number)}"

    def item_name(self, index: int) -> str:
        """The id of the picture at `index`."""
        return str(attached_rows(self).rows[index]["pic_id"])

    def suspect(self, index: int, reason: Reason) -> "ExtractTask":
        """The same task, with one more picture refused unopened."""
        return replace(self, blamed=(*self.blamed, (index, reason)))


@dataclass(frozen=True)
class Extracted:
    """What a finished task tells."""

    pictures: int
    refused: int
    duration_s: float


@dataclass(frozen=True)
class ExtractOptions:
    """Options of the extract stage.

    Attributes:
        backbone: name of the network.
        limits: what is refused before decoding.
        network_batch: pictures that go through the network at once.
    """

    backbone: str
    limits: PictureLimits
    network_batch: int = 16


def plan(
    layout: Layout,
    sources: Mapping[str, Mapping[str, Location]],
    options: ExtractOptions,
) -> list[ExtractTask]:
    """List the shards whose features or previews are not done; costs two receipts each.

    Args:
        layout: the workspace.
        sources: for each category, the path of each source.
        options: options of the stage.
    """
    spec = backbones.describe(options.backbone)
    return [
        ExtractTask(
            layout.root,
            category,
            batch,
            number,
            shard,
            options.backbone,
            fingerprint(shard, spec),
            sources[category],
            options.limits,
            options.network_batch,
        )
        for category in sorted(sources)
        for batch, number, shard in _missing(layout, category, spec)
    ]


_MISSING = artifacts.FolderMemo[list[tuple[int, int, Shard]]]()


def _missing(layout: Layout, category: str, spec: BackboneSpec) -> list[tuple[int, int, Shard]]:
    """Batch, number and shard of what is not done."""
    return _MISSING.get(
        (layout.root, category, spec.id),
        [*_folders(layout, category, spec), layout.previews(category, 0, 0).parent],
        lambda: _look_for_missing(layout, category, spec),
    )


def _look_for_missing(
    layout: Layout, category: str, spec: BackboneSpec
) -> list[tuple[int, int, Shard]]:
    features = Look(layout.features(spec.id, category, 0, 0).parent)
    previews = Look(layout.previews(category, 0, 0).parent)
    return [
        (summary.batch, number, shard)
        for summary in ledger.batches(layout, category)
        for number, shard in enumerate(summary.shards)
        if not (
            artifacts.is_done_in(
                features, part_name(summary.batch, number), fingerprint(shard, spec)
            )
            and artifacts.is_done_in(
                previews, part_name(summary.batch, number), previews_fingerprint(shard)
            )
        )
    ]


def _folders(layout: Layout, category: str, spec: BackboneSpec) -> list[Path]:
    """What parts are planned from, and where they and their receipts lie."""
    return [layout.ledger / category, layout.features(spec.id, category, 0, 0).parent]


def fingerprint(shard: Shard, spec: BackboneSpec) -> str:
    """What the features of a shard are made from."""
    return artifacts.fingerprint(FORMAT, shard.fingerprint, spec.fingerprint)


def run(task: ExtractTask) -> Extracted:
    """Extract one shard.

    Raises:
        StorageFull: the workspace's drive is full.
        MemoryShort: there is no memory for a picture.
        BackboneError: the network cannot be loaded.
    """
    start = time.perf_counter()
    layout = Layout(task.root)
    backbone = opened(task.backbone)
    along = attached_rows(task)
    rows = along.rows
    refusals = _known_refusals(task, along)
    index = 0
    with (
        artifacts.memory_errors(lambda: f"extracting {rows[index]['pic_id']} of {task.key}"),
        breadcrumbs.trail(layout.breadcrumbs, task.key) as trail,
    ):
        # No picture is to blame for the time that several runs of the network take.
        collected = _Collected(backbone, task.network_batch, trail.restart_clock)
        for index, row in enumerate(rows):
            trail.reading(index)
            try:
                if refusal := refusals.get(index):
                    raise refusal
                data = read_picture(layout, task.sources.get(row["source"]), row)
                trail.at(index)
                _extract_one(task, row, data, collected)
            except PictureError as error:
                collected.refuse(row, error)
        trail.at(-1)
        features = collected.features()
    duration_s = time.perf_counter() - start
    _write(task, layout, backbone.spec, collected, features, duration_s)
    return Extracted(len(rows), len(collected.refusals), duration_s)


def attached_rows(task: ExtractTask) -> AttachedRows:
    """What the ledger says of a task's shard; the task has it along, or its workspace does."""
    if task.along is not None:
        return task.along
    layout = Layout(task.root)
    rows = ledger.shard_rows(layout, task.category, task.batch, task.shard).to_pylist()
    lost = ledger.losses(layout, task.category, task.batch)
    mine = {row["pic_id"]: lost[row["pic_id"]] for row in rows if row["pic_id"] in lost}
    return AttachedRows(tuple(rows), mine)


def is_remote(task: ExtractTask, along: AttachedRows) -> bool:
    """Whether all pictures of a task are read in buckets."""
    return are_remote(along.rows, task.sources)


def files_of(task: ExtractTask) -> list[Path]:
    """Every file that a task may write, in that order."""
    layout, spec = Layout(task.root), backbones.describe(task.backbone)
    previews = layout.previews(task.category, task.batch, task.number)
    features = layout.features(spec.id, task.category, task.batch, task.number)
    refusals = layout.refusals(task.category, task.batch, task.number)
    return [refusals, previews, receipt_path(previews), features, receipt_path(features)]


def _known_refusals(task: ExtractTask, along: AttachedRows) -> dict[int, PictureError]:
    """Pictures that need not be opened: lost before they were placed, or blamed for a crash."""
    lost = along.lost
    known = {i: lost[row["pic_id"]] for i, row in enumerate(along.rows) if row["pic_id"] in lost}
    text = "happened twice, in a process of its own"
    return known | {index: PictureError(reason, text) for index, reason in task.blamed}


@lru_cache(maxsize=1)
def opened(name: str) -> Backbone:
    """The backbone, opened once in this process; verification uses the same."""
    return backbones.load(name)


class _Collected:
    """What has been learnt of a shard so far; vectors and previews are made of many pictures.

    Decoding, the network and previews take turns seldom: each time, their code and data have to
    come back into the processor's caches.
    """

    def __init__(
        self, backbone: Backbone, network_batch: int, before_run: Callable[[], None]
    ) -> None:
        side = backbone.spec.side
        runs = max(1, _WAITING_BYTES // (network_batch * side * side * 3))
        self.backbone = backbone
        self._network_batch, self._before_run = network_batch, before_run
        self.accepted: list[Row] = []
        self.previews: list[Row] = []
        self.refusals: list[Row] = []
        self.remarks: list[tuple[str, str, str]] = []
        self._damages: list[float] = []
        self._waiting = np.empty((runs * network_batch, side, side, 3), np.uint8)
        self._pixels: list[images.Pixels] = []
        self._vectors: list[np.ndarray[Any, np.dtype[np.float32]]] = []

    def add(self, row: Row, picture: images.Picture, pixels: images.Pixels) -> None:
        """Take a picture; `pixels` are those to prepare, perhaps smaller than its own."""
        self.remarks += ((row["pic_id"], one.doubt.value, one.detail) for one in picture.remarks)
        self._damages.append(picture.damage)
        self._waiting[len(self._pixels)] = self.backbone.prepare(pixels)
        # A reduced copy, so that what waits is small whatever the size of the pictures.
        self._pixels.append(images.shrink(pixels, images.THUMBNAIL_SIDE))
        self.accepted.append(row)
        if len(self._pixels) == len(self._waiting):
            self._flush()

    def refuse(self, row: Row, error: PictureError) -> None:
        self.refusals.append(
            {
                "pic_id": row["pic_id"],
                "source": row["source"],
                "outcome": Outcome.REFUSED.value,
                "reason": error.reason.value,
                "detail": error.detail or None,
                "by": "extract",
            }
        )

    def features(self) -> np.ndarray[Any, np.dtype[np.float32]]:
        self._flush()
        empty = np.empty((0, self.backbone.spec.dim), np.float32)
        return np.concatenate([empty, *self._vectors])

    def _flush(self) -> None:
        if not self._pixels:
            return
        prepared = self._waiting[: len(self._pixels)]
        for start in range(0, len(prepared), self._network_batch):
            self._before_run()
            self._vectors.append(
                self.backbone.features(prepared[start : start + self._network_batch])
            )
        rows = self.accepted[-len(self._pixels) :]
        self.previews += map(_preview, rows, images.previews_of(self._pixels), self._damages)
        self._pixels.clear()
        self._damages.clear()


def _extract_one(task: ExtractTask, row: Row, data: bytes, collected: _Collected) -> None:
    spec = collected.backbone.spec
    picture = decode_for(spec, data, task.limits)
    pixels = picture.pixels
    if shrinks_first(spec):
        pixels = images.shrink(pixels, spec.side)
    collected.add(row, picture, pixels)


def shrinks_first(spec: BackboneSpec) -> bool:
    """Whether preparing begins by `images.shrink`: then one resizing serves the previews too."""
    return spec.fit == "pad" and not spec.full_decode


def decode_for(
    spec: BackboneSpec, data: bytes, limits: PictureLimits, decode: Decode = images.decode
) -> images.Picture:
    """Decode a picture at the smallest size that is enough for a backbone.

    Args:
        spec: of the backbone.
        data: the encoded picture.
        limits: what is refused.
        decode: `images.decode`, or that of a process apart, which is bounded in time.

    Raises:
        PictureError: the picture cannot be decoded.
    """
    if spec.full_decode:
        return decode(data, limits)
    if spec.fit == "pad":
        return decode(data, limits, longer=spec.side)
    return decode(data, limits, shorter=spec.side)


def _preview(row: Row, made: images.Previews, damage: float) -> Row:
    return {
        "pic_id": row["pic_id"],
        "thumbnail": made.thumbnail,
        "perceptual_hash": made.perceptual_hash,
        "blur": made.quality.blur,
        "brightness": made.quality.brightness,
        "contrast": made.quality.contrast,
        "damage": damage,
    }


def _write(
    task: ExtractTask,
    layout: Layout,
    spec: BackboneSpec,
    collected: _Collected,
    features: np.ndarray[Any, np.dtype[np.float32]],
    duration_s: float,
) -> None:
    _write_refusals(task, layout, collected.refusals)
    _write_previews(task, layout, collected.previews)
    path = layout.features(spec.id, task.category, task.batch, task.number)
    table = _features_table(spec.dim, collected.accepted, features)
    artifacts.write_parquet(path, table, metadata={"backbone": spec.id})
    artifacts.write_receipt(
        path,
        artifacts.Receipt(
            fingerprint=task.fingerprint,
            rows=table.num_rows,
            sha256={path.name: artifacts.sha256_file(path)},
            duration_s=round(duration_s, 3),
            facts={
                "backbone": spec.as_dict(),
                "refused": len(collected.refusals),
                "numbers": _number_range(collected.accepted),
                "remarks": collected.remarks,
            },
        ),
    )


def _number_range(accepted: Sequence[Row]) -> list[int]:
    return [pic_number(row["pic_id"]) for row in (*accepted[:1], *accepted[-1:])]


def _write_refusals(task: ExtractTask, layout: Layout, refusals: Sequence[Row]) -> None:
    path = layout.refusals(task.category, task.batch, task.number)
    if refusals:
        at_ns = ledger.amendment_time_ns(layout, task.category)
        rows = [row | {"at_ns": at_ns} for row in refusals]
        artifacts.write_parquet(path, pa.Table.from_pylist(rows, AMENDMENT))
    else:
        path.unlink(missing_ok=True)


def previews_fingerprint(shard: Shard) -> str:
    """What the previews of a shard are made from."""
    return artifacts.fingerprint(FORMAT, shard.fingerprint, images.THUMBNAIL_SIDE)


def _write_previews(task: ExtractTask, layout: Layout, previews: Sequence[Row]) -> None:
    path = layout.previews(task.category, task.batch, task.number)
    expected = previews_fingerprint(task.shard)
    if artifacts.is_done(path, expected):
        return
    table = pa.Table.from_pylist(list(previews), PREVIEWS)
    artifacts.write_parquet(path, table, group_rows=_PREVIEW_GROUP_ROWS)
    digest = {path.name: artifacts.sha256_file(path)}
    artifacts.write_receipt(path, artifacts.Receipt(expected, table.num_rows, digest))


def _features_table(
    dim: int, accepted: Sequence[Row], features: np.ndarray[Any, np.dtype[np.float32]]
) -> pa.Table:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), dim)
    return pa.Table.from_arrays(
        [
            pa.array([row["pic_id"] for row in accepted], pa.string()),
            pa.array([row["source"] for row in accepted], pa.string()),
            vectors,
        ],
        schema=features_schema(dim),
    )


@dataclass(frozen=True)
class Part:
    """A finished features part, as its receipt tells."""

    path: Path
    category: str
    batch: int
    number: int
    rows: int
    expected_rows: int
    sha256: str
    numbers: tuple[int, int]
    """Numbers of the first and the last picture; (0, -1) if there is none."""
    remarks: tuple[tuple[str, str, str], ...] = ()
    """Id, doubt and detail of each picture that was decoded with a doubt."""


def parts(layout: Layout, category: str, spec: BackboneSpec) -> list[Part]:
    """Finished features parts of a category, in id order; costs a receipt each."""
    key, folders = (layout.root, category, spec.id), _folders(layout, category, spec)
    return list(_PARTS.get(key, folders, lambda: _read_parts(layout, category, spec)))


_PARTS = artifacts.FolderMemo[list[Part]]()


def _read_parts(layout: Layout, category: str, spec: BackboneSpec) -> list[Part]:
    result = []
    look = Look(layout.features(spec.id, category, 0, 0).parent)
    for summary in ledger.batches(layout, category):
        for number, shard in enumerate(summary.shards):
            path = look.folder / part_name(summary.batch, number)
            receipt = artifacts.receipt_in(look, path.name)
            if receipt is None or receipt.fingerprint != fingerprint(shard, spec):
                continue
            result.append(_part(path, category, summary.batch, number, shard, receipt))
    return result


def _part(
    path: Path, category: str, batch: int, number: int, shard: Shard, receipt: artifacts.Receipt
) -> Part:
    first, last = receipt.facts["numbers"] or (0, -1)
    return Part(
        path=path,
        category=category,
        batch=batch,
        number=number,
        rows=receipt.rows,
        expected_rows=shard.rows - int(receipt.facts["refused"]),
        sha256=receipt.sha256[path.name],
        numbers=(first, last),
        remarks=tuple(
            (pic, doubt, detail) for pic, doubt, detail in receipt.facts.get("remarks", [])
        ),
    )
