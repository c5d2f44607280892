"""The analyse stage: studies of the tables, in order, each only where it is not done.

A step is a function of a job that returns what it did as JSON values; `STEPS` lists them all.
`analyse.steps` of the configuration says which are part of every run. A step does nothing when its
artifacts are those of the tables as they are.
"""

from collections.abc import Callable
from typing import Any

from naturalist.pipeline import classifier, clusters, drift, mapping, near_duplicates, similar
from naturalist.pipeline.steps import Job
from naturalist.schedule import AnalysisStep

Step = Callable[[Job], dict[str, Any]]

STEPS: dict[AnalysisStep, Step] = {
    "duplicates": near_duplicates.step,
    "index": similar.step,
    "clusters": clusters.step,
    "map": mapping.update_maps,
    "classifier": classifier.step,
    "drift": drift.step,
}
"""What each step does."""


def analyse(job: Job) -> dict[str, dict[str, Any]] | None:
    """Do the configured steps in order; what each did, by its name, or None if there is none.

    Raises:
        MissingExtra: a step needs a package that is not installed.
    """
    steps = job.config.analyse.in_order
    return {name: STEPS[name](job) for name in steps} or None
