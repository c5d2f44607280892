"""The analyse stage: studies of the tables, in order, each only where it is not done.

A step is a function of a job that returns what it did as JSON values; `STEPS` lists them all.
`analyse.steps` of the configuration says which are part of every run.
"""

from collections.abc import Callable
from typing import Any

from naturalist.pipeline.stages import Job

Step = Callable[[Job], dict[str, Any]]

STEPS: dict[str, Step] = {}
"""Name of each step, in the order in which they are done."""


def analyse(job: Job) -> dict[str, dict[str, Any]]:
    """Do the configured steps in the order of `STEPS`; what each did, by its name.

    Raises:
        MissingExtra: a step needs a package that is not installed.
    """
    wanted = job.config.analyse.steps
    return {name: step(job) for name, step in STEPS.items() if name in wanted}
