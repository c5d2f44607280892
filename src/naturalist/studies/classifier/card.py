"""The model card: what a classifier is made of, what it is for, and where it fails.

The form follows M. Mitchell et al., Model cards for model reporting (2019).
"""

from collections.abc import Mapping, Sequence
from typing import Any

from naturalist.counting import counted


def model_card(model: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> str:
    """Markdown about a model.

    Args:
        model: what its `model.json` says.
        evaluation: what its `evaluation.json` says; None if it was not evaluated.
    """
    sections = [
        _head(model),
        _data(model),
        _performance(model, evaluation),
        _use(model),
        _failures(model, evaluation),
        _running(model),
    ]
    return "\n".join(sections)


def _head(model: Mapping[str, Any]) -> str:
    return (
        f"# Classifier {model['id']}\n\n"
        f"A vote of the nearest training pictures, mixed with a linear model of picture features; "
        f"probabilities are calibrated on left-out sources. Made "
        f"{model['made_at']} by naturalist {model['made_by']}.\n\n"
        f"- Categories: {', '.join(model['categories'])}\n"
        f"- Features: backbone `{model['backbone_id']}`\n"
        f"- Fingerprint of tables and options: `{model['fingerprint']}`\n"
    )


def _data(model: Mapping[str, Any]) -> str:
    tables = model["tables"]
    snapshot = f"snapshot {tables['snapshot']} of " if tables["snapshot"] else ""
    rows = [[one["category"], one["source"], f"{one['rows']:,}"] for one in model["sources"]]
    near = (
        "Near duplicates were kept together."
        if tables["near_duplicates"]
        else "Near duplicates were not searched for: copies of a picture may be on both sides."
    )
    return (
        f"## Data\n\n{counted(tables['rows'], 'picture')} from {snapshot}the tables with "
        "fingerprint "
        f"`{tables['fingerprint']}`. {near}\n\n"
        + table(("category", "source", "pictures"), rows)
        + f"\nWeights are balanced over: {model['options']['balance']}.\n"
    )


def _performance(model: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> str:
    if evaluation is None:
        value = model["metrics"]["balanced_accuracy_on_held_out_sources"]
        text = "no category has a second source to leave out" if value is None else percent(value)
        return (
            f"## How good it is\n\nBalanced accuracy on sources that were left out: {text}. Run "
            "`naturalist evaluate` for intervals, calibration and the report.\n"
        )
    lines = [
        f"- On sources that it never saw: {of(evaluation['leave_one_source_out'])}",
        f"- On random pictures of the same sources (optimistic): {of(evaluation['random_split'])}",
    ]
    expected = evaluation["expected_on_new_sources"]
    if expected is not None:
        low, high = expected["interval"]
        lines.append(
            f"- On one new source: {percent(expected['estimate'])}, between {percent(low)} and "
            f"{percent(high)} for {percent(expected['level'], 0)} of them"
        )
    lines += [
        f"- Where it is {one['decision']} ({percent(one['share'])} of the pictures): "
        f"{share_or_none(one['accuracy'])} right"
        for one in evaluation["trust"]["decisions"]
    ]
    lines.append(f"- Expected calibration error: {evaluation['calibration']['ece']:.3f}")
    return (
        "## How good it is\n\nBalanced over categories and sources.\n\n" + "\n".join(lines) + "\n"
    )


def of(part: Mapping[str, Any] | None) -> str:
    """An accuracy with its interval, in words."""
    if part is None or part["balanced_accuracy"] is None:
        return "not available: each category has only one source"
    text = percent(part["balanced_accuracy"])
    if part["interval"] is None:
        return text
    return f"{text} ({percent(part['interval'][0])} to {percent(part['interval'][1])})"


def _use(model: Mapping[str, Any]) -> str:
    return (
        "## What it is for\n\n"
        f"Sorting pictures into {', '.join(model['categories'])}; finding pictures that are filed "
        "under the wrong category; choosing what to look at. Every picture gets one of these "
        "categories, so check the decision: *unsure* where the probability is low, *unlike* where "
        "nothing in training is like the picture (`known` is false) and its category means "
        "little.\n\n"
        "It is not made for decisions about people, and nothing was measured that would allow "
        "them: which groups of people it does worse for is unknown.\n"
    )


def _failures(model: Mapping[str, Any], evaluation: Mapping[str, Any] | None) -> str:
    share = percent(model["options"]["false_alarms"], 0)
    threshold = (
        f"- The threshold for `known` is set so that {share} of pictures from sources unseen in "
        "training are called unlike although they are not; on some sources it is far more."
    )
    lines = [threshold]
    if evaluation is not None:
        lines += [f"- {text}" for text in evaluation["advice"]]
    return "## Known failures\n\n" + "\n".join(lines) + "\n"


def _running(model: Mapping[str, Any]) -> str:
    return (
        "## Running it\n\n`model.onnx` takes `features` (N, dim) of the backbone above and gives "
        "`probabilities` (N, categories in the order above), `outlier_score`, `known` and `sure`. "
        "`naturalist predict FILE` does all of it; `naturalist models export` puts the network "
        f"before it, in one file.\n\nTemperature of the probabilities: {model['temperature']}.\n"
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; numbers stand to the right."""
    numeric = [
        bool(rows) and all(row[k][:1].isdigit() for row in rows) for k in range(len(columns))
    ]
    lines = [
        "| " + " | ".join(columns) + " |",
        "|" + "|".join("---:" if right else "---" for right in numeric) + "|",
        *("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows),
    ]
    return "\n".join(lines) + "\n"


def percent(share: float, digits: int = 1) -> str:
    """A share as percent: 0.953 is "95.3 %"."""
    return f"{100 * share:.{digits}f} %"


def share_or_none(share: float | None) -> str:
    """A share as percent; "none" where there is nothing that it could be a share of."""
    return "none" if share is None else percent(share)


def tested_on(evaluation: Mapping[str, Any]) -> str:
    """What the pictures that an evaluation tested come from."""
    if evaluation["leave_one_source_out"] is None:
        return "random folds of known sources"
    return "left-out sources"
