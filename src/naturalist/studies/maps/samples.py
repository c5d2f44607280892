"""Samples of a collection: which pictures, how many each stands for, and what the sample keeps."""

import datetime as dt
import functools
import logging
import resource
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import __version__, artifacts
from naturalist.errors import ConfigError
from naturalist.features import FeatureTable, Names
from naturalist.layout import SampleFolder
from naturalist.numeric.reduction import Reduction, fit_reduction
from naturalist.progress import SILENT, Progress, stage
from naturalist.schemas import SAMPLE
from naturalist.studies.maps.methods import integrity, sampling
from naturalist.studies.maps.methods.sampling import Blocks, Sample, SampleOptions
from naturalist.studies.maps.options import MapOptions
from naturalist.studies.maps.thresholds import below_thresholds, verdict, worse_than_random
from naturalist.studies.study import check_installed

_log = logging.getLogger(__name__)
KEPT_IN_MEMORY = 2_000_000
"""Rows up to which the reduced features stay in memory (400 bytes each); beyond, every pass reads
the tables again."""


def make_sample(
    table: FeatureTable,
    folder: SampleFolder,
    name: str,
    options: SampleOptions,
    thresholds: MapOptions,
    *,
    uniform_seeds: int = 5,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """Choose a sample of all pictures and report what it keeps; nothing is done if it is done.

    Args:
        table: the features.
        folder: where the sample lies.
        name: of the sample.
        options: how it is chosen.
        thresholds: what it must keep.
        uniform_seeds: uniform samples that it is compared with, 2 or more.
        progress: hears how far it is.

    Returns:
        What `sample.json` holds, and "changed": whether anything was done.

    Raises:
        ConfigError: there are no rows, or fewer than the sample wants.
        MissingExtra: the extra `analysis` is not installed.
    """
    start = time.perf_counter()
    names = table.names()
    if options.size > len(names):
        raise ConfigError(
            f"cannot sample {options.size:,} pictures: the collection has {len(names):,}. "
            "Choose fewer with --size"
        )
    expected = artifacts.fingerprint(names.fingerprint, asdict(options), uniform_seeds)
    if artifacts.is_done(folder.members, expected):
        summary: dict[str, Any] = artifacts.read_json(folder.summary)
        return summary | {"changed": False}
    check_installed()
    blocks, space = _reduced_blocks(table, len(names), progress)
    with stage(progress, "sample", 1, "samples") as advance:
        sample = sampling.choose(blocks, len(names), options)
        advance(1)
    report = report_integrity(blocks, names, sample, options.seed, uniform_seeds, progress)
    facts = {
        "name": name,
        "rows": len(sample.rows),
        "of": len(names),
        "cells": sample.cells,
        "fingerprint": expected,
        "backbone": names.backbone,
        "measured": {"space": space},
        "integrity": report,
        "verdict": verdict(_shortcomings(report, options, thresholds)),
    }
    summary = facts | _how(options, start)
    _write(folder, names, sample, summary)
    return summary | {"changed": True}


def _how(options: SampleOptions, start: float) -> dict[str, Any]:
    """How a sample was chosen, when, and what that cost."""
    return {
        "method": options.method,
        "seed": options.seed,
        "options": asdict(options),
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "program": __version__,
        "duration_s": round(time.perf_counter() - start, 3),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def default_size(pictures: int) -> int:
    """A tenth of a collection, at most 30,000 and at least 5 where there are so many."""
    return min(max(pictures // 10, 5), 30_000, pictures)


def _shortcomings(
    report: dict[str, Any], options: SampleOptions, thresholds: MapOptions
) -> list[str]:
    below = below_thresholds(report["sample"], thresholds)
    # A random sample is outside its own 95 % intervals now and then.
    return below if options.method == "uniform" else below + worse_than_random(report)


def report_integrity(
    blocks: Blocks,
    names: Names,
    sample: Sample,
    seed: int,
    uniform_seeds: int,
    progress: Progress = SILENT,
) -> dict[str, Any]:
    """What a sample keeps, and what uniform samples of its size keep, as JSON values."""
    with stage(progress, "integrity", uniform_seeds + 2, "samples") as advance:
        whole = integrity.survey(blocks, names.labels, len(sample.rows), seed)
        advance(1)
        result = integrity.compare(whole, blocks, sample, seed)
        advance(1)
        uniform = integrity.uniform_samples(
            whole, blocks, len(sample.rows), uniform_seeds, seed, advance
        )
    result["categories"] = {
        names.category_names[int(label)]: share for label, share in result["categories"].items()
    }
    return {"sample": result, "uniform": uniform}


def _reduced_blocks(table: FeatureTable, rows: int, progress: Progress) -> tuple[Blocks, str]:
    """The reduced features, and in words what they are."""
    read = table.blocks
    with stage(progress, "reduce", rows, "rows") as advance:

        def counted() -> Iterator[NDArray[np.float32]]:
            for block in read():
                yield block
                advance(len(block))

        fitted = fit_reduction(counted())
    again = functools.partial(_reduce, read, fitted)
    if rows > KEPT_IN_MEMORY:
        return again, fitted.space
    held = list(again())
    return (lambda: held), fitted.space


def _reduce(read: Blocks, fitted: Reduction) -> Iterator[NDArray[np.float32]]:
    for block in read():
        yield fitted(block)


def _write(folder: SampleFolder, names: Names, sample: Sample, summary: dict[str, Any]) -> None:
    columns = {
        "picID": pa.array(names.pic_ids[sample.rows].tolist(), pa.string()),
        "weight": sample.weights,
    }
    artifacts.write_json(folder.summary, summary)
    artifacts.write_parquet(folder.members, pa.table(columns, schema=SAMPLE))
    files = (folder.members, folder.summary)
    artifacts.write_receipt(
        folder.members,
        artifacts.Receipt(
            fingerprint=summary["fingerprint"],
            rows=len(sample.rows),
            sha256={path.name: artifacts.sha256_file(path) for path in files},
            duration_s=summary["duration_s"],
        ),
    )
