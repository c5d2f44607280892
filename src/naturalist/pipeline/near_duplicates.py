"""Bringing the groups of near duplicates up to date, by a command or as a step of a run."""

from typing import Any

from naturalist import backbones
from naturalist.config import Config
from naturalist.pipeline.steps import Job
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.studies.duplicates.study import Report, study_near_duplicates


def find(config: Config, progress: Progress) -> Report:
    """Study near duplicates in a workspace that this process holds."""
    spec = backbones.describe(config.extract.backbone)
    before: int | None = None

    def heard(done: int, total: int) -> None:
        nonlocal before
        if before is None:
            progress.begin("duplicates", total, "pictures")
        progress.advance(done - (before or 0))
        before = done

    report = study_near_duplicates(
        config.layout, spec, config.labels, config.duplicates.options, heard
    )
    progress.end()
    return report


def near_duplicates(config: Config, progress: Progress) -> Report:
    """Study near duplicates; what was compared before is not compared again.

    Raises:
        WorkspaceError: nothing has been made yet.
        WorkspaceLocked: somebody else is writing.
    """
    workspace.reading(config.layout)
    with workspace.writing(config):
        return find(config, progress)


def step(job: Job) -> dict[str, Any]:
    """The step of a run."""
    report = find(job.config, job.progress)
    return {key: value for key, value in report.items() if key != "listed"}
