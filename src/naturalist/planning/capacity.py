"""What a number of pictures takes on a number of machines, estimated from measured rates.

Nothing is tried out: the plan is arithmetic over `Rates`, which come from a file that anybody can
edit, or from the reports of the runs of a collection and the files that they left.
"""

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, backbones, ledger
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.layout import Layout
from naturalist.ledger import Outcome
from naturalist.pipeline.rates import Rates
from naturalist.pipeline.status import collection_status
from naturalist.running import workspace
from naturalist.running.executors import worker_count
from naturalist.stores import S3Options
from naturalist.stores.prices import Prices, put_requests

_FROM_REPORTS = {
    "verify_features": ("verify-features", "rows"),
    "tables": ("tables", "rows"),
    "verify_tables": ("verify-tables", "rows"),
}
_LEAST_PICTURES = 1_000
"""Extracted, before a collection says something about rates."""
_LEAST_S = 60
"""That a stage took, if its report says something about rates; a shorter one is all start-up."""
_LEAST_SHARD = 100
"""Pictures of a shard whose duration says something about the rate of a worker."""
MB, GB = 10**6, 10**9
_INDEX_BYTES = 100
"""Of a picture in the index of its shard."""
_MOST = 10**12
"""Of anything; no collection of pictures comes near it."""
_EXTRAPOLATED = 100_000_000
"""Pictures up to which times were worked out from measurements and costs of their own."""
_STUDIED = 1_000_000
"""Pictures with which the rates of studies were measured."""


@dataclass(frozen=True)
class Workload:
    """What is to be planned.

    Attributes:
        pictures: how many.
        machines: of one kind.
        cores: of each machine.
        keep_pictures: the workspace holds the bytes of all pictures (copied, moved, unpacked).
        publish_pictures: pictures are published, as tars.
        rows_per_table: most rows of a table.
        shard_size: pictures in a shard.
        files_per_batch: pictures in a batch.
        csv: tables are written as CSV too.
    """

    pictures: int
    machines: int = 1
    cores: int = 1
    keep_pictures: bool = False
    publish_pictures: bool = False
    rows_per_table: int = 10_001
    shard_size: int = 1_000
    files_per_batch: int = 100_000
    csv: bool = True

    def __post_init__(self) -> None:
        for name in ("pictures", "machines", "cores"):
            value = getattr(self, name)
            if not 1 <= value <= _MOST:
                raise ConfigError(f"--{name} is {value:.4g}: expected 1 to {_MOST:.0e}")


def rates_of(config: Config, rates: Rates) -> Rates:
    """The rates of a collection's runs and the sizes of its files; what they do not say is kept.

    Raises:
        WorkspaceError: fewer than 1,000 pictures were extracted yet.
    """
    layout = config.layout
    workspace.reading(layout)
    shards = _shards(layout, backbones.describe(config.extract.backbone).id)
    if sum(rows for rows, _ in shards) < _LEAST_PICTURES:
        raise WorkspaceError(
            f"{layout.root} has features of fewer than {_LEAST_PICTURES:,} pictures: plan with the "
            "built-in rates, without --like"
        )
    workers = worker_count(config.extract.workers)
    measured = {"extract": _extract_rate(shards)} | _measured(layout, workers)
    return replace(
        rates,
        divided=dict(rates.divided) | measured,
        bytes=dict(rates.bytes) | _measured_bytes(config),
        origin=f"the runs of {config.name} with {workers} workers ({', '.join(measured)} and "
        "bytes), else the built-in rates",
    )


def _shards(layout: Layout, backbone_id: str) -> list[tuple[int, float]]:
    """Pictures of each extracted shard, and the seconds of the worker that extracted it."""
    receipts = (layout.root / "features" / backbone_id).rglob("*.json")
    found = [artifacts.read_json(path) for path in sorted(receipts)]
    return [(one["rows"], one["duration_s"]) for one in found if one["duration_s"] > 0]


def _extract_rate(shards: Sequence[tuple[int, float]]) -> float:
    """Pictures a second of one worker: the median, since a worker's first shard loads the network.

    The durations are those of the shards, without the start of the worker processes.
    """
    whole = [one for one in shards if one[0] >= _LEAST_SHARD] or shards
    return statistics.median(rows / duration_s for rows, duration_s in whole)


def _measured(layout: Layout, workers: int) -> dict[str, float]:
    """The best rate of one worker, of all runs in which the stage took long enough."""
    best: dict[str, float] = {}
    for path in sorted(layout.runs.glob("[0-9]*.json")):
        stages = artifacts.read_json(path)["stages"]
        for name, (stage, unit) in _FROM_REPORTS.items():
            facts = stages.get(stage) or {}
            if facts.get("duration_s", 0) >= _LEAST_S and facts.get(unit, 0):
                rate = facts[unit] / facts["duration_s"] / workers
                best[name] = max(best.get(name, 0.0), rate)
    return best


def _measured_bytes(config: Config) -> dict[str, float]:
    """Bytes for each picture of the tables; features and checks are those of one network."""
    counts = collection_status(config)["categories"].values()
    pictures = sum(int(one["table_rows"]) for one in counts)
    if not pictures:
        return {}
    backbone_id = backbones.describe(config.extract.backbone).id
    kinds = {
        "ledger": ("ledger", ".parquet"),
        "features": (f"features/{backbone_id}", ".parquet"),
        "checks": (f"checks/{backbone_id}", ".parquet"),
        "previews": ("previews", ".parquet"),
        "tables_csv": ("tables", ".csv"),
        "tables_parquet": ("tables", ".parquet"),
    }
    sizes = {
        kind: sum(path.stat().st_size for path in (config.layout.root / top).rglob(f"*{suffix}"))
        for kind, (top, suffix) in kinds.items()
    }
    made = {kind: size / pictures for kind, size in sizes.items() if size}
    return made | {"pictures": _picture_bytes(config.layout)}


def _picture_bytes(layout: Layout) -> float:
    """Mean size of the accepted pictures, as the ledger has it."""
    sizes = [
        rows["size_bytes"].filter(pc.equal(rows["outcome"], Outcome.ACCEPTED))
        for category in ledger.categories(layout)
        for batch in ledger.batches(layout, category)
        for rows in [ledger.batch_rows(layout, category, batch.batch, ["outcome", "size_bytes"])]
    ]
    return float(pc.mean(pa.chunked_array([c for one in sizes for c in one.chunks])).as_py())


def plan(workload: Workload, rates: Rates, prices: Prices) -> dict[str, Any]:
    """Estimate time, disk, memory, requests and cost, and say what is assumed; JSON values."""
    if not workload.csv:
        rates = replace(rates, bytes=dict(rates.bytes) | {"tables_csv": 0.0})
    publish = _publish(workload, rates, prices)
    stages = [*_stages(workload, rates), *_sending(workload, publish)]
    total_s = sum(stage["machines_s"] for stage in stages)
    hours = (total_s - publish["files_s"]) / 3600 * workload.machines
    disk = {kind: size * workload.pictures for kind, size in rates.bytes.items()}
    if not workload.keep_pictures:
        del disk["pictures"]
    return {
        "requested": asdict(workload),
        "rates": rates.origin,
        "stages": stages,
        "one_machine_s": sum(stage["one_machine_s"] for stage in stages),
        "machines_s": total_s,
        "studies": [*_studies(workload, rates)],
        "nothing_new_s": sum(
            workload.pictures / rates.undivided[name] for name in ("list", "plan")
        ),
        "disk_bytes": disk,
        "memory_mb": _memory(workload, rates),
        "publish": publish,
        "money": {
            "requests": prices.writing(publish["write_requests"]),
            "month": prices.month(publish["size_bytes"]),
            "machines": hours * rates.machines["hour"],
        },
        "assumptions": _assumptions(workload, rates, prices),
    }


def _stages(workload: Workload, rates: Rates) -> Iterator[dict[str, Any]]:
    making = ("extract", "verify_features", "tables", "verify_tables")
    efficiency = rates.machines["efficiency"]
    for name in ("list", "examine", "compare", "enter", *making):
        is_divided = name in rates.divided
        rate = (rates.divided if is_divided else rates.undivided)[name]
        if name == "compare":
            rate *= workload.pictures / _compared_rows(workload)
        one = workload.cores * efficiency if is_divided else 1.0
        many = one * workload.machines if is_divided else 1.0
        yield {
            "stage": name.replace("_", "-"),
            "divided": is_divided,
            "rate": rate,
            "unit": "pictures",
            "one_machine_s": workload.pictures / rate / one,
            "machines_s": workload.pictures / rate / many,
        }


def _compared_rows(workload: Workload) -> float:
    """Rows of the ledger that all batches together are compared with: half of all, each."""
    batches = math.ceil(workload.pictures / workload.files_per_batch)
    return batches * workload.pictures / 2


def _sending(workload: Workload, publish: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Publishing: every machine sends the pictures that it packs, one sends all other files."""
    for stage, name, many in (
        ("send-pictures", "pictures", workload.machines),
        ("publish", "files", 1),
    ):
        seconds, size_bytes = publish[f"{name}_s"], publish[f"{name}_bytes"]
        if size_bytes:
            yield {
                "stage": stage,
                "divided": many > 1,
                "rate": size_bytes / MB / seconds,
                "unit": "MB",
                "one_machine_s": seconds,
                "machines_s": seconds / many,
            }


def _studies(workload: Workload, rates: Rates) -> Iterator[dict[str, Any]]:
    """Each study made once of all pictures, by one process; later ones take in what is new."""
    millions = workload.pictures / _STUDIED
    for name, rate in rates.studies.items():
        power = rates.growth[name] if millions > 1 else 1.0
        yield {"study": name.replace("_", " "), "s": _STUDIED / rate * millions**power}


def _memory(workload: Workload, rates: Rates) -> dict[str, float]:
    """Of one machine's workers, of the process that plans, and of each study."""
    memory, pictures = rates.memory, workload.pictures
    studies = {
        study: fixed_mb + rates.study_memory_bytes[study] * pictures / MB
        for study, fixed_mb in rates.study_memory_mb.items()
    }
    return {
        "workers": memory["worker_mb"] * workload.cores,
        "planner": memory["planner_mb"],
        "planner_while_a_folder_changed": memory["planner_mb"]
        + memory["known_file_bytes"] * pictures / MB,
        **studies,
    }


def _publish(workload: Workload, rates: Rates, prices: Prices) -> dict[str, Any]:
    tables = math.ceil(workload.pictures / workload.rows_per_table)
    shards = math.ceil(workload.pictures / workload.shard_size)
    files = [
        (tables if workload.csv else 0, rates.bytes["tables_csv"] * workload.rows_per_table),
        (tables, rates.bytes["tables_parquet"] * workload.rows_per_table),
        (shards, rates.bytes["previews"] * workload.shard_size),
        (
            math.ceil(workload.pictures / workload.files_per_batch),
            rates.bytes["ledger"] * workload.files_per_batch,
        ),
    ]
    pictures = [
        (shards, rates.bytes["pictures"] * workload.shard_size),
        (shards, _INDEX_BYTES * workload.shard_size),
    ]
    of_files = _load(files, prices)
    of_pictures = _load(pictures if workload.publish_pictures else [], prices)
    return {
        **{key: of_files[key] + of_pictures[key] for key in of_files if key != "s"},
        "files_bytes": of_files["size_bytes"],
        "files_s": of_files["s"],
        "pictures_bytes": of_pictures["size_bytes"],
        "pictures_s": of_pictures["s"],
        "duration_s": of_files["s"] + of_pictures["s"] / workload.machines,
    }


def _load(objects: Sequence[tuple[int, float]], prices: Prices) -> dict[str, Any]:
    """Requests, bytes and seconds of sending objects, given as pairs of their number and size."""
    chunk = S3Options().multipart_chunk_bytes
    size_bytes = sum(count * size for count, size in objects)
    writes = sum(count * put_requests(math.ceil(size), chunk) for count, size in objects)
    count = sum(number for number, _ in objects)
    return {
        "objects": count,
        "size_bytes": size_bytes,
        "write_requests": writes,
        "read_requests": count,
        "s": prices.duration_s(writes + count, int(size_bytes)),
    }


def _assumptions(workload: Workload, rates: Rates, prices: Prices) -> list[str]:
    lines = [
        f"rates: {rates.origin}",
        (
            f"{counted(workload.machines, 'machine')} of one kind with "
            f"{counted(workload.cores, 'core')} each, of which "
            f"{rates.machines['efficiency']:.0%} are used; all tasks have the same size"
        ),
        (
            "listing, recording in the ledger and planning run in one process, whatever the "
            "number of machines; so does each study, none of which is part of `all`"
        ),
        (
            f"batches have {workload.files_per_batch:,} files (ingest.files_per_batch), and each "
            "is compared with the whole ledger, which larger batches do less often"
        ),
        (
            "evaluate, label issues and drift work on their samples; above some 30 million "
            "pictures a map of a sample (`naturalist sample`) needs less memory than one of all"
        ),
        (
            f"a picture has {rates.bytes['pictures']:,.0f} bytes on average; drives and network "
            "deliver them as fast as they are decoded"
        ),
        "pictures are kept in the workspace"
        if workload.keep_pictures
        else "pictures stay where they are, or are hard links: they take no space here",
        (
            f"each machine has its own line to the store, for {prices.upload_mb_s:,g} MB/s and "
            f"{prices.requests_s:,g} requests/s, and sends the pictures that it packs; all other "
            "files are sent by one machine"
        ),
        (
            "known files take memory only while a folder that contains some of them is examined; "
            "all are counted in one category, which is the worst case"
        ),
    ]
    if workload.pictures > _EXTRAPOLATED:
        lines.append(
            f"nothing was measured with more than 10 million pictures: above {_EXTRAPOLATED:,}, "
            "take times for a lower limit"
        )
    if not rates.machines["hour"]:
        lines.append("machines cost nothing: set their price with --machine-hour")
    return lines
