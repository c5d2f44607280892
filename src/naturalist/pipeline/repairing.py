"""Making again what verification found damaged, where it can be made again."""

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from naturalist import artifacts
from naturalist.layout import Layout, receipt_path
from naturalist.pipeline import analyse, steps
from naturalist.pipeline.steps import Job
from naturalist.stages.tables import check_path
from naturalist.stages.verify.studies import is_made_by_people
from naturalist.stages.verify.verdicts import Verdict

_MADE_BY_STAGES = ("features", "previews", "checks", "tables")
_ONE_FOLDER = ("duplicates",)


@dataclass(frozen=True)
class Repaired:
    """What a repair took away, and what only a person can bring back."""

    taken_away: tuple[str, ...]
    left: tuple[Verdict, ...]


def repair(job: Job, verdicts: Iterable[Verdict]) -> Repaired:
    """Take damaged files away, and make again what the stages and the configured studies make.

    Files of features and tables are removed: they come out the same again. What a study made is
    moved into the folder `damaged` of the workspace, whole: it may not come out the same.

    Args:
        job: the collection.
        verdicts: errors.

    Raises:
        NaturalistError: a stage or a study failed; what was finished is kept.
    """
    layout = job.config.layout
    hard = [verdict for verdict in verdicts if verdict.severity == "hard"]
    units = {unit for one in hard if one.file for unit in _unit(layout, one.file)}
    left = tuple(one for one in hard if not one.file or not list(_unit(layout, one.file)))
    taken = sorted(str(unit.relative_to(layout.root)) for unit in units)
    for unit in sorted(units):
        _take_away(layout, unit)
    if units:
        steps.extract_features(job)
        steps.verify_features(job)
        steps.write_tables(job)
        steps.verify_tables(job)
        analyse.analyse(job)
    return Repaired(tuple(taken), left)


def as_facts(repaired: Repaired) -> dict[str, Any]:
    """The same as JSON values."""
    return {
        "taken_away": list(repaired.taken_away),
        "left": [verdict.as_json() for verdict in repaired.left],
    }


def _unit(layout: Layout, file: str) -> Iterator[Path]:
    """What is made again as a whole if one file of it is damaged; nothing if nothing can be."""
    name = PurePosixPath(file)
    top = name.parts[0]
    path = layout.root / name
    if is_made_by_people(name):
        return
    if top in _MADE_BY_STAGES:
        yield path.with_suffix(".parquet")
    elif top in _ONE_FOLDER:
        yield layout.root / top
    elif layout.root / top in layout.study_folders and len(name.parts) > 2:
        yield layout.root / top / name.parts[1]
    elif path.parent == layout.reports and path.stem == layout.label_issues.stem:
        yield from sorted(layout.reports.glob(f"{path.stem}.*"))
    elif path.parent in layout.study_folders:
        yield path


def _take_away(layout: Layout, unit: Path) -> None:
    name = unit.relative_to(layout.root)
    if name.parts[0] in _MADE_BY_STAGES:
        # Without a receipt a part is not done, so that goes first.
        receipt_path(unit).unlink(missing_ok=True)
        check_path(unit).unlink(missing_ok=True)
        unit.unlink(missing_ok=True)
        unit.with_suffix(".csv").unlink(missing_ok=True)
        artifacts.forget_folders()
        return
    target = _free_place(layout.damaged / name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if unit.exists():
        shutil.move(unit, target)


def _free_place(path: Path) -> Path:
    numbers = (path.with_name(f"{path.name}.{k}") for k in range(1, 1_000_000))
    return path if not path.exists() else next(one for one in numbers if not one.exists())
