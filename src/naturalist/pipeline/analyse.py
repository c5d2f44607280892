"""The analyse stage: studies of the tables, in order, each only where it is not done.

`analyse.steps` of the configuration says which are part of every run; `studies.STEPS` lists them
all. A step does nothing when its artifacts are those of the tables as they are.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from naturalist.pipeline.steps import Job


def analyse(job: Job) -> dict[str, dict[str, Any]] | None:
    """Do the configured steps in order; what each did, by its name, or None if there is none.

    Raises:
        MissingExtra: a step needs a package that is not installed.
    """
    steps = job.config.analyse.in_order
    if not steps:
        return None
    # Imported here: studies take as long to load as all stages, and many runs do none.
    from naturalist.pipeline.studies import STEPS

    return {name: STEPS[name](job) for name in steps}


def studied(steps: Mapping[str, Any]) -> Iterator[str]:
    """Names of the studies that did something, of what `analyse` gave."""
    for name, facts in steps.items():
        if "changed" in facts:
            if facts["changed"]:
                yield name
        else:
            yield from (one for one, own in facts.items() if own["changed"])
