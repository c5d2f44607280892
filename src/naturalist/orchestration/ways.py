"""Which way a run takes after ingest, by how much is left to do.

A task costs Airflow a second or more however little it does, so little work is not shared.
"""

from collections.abc import Iterator
from enum import StrEnum

from naturalist import artifacts, backbones
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.pipeline import budget, publishing
from naturalist.pipeline.steps import Job
from naturalist.stages import extract, tables
from naturalist.stages.verify import features as feature_checks
from naturalist.stages.verify import tables as table_checks
from naturalist.stores import open_store

_ROWS_PER_PICTURE = 10
"""Vectors verified, or rows of tables written or verified, in the time of one picture at least."""


class Way(StrEnum):
    """What a run does after ingest."""

    LARGE = "large"
    """A task for each group of shards or tables, and standbys between them."""
    SMALL = "small"
    """One task for all stages, then publishing."""
    NOTHING = "nothing"
    """No task: all of it is done and published."""


def choose(job: Job) -> Way:
    """The way of a run whose ingest is done."""
    config = job.config
    most = config.airflow.single_task_pictures
    if not most:
        return Way.LARGE
    left = left_to_do(config)
    job.progress.note(f"left to do: as much as for {counted(left, 'picture')}")
    if left > most:
        return Way.LARGE
    return Way.NOTHING if not left and _is_done(job) else Way.SMALL


def left_to_do(config: Config) -> int:
    """What is not extracted, verified, written or sent, in pictures that take as long."""
    tasks = extract.plan(config.layout, config.source_paths, config.extract_options)
    pictures = sum(task.shard.rows for task in tasks) + _unsent(config)
    return pictures + -(-sum(_rows(config)) // _ROWS_PER_PICTURE)


def _unsent(config: Config) -> int:
    tasks = publishing.pack_tasks(config)
    if not tasks:
        return 0
    store = open_store(config.publish_url, config.s3_options)
    return sum(task.pack.shard.rows for task in publishing.unsent(config, store, tasks))


def _rows(config: Config) -> Iterator[int]:
    checks = feature_checks.plan(
        config.layout,
        config.source_paths,
        config.extract.backbone,
        config.picture_limits,
        config.feature_check_options,
    )
    yield sum(task.part.rows for task in checks)
    spec = backbones.describe(config.extract.backbone)
    for category, label in config.labels.items():
        rows_per_table = config.tables.rows_per_table
        wanted = tables.all_tables(
            config.layout, category, label, spec, rows_per_table, csv=config.tables.csv
        )
        yield sum(task.rows for task in table_checks.plan(list(wanted)))


def _is_done(job: Job) -> bool:
    """Whether no check is open, no study is due and readers see all of it."""
    config = job.config
    report = artifacts.read_json(config.layout.verification)
    return (
        not config.analyse.in_order
        and bool(report and report["passed"])
        and budget.is_covered(config.layout)
        and publishing.is_published(job)
    )
