"""What a run of many tasks did: the workspace at its end compared with that at its beginning.

Tasks are killed, repeated and cleared, so counting what each of them did would count some work
twice and some never.
"""

import datetime as dt
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from naturalist import __version__, artifacts, backbones, ledger
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.layout import Layout, shard_name
from naturalist.ledger import KnownAnywhere, KnownFiles, LazilyKnownFiles
from naturalist.pipeline import reports
from naturalist.pipeline.status import counts_as_json
from naturalist.stages import extract, tables
from naturalist.stages.ingest import routing
from naturalist.stages.ingest.listing import list_new

Facts = dict[str, Any]


def open_account(config: Config, run: str) -> None:
    """Note the workspace as a run finds it; a run that begins again keeps its first note."""
    path = config.layout.open_run
    noted = artifacts.read_json(path)
    if noted is None or noted["run"] != run:
        artifacts.write_json(
            path,
            {"run": run, "began_s": time.time(), "finished": False, "before": _state(config)},
        )


def note_published(layout: Layout, run: str, snapshot: Facts | None) -> None:
    """Note that the last stage of a run is done, and what it published."""
    noted = artifacts.read_json(layout.open_run)
    if noted is not None and noted["run"] == run:
        # A repeated task finds everything published and must not blot out the first one's word.
        known = noted.get("publish") or {}
        kept = known if known.get("changed") else snapshot
        artifacts.write_json(layout.open_run, noted | {"finished": True, "publish": kept})


def close_account(config: Config, run: str) -> Path | None:
    """Write the report of a run, as `naturalist run` does.

    Returns:
        Where it is; None if the run made nothing and nothing went wrong.
    """
    layout = config.layout
    noted = artifacts.read_json(layout.open_run)
    if noted is None or noted["run"] != run:
        return None
    report = _report(config, noted)
    changed = any(_made(stage) for stage in report["stages"].values())
    path = reports.write_run(layout, report) if changed or report["error"] else None
    layout.open_run.unlink()
    return path


def _made(stage: Facts) -> bool:
    made = ("batches", "shards", "written", "changed")
    return any(bool(stage.get(key)) for key in made)


def _state(config: Config) -> dict[str, Facts]:
    spec = backbones.describe(config.extract.backbone)
    return {
        category: {
            "batch": max((b.batch for b in ledger.batches(config.layout, category)), default=0),
            "parts": {
                shard_name(part.batch, part.number): part.rows
                for part in extract.parts(config.layout, category, spec)
            },
            "tables": {
                path.name: [receipt.fingerprint, receipt.rows]
                for path, receipt in tables.done_tables(config.layout, category)
            },
        }
        for category in sorted(config.labels)
    }


def _report(config: Config, noted: Facts) -> Facts:
    before, after = noted["before"], _state(config)
    began = dt.datetime.fromtimestamp(noted["began_s"], dt.UTC)
    stages = {
        "ingest": _ingested(config, before),
        "extract": _extracted(config, before, after),
        "tables": _tabled(before, after),
    }
    if noted.get("publish"):
        stages["publish"] = noted["publish"]
    finished = noted["finished"]
    return {
        "outcome": "done" if finished else "RunFailed",
        "started_at": began.isoformat(timespec="seconds"),
        "duration_s": round(time.time() - noted["began_s"], 3),
        "made_by": __version__,
        "stages": stages,
        "error": None if finished else f"not all tasks of {noted['run']} succeeded: see its logs",
        "run": noted["run"],
    }


def _batch_of(before: dict[str, Facts], category: str) -> int:
    return int(before[category]["batch"]) if category in before else 0


def _ingested(config: Config, before: dict[str, Facts]) -> Facts:
    batches: set[int] = set()
    added: dict[str, Facts] = {}
    for category in sorted(config.labels):
        new = [
            summary
            for summary in ledger.batches(config.layout, category)
            if summary.batch > _batch_of(before, category)
        ]
        batches |= {summary.batch for summary in new}
        if new:
            counts = ledger.merge_counts(summary.counts for summary in new)
            added[category] = dict(counts_as_json(sum(counts.values(), ledger.SourceCounts())))
    return {"batches": sorted(batches), "added": added}


def _extracted(config: Config, before: dict[str, Facts], after: dict[str, Facts]) -> Facts:
    sizes = {
        (category, shard_name(summary.batch, number)): shard.rows
        for category in config.labels
        for summary in ledger.batches(config.layout, category)
        for number, shard in enumerate(summary.shards)
    }
    done = {
        (category, name): rows
        for category, state in after.items()
        for name, rows in state["parts"].items()
        if name not in before.get(category, {}).get("parts", {})
    }
    pictures = sum(sizes[one] for one in done)
    return {"shards": len(done), "pictures": pictures, "refused": pictures - sum(done.values())}


def _tabled(before: dict[str, Facts], after: dict[str, Facts]) -> Facts:
    total: Counter[str] = Counter(written=0, rows=0)
    for category, state in after.items():
        old = before.get(category, {}).get("tables", {})
        for name, fingerprint_and_rows in state["tables"].items():
            if old.get(name) != fingerprint_and_rows:
                total.update(written=1, rows=fingerprint_and_rows[1])
    return dict(total)


def forecast(config: Config) -> Iterator[str]:
    """Say, line by line, what a run would do now; reads only."""
    layout = config.layout
    unfinished = extract.plan(layout, config.source_paths, config.extract_options)
    everywhere = [LazilyKnownFiles(layout, category) for category in ledger.categories(layout)]
    for category in sorted(config.labels):
        known = KnownFiles.load(layout, category)
        for source in routing.prepare(config.sources):
            if source.category == category and source.is_listed:
                where = known if source.routing is None else KnownAnywhere(everywhere)
                count = sum(1 for _ in list_new(source, where))
                yield f"{category}: {counted(count, 'new file')} in source {source.name}"
        shards = sum(task.category == category for task in unfinished)
        yield f"{category}: {counted(shards, 'shard')} of earlier batches without features"
