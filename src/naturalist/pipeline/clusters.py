"""Clusters of a workspace: as a command, and as a step of a run."""

from typing import Any

from naturalist.config import Config
from naturalist.features import open_place
from naturalist.pipeline.steps import Job
from naturalist.progress import Progress
from naturalist.running import workspace
from naturalist.studies.clusters.study import LEAST_ROWS, ClusterStudy, study_clusters


def cluster(
    config: Config, progress: Progress, study: ClusterStudy, *, name: str, rebuild: bool
) -> dict[str, Any]:
    """Bring a clustering of the workspace up to date, as its one writer.

    Raises:
        ConfigError: there are no tables.
        WorkspaceLocked: somebody else is writing.
        MissingExtra: a package of the extra `analysis` is not installed.
    """
    layout = config.layout
    workspace.reading(layout)
    with workspace.writing(config):
        files = open_place(layout.root)
        return study_clusters(
            files, layout, study, progress, name=name, pictures=layout, rebuild=rebuild
        )


def step(job: Job) -> dict[str, Any]:
    """The step of a run: the clustering `default`, once there are enough pictures."""
    layout = job.config.layout
    files = open_place(layout.root)
    if len(files.files) < LEAST_ROWS and sum(len(f.outline()) for f in files.files) < LEAST_ROWS:
        job.progress.note(f"no clusters yet: they need {LEAST_ROWS} pictures")
        return {"changed": False}
    found = study_clusters(files, layout, job.config.clusters.study, job.progress, pictures=layout)
    said = {"rows": found["rows"], "clusters": len(found["clusters"]), "noise": found["noise"]}
    return said | {"changed": found["changed"], "remade": found.get("remade")}
