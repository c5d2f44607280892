"""The study of drift: the report on a batch, and its contact sheet."""

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import asdict

import numpy as np

from naturalist import artifacts, ledger
from naturalist.backbones import BackboneSpec
from naturalist.layout import Layout
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.drift import wording as drift_words
from naturalist.studies.drift.comparison import DriftOptions, Predict, Report, compare_pictures
from naturalist.studies.drift.rows import Chosen, Found, Pictures, find
from naturalist.studies.thumbnails import read_thumbnails

FORMAT = 1
"""Changes when the same pictures would give another report."""
_OTHERS_SHOWN = 12


def study_drift(
    layout: Layout,
    spec: BackboneSpec,
    categories: Iterable[str],
    chosen: Chosen,
    options: DriftOptions,
    *,
    predict: Predict | None = None,
    model: str = "",
    on_rows: Callable[[int], None] = lambda rows: None,
) -> Report:
    """Compare what is chosen with what was before it; write the report and its contact sheet.

    With the same ledger, options and model the report that is there is given back.

    Args:
        layout: the workspace.
        spec: backbone whose features are compared.
        categories: those of the collection.
        chosen: which pictures are new.
        options: how.
        predict: what a classifier says, if there is one that knows these pictures.
        model: its id.
        on_rows: hears of pictures whose features were read.

    Raises:
        ConfigError: there are no such pictures.
        MissingExtra: SciPy is not installed.
    """
    categories = sorted(categories)
    wanted = _fingerprint(layout, spec, categories, chosen, options, model)
    path = layout.drift(chosen.name)
    report: Report | None = artifacts.read_json(path)
    if report is not None and report["fingerprint"] == wanted:
        return report
    found = find(layout, spec, categories, chosen, options.rows, options.seed, on_rows)
    report, order = compare_pictures(found, options, predict)
    report |= {
        "name": chosen.name,
        "batch": chosen.batch,
        "source": chosen.source,
        "model": model,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "fingerprint": wanted,
    }
    report["pictures"] = order
    report["sheet"] = path.with_suffix(".png").name
    artifacts.write_bytes(path.with_suffix(".png"), _sheet(layout, found, report, chosen))
    artifacts.write_json(path, report)
    return report


def _fingerprint(
    layout: Layout,
    spec: BackboneSpec,
    categories: list[str],
    chosen: Chosen,
    options: DriftOptions,
    model: str,
) -> str:
    """Later batches do not matter to a report on an earlier one."""
    until = chosen.batch if chosen.batch is not None else ledger.last_batch(layout)
    held = [
        [summary.category, summary.batch, summary.sha256]
        for category in categories
        for summary in ledger.batches(layout, category)
        if summary.batch <= until
    ]
    gone = [ledger.not_accepted(layout, category) for category in categories]
    return artifacts.fingerprint(
        FORMAT, spec.fingerprint, asdict(chosen), asdict(options), model, held, gone
    )


def _sheet(layout: Layout, found: Found, report: Report, chosen: Chosen) -> bytes:
    """New pictures to blame, or any new ones if there is no drift; then some from before."""
    rng = np.random.default_rng(report["options"]["seed"])
    new = report["pictures"] or _some(found.new, report["options"]["pictures"], rng)
    before = _like(found, new)
    old = sorted(rng.permutation(before)[:_OTHERS_SHOWN].tolist()) if before else []
    thumbnails = read_thumbnails(layout, [*new, *old])
    tiles = [Tile(thumbnails.get(name), f"new: {name}") for name in new]
    tiles += [Tile(thumbnails.get(name), f"before: {name}") for name in old]
    return contact_sheet(tiles, f"{chosen.name}: {drift_words.VERDICTS[report['verdict']]}")


def _some(pictures: Pictures, count: int, rng: np.random.Generator) -> list[str]:
    drawn: list[str] = rng.permutation(pictures.pic_ids)[:count].tolist()
    return drawn


def _like(found: Found, new: list[str]) -> list[str]:
    """Pictures from before of the sources of new ones; of their categories if those are new."""
    mine = np.isin(found.new.pic_ids, new)
    groups = np.unique(found.new.groups[mine])
    chosen = np.isin(found.before.groups, groups)
    if not chosen.any():
        wanted = {group.split("/", 1)[0] for group in groups.tolist()}
        own = [group.split("/", 1)[0] in wanted for group in found.before.groups.tolist()]
        chosen = np.array(own, np.bool_)
    names: list[str] = found.before.pic_ids[chosen].tolist()
    return names
