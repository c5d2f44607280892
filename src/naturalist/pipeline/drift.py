"""Watching for drift: the newest batch, or what a person chooses, beside what was before it."""

from functools import partial
from typing import Any

from naturalist import backbones, ledger
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.pipeline.steps import Job
from naturalist.progress import Progress, stage
from naturalist.running import workspace
from naturalist.studies.drift.comparison import DriftOptions
from naturalist.studies.drift.predictions import covering_model, held_out_predictions
from naturalist.studies.drift.rows import Chosen
from naturalist.studies.drift.study import study_drift


def newest_batch(config: Config) -> int | None:
    """The newest batch that accepted a picture; None if none did."""
    found = [
        summary.batch
        for category in config.labels
        for summary in ledger.batches(config.layout, category)
        if any(counts.accepted for counts in summary.counts.values())
    ]
    return max(found, default=None)


def watch(config: Config, progress: Progress, chosen: Chosen, options: DriftOptions) -> Any:
    """Study drift in a workspace that this process holds; the report as JSON values.

    Raises:
        ConfigError: there are no such pictures.
        MissingExtra: SciPy is not installed.
    """
    spec = backbones.describe(config.extract.backbone)
    model = covering_model(config.layout, chosen.batch)
    with stage(progress, "drift", None, "pictures") as advance:
        return study_drift(
            config.layout,
            spec,
            config.labels,
            chosen,
            options,
            predict=partial(held_out_predictions, config.layout.model(model)) if model else None,
            model=model,
            on_rows=advance,
        )


def drift(
    config: Config, progress: Progress, batch: int | None, source: str, options: DriftOptions
) -> Any:
    """Study drift of a batch (the newest by default), of a source, or of a source in a batch.

    Raises:
        ConfigError: there are no such pictures.
        WorkspaceLocked: somebody else is writing.
        MissingExtra: SciPy is not installed.
    """
    workspace.reading(config.layout)
    with workspace.writing(config):
        if batch is None and not source:
            batch = newest_batch(config)
            if batch is None:
                raise ConfigError("no picture was accepted yet: begin with  naturalist run")
        return watch(config, progress, Chosen(batch, source), options)


def step(job: Job) -> dict[str, Any]:
    """The step of a run: the newest batch, unless it is the first one.

    Drift fails no run: it is told.
    """
    batch = newest_batch(job.config)
    if batch is None:
        return {}
    report = watch(job.config, job.progress, Chosen(batch), job.config.drift.options)
    if report["verdict"] == "drift":
        job.progress.note(f"drift in batch {batch}: {'; '.join(report['words'])}")
    return {key: report[key] for key in ("batch", "verdict", "words")}
