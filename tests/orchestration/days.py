"""A run as an orchestrator does it: the functions of the tasks, one after another."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from naturalist.config import Config
from naturalist.orchestration import tasks
from naturalist.orchestration.request import Request

STAGES = (
    (tasks.plan_extraction, tasks.extract_group, tasks.verification_standby),
    (tasks.plan_verification, tasks.verify_group, tasks.storage_standby),
    (tasks.plan_labelling, tasks.label_group, tasks.table_verification_standby),
    (tasks.plan_table_verification, tasks.verify_table_group, tasks.pre_upload_standby),
)


def calls(request: Request, categories: list[str]) -> Iterator[Callable[[], object]]:
    """Every call of a run but the last, in order; work is planned when its turn comes."""
    yield partial(tasks.begin, request)
    yield partial(tasks.ingest, request)
    for plan, work, standby in STAGES:
        for name in categories:
            yield partial(_all_groups, plan, work, request, name)
        yield partial(standby, request)
    for name in categories:
        yield partial(tasks.upload_category, request, name)
    yield partial(tasks.publish_snapshot, request)


def _all_groups(
    plan: Callable[..., list[str]], work: Callable[..., None], request: Request, name: str
) -> None:
    for group in plan(request, name):
        work(request, name, group)


def do_day(request: Request, categories: list[str]) -> str | None:
    """A whole run; the path of its report."""
    for call in calls(request, categories):
        call()
    return tasks.end(request)


def another(request: Request, run: str) -> Request:
    return replace(request, run=run)


def tables(config: Config) -> dict[str, str]:
    """sha256 of every table file."""
    folder = config.layout.tables
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".csv", ".parquet")
    }


def write_toml(folder: Path, sources: dict[str, str], more: str = "") -> Path:
    """A configuration of tiny pictures: a source `photos` for each category."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ['name = "tiny"']
    for label, (name, path) in enumerate(sources.items()):
        lines.append(f'[[category]]\nname = "{name}"\nlabel = {label}')
        lines.append(f'  [[category.source]]\n  name = "photos"\n  path = "{path}"')
    lines.append('[extract]\nbackbone = "colour_histogram"\nshard_size = 3\nworkers = 1')
    lines.append("[tables]\nrows_per_table = 4\n[verify]\nsample_share = 1.0")
    lines.append('[publish]\nurl = "published"')
    path = folder / "naturalist.toml"
    path.write_text("\n".join([*lines, more]) + "\n")
    return path
