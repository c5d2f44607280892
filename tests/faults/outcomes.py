"""What commands make, without what differs from run to run."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pyarrow.parquet as pq

import tiny
from faults.starts import COLLECTION, config_of
from naturalist import snapshots
from naturalist.curation.reviewing.journal import Journal
from naturalist.stores import open_store

CHANGING = (
    *("made_at", "made_by", "at", "at_ns", "duration_s", "mtime_ns", "created_at", "url", "since"),
    *("retired_at", "fetched_at"),
)
"""Names of values that differ from run to run, or from folder to folder."""
Outcome = dict[str, Any]


def digest(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def steady(value: Any) -> Any:
    """A JSON value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in CHANGING}
    return [steady(one) for one in value] if isinstance(value, list) else value


def of_files(root: Path, *patterns: str) -> Outcome:
    """What files hold: rows of Parquet, values of JSON, graphs of models, bytes of others."""
    found: Outcome = {}
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".parquet":
            found[name] = steady(pq.read_table(path, partitioning=None).to_pylist())
        elif path.suffix == ".json":
            found[name] = steady(json.loads(path.read_bytes()))
        elif path.suffix == ".onnx":
            found[name] = of_model(path)
        elif path.is_file():
            found[name] = digest(path)
    return found


def of_model(path: Path) -> Outcome:
    """A classifier's graph and weights, and what it says of itself."""
    model = onnx.load(path)
    about = {one.key: one.value for one in model.metadata_props}
    del model.metadata_props[:]
    graph = hashlib.sha256(model.SerializeToString(deterministic=True)).hexdigest()
    return {"graph": graph, "about": steady(json.loads(about["naturalist"]))}


def of_ledger(folder: Path) -> Outcome:
    """Every row as it holds now."""
    return {"ledger": steady(tiny.ledger_rows(config_of(folder)))}


def of_tables(folder: Path) -> Outcome:
    """Tables, byte by byte."""
    tables = config_of(folder).layout.tables
    return {"tables": {p.name: digest(p) for p in tables.rglob("image_df_*.[cp][sa]*")}}


def of_run(folder: Path) -> Outcome:
    """Tables byte by byte, every row of the ledger, and what is published."""
    return of_tables(folder) | of_ledger(folder) | of_published(folder)


def of_pictures(folder: Path) -> Outcome:
    """Every row of the ledger, where every picture is, and what is left in the sources."""
    config = config_of(folder)
    rows = [row for row in tiny.ledger_rows(config) if row["image_root"] is not None]
    pictures = {
        row["pic_id"]: digest(tiny.picture_path(config.layout, folder, row)) for row in rows
    }
    sources = of_files(folder / "sources", "**/*")
    return of_ledger(folder) | {"pictures": pictures, "sources": sources}


def of_published(folder: Path) -> Outcome:
    """What the newest snapshot names; amendments and what is made of them say when they were."""
    config = config_of(folder)
    files = snapshots.read(open_store(config.publish_url, config.s3_options)).files
    return {one.name: one.sha256 for one in files if one.part == "tables"}


def of_place(folder: Path) -> Outcome:
    """Which snapshot is the newest, whether it is held, and every file that is published."""
    store = open_store(str(folder / "published"))
    hold = snapshots.hold_of(store)
    return {
        "latest": snapshots.read(store).id,
        "hold": hold and hold.why,
        "keys": sorted(info.key for info in store.list()),
        **of_published(folder),
    }


def of_pulled(folder: Path) -> Outcome:
    """Every visible file of the folder that was pulled into."""
    return of_files(folder / "here", "[!.]*", "[!.]*/**/*")


def of_review(folder: Path) -> Outcome:
    """The ledger, and which decisions of the dashboard it does not hold yet."""
    journal = Journal(config_of(folder).layout.review_journal)
    return of_ledger(folder) | {"pending": journal.history().pending()}


def of_categories(folder: Path) -> Outcome:
    """What the workspace remembers of its categories, and what the configuration says."""
    known = of_files(config_of(folder).layout.root, "workspace.json")
    return known | of_files(folder / COLLECTION, "naturalist.toml")


def of_workspace(*patterns: str) -> Callable[[Path], Outcome]:
    """What files of the workspace hold."""
    return lambda folder: of_files(config_of(folder).layout.root, *patterns)
