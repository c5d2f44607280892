"""The commands that are killed, on what, and what must be the same afterwards."""

import json
import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import boto3

from faults.outcomes import (
    Outcome,
    of_categories,
    of_files,
    of_ledger,
    of_pictures,
    of_place,
    of_published,
    of_pulled,
    of_review,
    of_run,
    of_tables,
    of_workspace,
)
from faults.starts import (
    COLLECTION,
    ON_COLLECTION,
    config_of,
    make_collection,
    make_extracted,
    make_ingested,
    make_mapped,
    make_pulled,
    make_snapshots,
    make_sources,
    make_trained,
)
from naturalist.curation.reviewing.history import Change
from naturalist.curation.reviewing.journal import Journal
from naturalist.snapshots import maintenance
from naturalist.stages.ingest.options import Mode


def _nothing(folder: Path) -> None:
    pass


@dataclass(frozen=True)
class Case:
    """A command.

    Attributes:
        arguments: of the command line; the folder is the current one.
        outcome: what it made, without what differs from run to run.
        before: does what must be done before the command.
        start: makes the folder that copies are made of.
        between: does what time would do between a kill and the next attempt.
        fixture: name of the fixture of pytest that the command needs.
    """

    arguments: list[str]
    outcome: Callable[[Path], Outcome]
    before: Callable[[Path], object] = _nothing
    start: Callable[[Path], object] = make_collection
    between: Callable[[Path], object] = _nothing
    fixture: str = ""


def publish_to_bucket(folder: Path) -> None:
    """Name a new bucket as the place to publish to; the server is the one of the environment."""
    bucket = f"killed-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    path = folder / COLLECTION / "naturalist.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace('"../published"', f'"s3://{bucket}/garden"'), "utf-8")


def decide_in_a_file(folder: Path) -> None:
    """Retire a picture, relabel another."""
    lines = ("picID,decision,category", "plant_id_2,retire,", "animal_id_3,relabel,plant")
    (folder / "decisions.csv").write_text("\n".join(lines), "utf-8")


def decide_in_the_dashboard(folder: Path) -> None:
    """The same, by two reviewers."""
    journal = Journal(config_of(folder).layout.review_journal)
    for who, key, what in (
        ("anna", "plant_id_2", ("retire", "")),
        ("ben", "animal_id_3", ("relabel", "plant")),
    ):
        change, seen = {key: Change(what)}, {key: "accepted"}
        entry = journal.history().decide(who, 1, who, change, {key: 0}, seen)
        journal.append(lambda _, entry=entry: entry)


def end_leases(folder: Path) -> None:
    """Let the lease of a killed process run out, as it does after a quarter of an hour."""
    path = folder / "published" / maintenance.KEY
    if path.exists():
        state = json.loads(path.read_bytes())
        state["lease"] = state["lease"] and state["lease"] | {"until_s": 0.0}
        path.write_text(json.dumps(state), "utf-8")


REVIEW = ["review", "-c", COLLECTION, "--by", "anna"]
FETCHED = ("sources/**/*.zip", "sources/**/*.zip.json")
CASES = {
    "run": Case(["run", *ON_COLLECTION], of_run),
    **{
        f"ingest, {mode}": Case(
            ["ingest", *ON_COLLECTION],
            of_pictures,
            start=lambda folder, mode=mode.value: make_sources(folder, mode),
        )
        for mode in Mode
    },
    "extract": Case(
        ["extract", *ON_COLLECTION],
        of_workspace("features/**/*.parquet", "previews/**/*.parquet"),
        start=make_ingested,
    ),
    "tables": Case(["tables", *ON_COLLECTION], of_tables, start=make_extracted),
    "publish": Case(
        ["publish", *ON_COLLECTION],
        of_published,
        lambda folder: shutil.rmtree(folder / "published"),
    ),
    "publish to S3": Case(
        ["publish", *ON_COLLECTION], of_published, publish_to_bucket, fixture="server_in_chain"
    ),
    "duplicates": Case(["duplicates", *ON_COLLECTION], of_workspace("duplicates/groups.parquet")),
    "index": Case(["index", *ON_COLLECTION], of_workspace("index/*/*")),
    "cluster": Case(["cluster", *ON_COLLECTION], of_workspace("clusters/*/*.parquet")),
    "map": Case(["map", *ON_COLLECTION], of_workspace("maps/*/points.parquet")),
    "map that grows": Case(
        ["map", *ON_COLLECTION], of_workspace("maps/*/points.parquet"), start=make_mapped
    ),
    "train": Case(["train", *ON_COLLECTION], of_workspace("models/*/model.onnx", "models/*.json")),
    "refine": Case(
        ["refine", *ON_COLLECTION],
        of_workspace("models/*/model.onnx", "models/*.json"),
        start=make_trained,
    ),
    "review of a file": Case([*REVIEW, "decisions.csv", "-q"], of_ledger, decide_in_a_file),
    "review of the dashboard": Case(
        [*REVIEW, "--from-dashboard", "-q"], of_review, decide_in_the_dashboard
    ),
    "takedown": Case(["takedown", "plant_id_3", "--why", "asked for", "-c", COLLECTION], of_ledger),
    "category rename": Case(
        ["category", "rename", "plant", "flora", "-c", COLLECTION], of_categories
    ),
    "category relabel": Case(
        ["category", "relabel", "plant", "1", "animal", "0", "-c", COLLECTION], of_categories
    ),
    "category retire": Case(["category", "retire", "human", "-c", COLLECTION], of_categories),
    "prune": Case(
        ["snapshots", "prune", "--keep", "1", "--grace-days", "0", "--yes", *ON_COLLECTION],
        of_place,
        start=make_snapshots,
        between=end_leases,
    ),
    "rollback": Case(
        ["snapshots", "rollback", "000002", "--why", "labels", "-c", COLLECTION],
        of_place,
        start=make_snapshots,
        between=end_leases,
    ),
    "pull": Case(["pull", "published", "here", "-q"], of_pulled),
    "pull of what is newer": Case(
        ["pull", "published", "here", "-q"], of_pulled, start=make_pulled
    ),
    "sources fetch": Case(
        ["sources", "fetch", "flowers-recognition", "-q"],
        lambda folder: of_files(folder, *FETCHED),
        fixture="host_of_sets",
    ),
    "export": Case(
        ["dashboard", "-c", COLLECTION, "--export", "site"],
        lambda folder: {"pages": sorted(p.name for p in (folder / "site").rglob("*"))},
    ),
}
