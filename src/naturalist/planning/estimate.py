"""What publishing would send, and about what it would cost and take; nothing is sent.

The store is listed, so what is there already is known. Files are counted as they are. Pictures
that are not packed yet are estimated from their sizes in the ledger: taking metadata out makes
them smaller, and some cannot be published at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from naturalist.pipeline import publishing
from naturalist.pipeline.steps import Job
from naturalist.snapshots import delta
from naturalist.stages import packing, publish, sending
from naturalist.stages.packing import Form
from naturalist.stores import open_store
from naturalist.stores.prices import Prices, put_requests

_KEYS_IN_A_LISTING = 1000
_INDEX_BYTES_OF_A_PICTURE = 100
_SNAPSHOT_BYTES_OF_A_FILE = 300
_COMMIT_BYTES_OF_A_TABLE = 250
_LOOK_REQUESTS = 3
"""What the store asks before it puts a single object: is it there, really not, is the bucket."""


@dataclass(frozen=True)
class Load:
    """Objects to be sent, the bytes in them, and the requests that this takes."""

    objects: int = 0
    size_bytes: int = 0
    writes: int = 0
    reads: int = 0

    def __add__(self, other: "Load") -> "Load":
        return Load(
            self.objects + other.objects,
            self.size_bytes + other.size_bytes,
            self.writes + other.writes,
            self.reads + other.reads,
        )


@dataclass(frozen=True)
class Estimate:
    """What a publish would do; costs are in the currency of the prices."""

    objects: int
    files: int
    """Those of the objects that `publish` counts as sent; the others are the snapshot itself."""
    size_bytes: int
    pictures: int
    """Pictures that are to be packed and sent; their part of the bytes comes from the ledger."""
    files_there: int
    """Files and packed shards that are in the store and would not be sent again."""
    write_requests: int
    read_requests: int
    requests_cost: float
    month_cost: float
    """Of keeping what would be sent."""
    duration_s: float
    upload_mb_s: float
    """With `requests_s`: the speeds that `duration_s` assumes."""
    requests_s: float


def estimate_publish(job: Job, prices: Prices) -> Estimate:
    """Estimate what `publishing.publish_snapshot` would do now.

    Raises:
        VerificationFailed: tables are not verified, or a hard check failed.
        StoreError: the store cannot be listed.
    """
    config = job.config
    store = open_store(config.publish_url, config.s3_options)
    chunk_bytes = config.s3_options.multipart_chunk_bytes
    items = publishing.items_to_publish(config)
    there = publish.stored_keys(store, items)
    new = [item for item in items if item.key not in there]
    looked = sending.look_for(store, publishing.pack_tasks(config))
    shards = [task for task, is_sent in looked if not is_sent]
    pictures = 0
    load = _files([item.size_bytes for item in new], chunk_bytes)
    load += Load(writes=_listings(len(items)), reads=len(items) - len(new))
    for task, sizes in packing.picture_sizes(config.layout, shards):
        pictures += len(sizes)
        load += _shard(task.form, sizes, chunk_bytes)
    files = load.objects
    tables = [item for item in items if delta.is_table(item.name)]
    load += _ending(len(items) + len(looked), len(tables), is_new=bool(new or shards))
    return Estimate(
        objects=load.objects,
        files=files,
        size_bytes=load.size_bytes,
        pictures=pictures,
        files_there=len(items) - len(new) + len(looked) - len(shards),
        write_requests=load.writes,
        read_requests=load.reads,
        requests_cost=prices.writing(load.writes) + prices.reading(load.reads, 0),
        month_cost=prices.month(load.size_bytes),
        duration_s=prices.duration_s(load.writes + load.reads, load.size_bytes),
        upload_mb_s=prices.upload_mb_s,
        requests_s=prices.requests_s,
    )


def _files(sizes: Sequence[int], chunk_bytes: int) -> Load:
    writes = sum(put_requests(size_bytes, chunk_bytes) for size_bytes in sizes)
    return Load(len(sizes), sum(sizes), writes)


def _listings(keys: int) -> int:
    return -(-keys // _KEYS_IN_A_LISTING)


def _shard(form: Form, sizes: Sequence[int], chunk_bytes: int) -> Load:
    """The packed pictures of a shard and their index; each is looked for before it is sent."""
    index = _files([_INDEX_BYTES_OF_A_PICTURE * len(sizes)], chunk_bytes)
    looks = Load(reads=2 * _LOOK_REQUESTS)
    if form is Form.TARS:
        return index + looks + _files([packing.tar_bytes(sizes)], chunk_bytes)
    return index + looks + _files(sizes, chunk_bytes) + Load(writes=_listings(len(sizes)))


def _ending(files: int, tables: int, *, is_new: bool) -> Load:
    """Reading what `latest` names; the snapshot, the pointer, the Delta commit, and their looks."""
    looking = Load(writes=3, reads=10)
    if not is_new:
        return looking
    snapshot = Load(2, files * _SNAPSHOT_BYTES_OF_A_FILE, writes=3)
    commit = Load(1, tables * _COMMIT_BYTES_OF_A_TABLE, writes=1, reads=1)
    return looking + snapshot + (commit if tables else Load())
