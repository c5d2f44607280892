"""The commands that are killed, on what, and what must be the same afterwards."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import tiny
from naturalist import snapshots
from naturalist.config import Config, load_config
from naturalist.stores import open_store

COLLECTION = "collection"
CHANGING = ("made_at", "made_by", "at", "at_ns", "duration_s", "mtime_ns", "created_at", "url")
"""Names of values that differ from run to run, or from folder to folder."""
Outcome = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        arguments: of the command line; the folder is the current one.
        outcome: what it made, without what differs from run to run.
        before: does what must be done before the command.
    """

    arguments: list[str]
    outcome: Callable[[Path], Outcome]
    before: Callable[[Path], None] = lambda folder: None


def make_collection(folder: Path, **more: Any) -> Config:
    """21 pictures in three categories, run and published into a folder; 4 more have come since.

    `more` replaces or adds sections of the configuration.
    """
    seeds = {"plant": range(7), "animal": range(100, 109), "human": range(200, 205)}
    tiny.make_sources(folder / "sources", seeds)
    own = folder / COLLECTION
    # Relative, so that a copy of the folder has sources of its own.
    sources = {category: {"photos": Path("../sources") / category} for category in seeds}
    tiny.config_file(own, sources, publish={"url": "../published"}, **more)
    config = load_config(own)
    tiny.make_all(config)
    for seed in range(20, 24):
        tiny.write_picture(folder / f"sources/plant/{seed:04d}.png", seed)
    return config


def make_sources(folder: Path, mode: str) -> None:
    """A collection that nothing was made of yet: folders, an archive, a duplicate."""
    seeds = {"plant": range(6), "animal": range(100, 104)}
    tiny.make_sources(folder / "sources", seeds)
    tiny.write_picture(folder / "sources/plant/again/0.png", 0)
    with zipfile.ZipFile(folder / "sources/meadow.zip", "w") as archive:
        for seed in range(20, 24):
            archive.writestr(f"{seed}.png", tiny.picture(seed))
    sources = {
        "plant": {"photos": Path("../sources/plant"), "meadow": Path("../sources/meadow.zip")},
        "animal": {"photos": Path("../sources/animal")},
    }
    more = {"publish": {"url": "../published"}, "images": {"mode": mode}}
    tiny.config_file(folder / COLLECTION, sources, **more)


def config_of(folder: Path) -> Config:
    """The configuration in a copy of the folder."""
    return load_config(folder / COLLECTION)


def digest(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def steady(value: Any) -> Any:
    """A JSON value without what differs from run to run."""
    if isinstance(value, dict):
        return {key: steady(one) for key, one in value.items() if key not in CHANGING}
    return [steady(one) for one in value] if isinstance(value, list) else value


def of_files(root: Path, *patterns: str) -> Outcome:
    """What files hold: rows of Parquet, values of JSON, bytes of others."""
    found: Outcome = {}
    for path in sorted(path for pattern in patterns for path in root.glob(pattern)):
        name = path.relative_to(root).as_posix()
        if path.suffix == ".parquet":
            found[name] = steady(pq.read_table(path, partitioning=None).to_pylist())
        elif path.suffix == ".json":
            found[name] = steady(json.loads(path.read_bytes()))
        elif path.is_file():
            found[name] = digest(path)
    return found


def of_run(folder: Path) -> Outcome:
    """Tables byte by byte, every row of the ledger, and what is published."""
    config = config_of(folder)
    tables = {p.name: digest(p) for p in config.layout.tables.rglob("image_df_*.[cp][sa]*")}
    return {"tables": tables, "ledger": steady(tiny.ledger_rows(config)), **of_published(folder)}


def of_published(folder: Path) -> Outcome:
    """What the newest snapshot names; amendments and what is made of them say when they were."""
    files = snapshots.read(open_store(str(folder / "published"))).files
    return {one.name: one.sha256 for one in files if one.part == "tables"}


def of_pulled(folder: Path) -> Outcome:
    """Every visible file of the folder that was pulled into."""
    return of_files(folder / "here", "[!.]*", "[!.]*/**/*")


def of_workspace(*patterns: str) -> Callable[[Path], Outcome]:
    """What files of the workspace hold."""
    return lambda folder: of_files(config_of(folder).layout.root, *patterns)


ON_COLLECTION = ["-c", COLLECTION, "-q"]
CASES = {
    "run": Case(["run", *ON_COLLECTION], of_run),
    "publish": Case(
        ["publish", *ON_COLLECTION],
        of_published,
        lambda folder: shutil.rmtree(folder / "published"),
    ),
    "duplicates": Case(["duplicates", *ON_COLLECTION], of_workspace("duplicates/groups.parquet")),
    "index": Case(["index", *ON_COLLECTION], of_workspace("index/*/*")),
    "takedown": Case(
        ["takedown", "plant_id_3", "--why", "asked for", "-c", COLLECTION],
        lambda folder: {"ledger": steady(tiny.ledger_rows(config_of(folder)))},
    ),
    "pull": Case(["pull", "published", "here", "-q"], of_pulled),
    "export": Case(
        ["dashboard", "-c", COLLECTION, "--export", "site"],
        lambda folder: {"pages": sorted(p.name for p in (folder / "site").rglob("*"))},
    ),
}
