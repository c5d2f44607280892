"""Making tables again, elsewhere, and comparing them byte by byte with those that are there."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.stages import tables
from naturalist.stages.tables import TableTask
from naturalist.stages.verify.verdicts import Checked, Verdict


def run(task: TableTask) -> Checked:
    """Make a table from its features in a folder of its own, and compare its files.

    Raises:
        StorageFull: the workspace's drive has no room for it.
    """
    scratch = Layout(task.root).scratch / f"again-{task.category}-{task.k}"
    try:
        again = replace(task, root=scratch)
        rows = tables.run(again).rows
        return Checked(rows, tuple(_compare(task, again.path)))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _compare(task: TableTask, again: Path) -> Iterator[Verdict]:
    for path in task.files:
        found = artifacts.sha256_file(path) if path.exists() else "missing"
        expected = artifacts.sha256_file(again.with_suffix(path.suffix))
        if found != expected:
            detail = f"sha256 is {found}; rebuilt from the features it is {expected}"
            name = str(path.relative_to(task.root))
            yield Verdict("re_derivation", "hard", detail, file=name)
