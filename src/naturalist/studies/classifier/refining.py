"""Refinement: a challenger of the newest tables against the champion, on the same pictures.

Both are judged by what models that never saw a picture's source said of it, so that neither has an
advantage from having been trained with the pictures that it is tested on. The test pictures are
those that the champion was tested on when it was made, and that are still filed as they were, and
those of sources that came after it: see `held_back`.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from naturalist import artifacts, categories
from naturalist.categories import Categories
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout
from naturalist.progress import Progress
from naturalist.studies.classifier import champions
from naturalist.studies.classifier.answers import (
    Answers,
    compare_answers,
    new_answers,
    new_source_facts,
    paired_answers,
)
from naturalist.studies.classifier.evaluating import evaluate, is_evaluated
from naturalist.studies.classifier.held_back import NewPictures, facts_of, new_pictures
from naturalist.studies.classifier.methods.comparing import (
    Comparison,
    Verdict,
    decide,
    decide_with_new,
)
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training import (
    HeldOutRows,
    model_id,
    train,
)
from naturalist.studies.classifier.training_rows import TrainingRows

KEPT_REFUSED = 5
"""Refused models that are kept, the newest."""
_COLUMNS = ["picID", "category", "predicted", "given_probability", "held_out"]


def refine(
    rows: TrainingRows,
    options: ClassifierOptions,
    layout: Layout,
    progress: Progress,
    *,
    margin: float,
) -> dict[str, Any]:
    """Make the model of these rows, and the champion of it if it deserves that.

    Args:
        rows: the newest tables.
        options: how models are made.
        layout: the workspace, which the caller may write to.
        progress: hears about the work.
        margin: what a category may lose, 0 to 1.

    Returns:
        `model`, `action` (promote, refuse, or none where nothing is new), `reason`, `champion`,
        and the comparison where there was one.

    Raises:
        MissingExtra: scipy or matplotlib is not installed.
        WorkspaceError: the champion's predictions are gone.
    """
    known = settled(rows, options, layout)
    if known is not None:
        return known
    name = model_id(rows, options)
    now = champions.champion(layout)
    make(rows, options, layout.model(name), progress)
    if now == name:
        return _decision(
            layout, name, "none", "the champion was rebuilt: its folder was incomplete"
        )
    reason = champions.succeed(layout, name)
    if reason:
        return _decision(layout, name, "promote", reason)
    return challenge(rows, options, layout, name, margin=margin)


def settled(
    rows: TrainingRows, options: ClassifierOptions, layout: Layout
) -> dict[str, Any] | None:
    """What `refine` reports where the model of these rows was decided about before, else None."""
    name = model_id(rows, options)
    folder = layout.model(name)
    if champions.champion(layout) == name and champions.is_trained(folder) and is_evaluated(folder):
        return _decision(
            layout,
            name,
            "none",
            "the champion was already trained on these tables with these options",
        )
    reason = champions.refused_by(layout, name) if champions.usable_champion(layout) else None
    if reason is not None and champions.is_trained(folder):
        return _decision(layout, name, "none", f"refused already: {reason}")
    return None


def make(rows: TrainingRows, options: ClassifierOptions, folder: Path, progress: Progress) -> None:
    """Train and evaluate a model, each only where it is not done."""
    held: HeldOutRows | None = None
    if not champions.is_trained(folder):
        held = train(rows, options, folder, progress)
    if not is_evaluated(folder):
        evaluate(rows, options, folder, progress, held)


def challenge(
    rows: TrainingRows,
    options: ClassifierOptions,
    layout: Layout,
    challenger: str,
    *,
    margin: float,
) -> dict[str, Any]:
    """Compare a model with the champion, write that down, and promote it or refuse it."""
    now = champions.model_folder(layout)
    known = categories.read(layout)
    facts, verdict = compared(rows, options, now, layout.model(challenger), margin, known)
    artifacts.write_json(layout.model(challenger) / "comparison.json", facts)
    action: champions.Action = "promote" if verdict.promote else "refuse"
    champions.record(layout, challenger, action, verdict.reason, compared_with=now.name)
    champions.remove_refused(layout, KEPT_REFUSED)
    return _decision(layout, challenger, action, verdict.reason) | {"comparison": facts}


def _decision(layout: Layout, model: str, action: str, reason: str) -> dict[str, Any]:
    now = champions.champion(layout)
    return {"model": model, "action": action, "reason": reason, "champion": now}


def compared(
    rows: TrainingRows,
    options: ClassifierOptions,
    champion: Path,
    challenger: Path,
    margin: float,
    known: Categories,
) -> tuple[dict[str, Any], Verdict]:
    """A challenger against a champion on pictures that neither was trained with, as JSON values."""
    before, after = (facts_of(folder, known)["categories"] for folder in (champion, challenger))
    gone = [name for name in before if name not in after]
    pairs = _paired(rows, champion, challenger, known)
    fresh = new_pictures(rows, options, champion, challenger, known)
    names = sorted(after)
    old = paired_answers(rows, pairs, names)
    result = compare_answers(old) if pairs.num_rows else Comparison((), 0.0, 1.0)
    verdict = decide(result, names, margin=margin)
    new = [name for name in after if name not in before]
    if gone:
        verdict = Verdict(False, f"it no longer knows {', '.join(gone)}")
    elif not pairs.num_rows and fresh is None:
        verdict = Verdict(False, "there is no picture on which both were tested")
    elif fresh is not None and not verdict.promote:
        verdict = _with_new(rows, fresh, old, names, margin)
    elif new and (verdict.promote or "nothing is better" in verdict.reason):
        verdict = Verdict(True, f"it knows {', '.join(new)} too, and no category is worse")
    facts = _facts(result, names, champion.name, margin, pairs)
    return facts | {"new_sources": new_source_facts(rows, fresh), "reason": verdict.reason}, verdict


def _with_new(
    rows: TrainingRows, fresh: NewPictures, old: Answers, names: list[str], margin: float
) -> Verdict:
    answers = new_answers(rows, fresh, names)
    verdict = decide_with_new(
        compare_answers(answers), compare_answers(old.with_more(answers)), names, margin=margin
    )
    sources = np.unique(answers.sources)
    reported = (
        f"{len(answers.truth):,} pictures of {len(sources)} new sources that neither had seen"
    )
    return Verdict(verdict.promote, f"{verdict.reason} ({reported})")


def _paired(rows: TrainingRows, champion: Path, challenger: Path, known: Categories) -> pa.Table:
    """What both said of each picture of the sample that both were tested on without its source."""
    expected = pa.array(rows.sample.pic_ids.tolist(), pa.string())
    before, after = (_predictions(folder, expected, known) for folder in (champion, challenger))
    joined = before.join(
        after,
        keys=["picID", "category"],
        join_type="inner",
        left_suffix="_champion",
        right_suffix="_challenger",
    )
    return joined.sort_by("picID").combine_chunks()


def _predictions(folder: Path, expected: pa.Array, known: Categories) -> pa.Table:
    path = folder / "predictions.parquet"
    if not path.exists():
        raise WorkspaceError(
            f"{path} is missing, and without it nothing can be compared with {folder.name}: "
            "restore it, or delete the folder and train again"
        )
    parts = []
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=_COLUMNS):
            keep = pc.and_(batch["held_out"], pc.is_in(batch["picID"], expected))
            parts.append(pa.Table.from_batches([batch]).filter(keep).drop_columns("held_out"))
    table = pa.concat_tables(parts)
    for column in ("category", "predicted"):
        names = [known.present_name(name) for name in table[column].to_pylist()]
        table = table.set_column(
            table.schema.get_field_index(column), column, pa.array(names, pa.string())
        )
    return table


def _facts(
    comparison: Comparison, names: list[str], champion: str, margin: float, pairs: pa.Table
) -> dict[str, Any]:
    return {
        "champion": champion,
        "pictures": pairs.num_rows,
        "pictures_fingerprint": artifacts.fingerprint(pairs["picID"].to_pylist()),
        "margin": margin,
        "log_loss_difference": comparison.log_loss,
        "log_loss_p": comparison.p_log_loss,
        "categories": [
            {
                "category": names[one.category],
                "pictures": one.rows,
                "champion": one.champion,
                "challenger": one.challenger,
                "difference": one.difference,
                "least_difference": one.low,
                "gained": one.gained,
                "lost": one.lost,
                "p_better": one.p_better,
            }
            for one in comparison.changes
        ],
    }
