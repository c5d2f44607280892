"""The evaluation as a page that a person reads from the top and may stop anywhere."""

from collections.abc import Iterator, Mapping
from typing import Any

from naturalist.studies.classifier.card import percent, table, tested_on


def report(model: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """Markdown about an evaluation; its plots lie beside it."""
    sections = [
        _headline(model, evaluation),
        _advice(evaluation),
        _sources(evaluation),
        _held(evaluation),
        _confusion(evaluation),
        _calibration(evaluation),
        _novelty(evaluation),
        _leaning(evaluation),
        _how(evaluation),
    ]
    return "\n".join(section for section in sections if section)


def _headline(model: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    random = evaluation["random_split"]
    left_out = evaluation["leave_one_source_out"]
    title = f"# How good is classifier {model['id']}?\n\n"
    if left_out is None:
        return (
            f"{title}**Nobody knows.** Every category has one source only, so none can be left "
            f"out, and the {percent(random['balanced_accuracy'])} of a random split say how well "
            "it tells these sources from each other, not how well it tells the categories.\n"
        )
    return (
        f"{title}On pictures from sources that it never saw, it recognises "
        f"**{percent(left_out['balanced_accuracy'])}**"
        f"{_between(left_out['interval'], left_out['level'], 'mean of many such sources')}. "
        f"On a random part of the pictures that it knows the sources of, it is "
        f"{percent(random['balanced_accuracy'])}: {_points(evaluation['gap'])} that a usual report "
        f"would promise and new pictures would not keep.\n\n{_new_source(evaluation)}"
    )


def _between(interval: list[float] | None, level: float, what: str) -> str:
    if interval is None:
        return ""
    low, high = interval
    return f" ({percent(low)} to {percent(high)}, {percent(level, 0)} interval of the {what})"


def _points(gap: float) -> str:
    return f"{100 * gap:.1f} points"


def _new_source(evaluation: Mapping[str, Any]) -> str:
    expected = evaluation["expected_on_new_sources"]
    if expected is None:
        return ""
    low, high = expected["interval"]
    coverage = expected["coverage"]
    return (
        f"**One new source** of one of the categories is recognised to {percent(low)} to "
        f"{percent(high)}, for {percent(expected['level'], 0)} of such sources. This claim was "
        f"tried: each of {coverage['sources']} sources was held out of the whole procedure, the "
        f"interval was made from the others, and {coverage['inside']} of them lay inside.\n\n"
        "![Accuracy on each source](sources.png)\n"
    )


def _advice(evaluation: Mapping[str, Any]) -> str:
    lines = [f"- {text}" for text in evaluation["advice"]]
    return "## What to do about it\n\n" + "\n".join(lines) + "\n"


def _sources(evaluation: Mapping[str, Any]) -> str:
    left_out = evaluation["leave_one_source_out"]
    if left_out is None:
        return ""
    names = evaluation["categories"]
    rows = [
        [
            one["category"],
            one["source"],
            f"{one['rows']:,}",
            percent(one["accuracy"]),
            *(percent(one["confusion"][name] / one["rows"]) for name in names),
        ]
        for one in sorted(left_out["per_source"], key=lambda one: one["accuracy"])
    ]
    columns = ("category", "source", "pictures", "recognised", *(f"as {name}" for name in names))
    return "## Source by source, each left out in turn\n\n" + table(columns, rows)


def _held(evaluation: Mapping[str, Any]) -> str:
    expected = evaluation["expected_on_new_sources"]
    if expected is None:
        return ""
    rows = [
        [
            one["category"],
            one["source"],
            percent(one["accuracy"]),
            f"{percent(one['interval'][0])} to {percent(one['interval'][1])}",
            "inside" if one["inside"] else "OUTSIDE",
        ]
        for one in expected["coverage"]["held"]
    ]
    return (
        "## Did the claim about new sources hold?\n\nEach source was held out of the training and "
        "of the estimate; the interval is what the report would have said without it.\n\n"
        + table(("category", "source", "recognised", "promised", ""), rows)
    )


def _confusion(evaluation: Mapping[str, Any]) -> str:
    where = tested_on(evaluation)
    return (
        f"## What is taken for what\n\nOn {where}:\n\n![Confusion of categories](confusion.png)\n"
    )


def _calibration(evaluation: Mapping[str, Any]) -> str:
    ece = evaluation["calibration"]["ece"]
    curve = {round(one["coverage"], 2): one["accuracy"] for one in evaluation["selective"]}
    rows = [[percent(share, 0), percent(curve[share])] for share in (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)]
    return (
        f"## Can its probabilities be believed?\n\nOn {tested_on(evaluation)} they are off by "
        f"{100 * ece:.1f} points on average (expected calibration error {ece:.3f}, every source "
        "counting the same).\n\n![Reliability](calibration.png)\n\n"
        "Leaving the least sure pictures to a person, the rest is right this often:\n\n"
        + table(("decided", "right"), rows)
        + "\n![Accuracy against coverage](selective.png)\n"
    )


def _novelty(evaluation: Mapping[str, Any]) -> str:
    novelty = evaluation["novelty"]
    measured = novelty["measured_false_alarms"]
    if measured is None:
        return ""
    worst = max(novelty["per_source"], key=lambda one: one["false_alarms"])
    return (
        "## Pictures unlike anything seen\n\nThe threshold is set for "
        f"{percent(novelty['asked_false_alarms'], 0)} false alarms on pictures of sources that "
        f"were not trained with. Set without a source and tried on it, it gave {percent(measured)} "
        f"false alarms, every source counting the same; most, {percent(worst['false_alarms'])}, on "
        f"{worst['source']} ({worst['category']}).\n"
    )


def _leaning(evaluation: Mapping[str, Any]) -> str:
    if evaluation["leave_one_source_out"] is None:
        return ""
    rows = [
        [
            one["category"],
            one["source"],
            percent(one["share_of_category"], 0),
            "" if one["others_lose"] is None else f"{100 * one['others_lose']:.1f} points",
            _most_lost(one),
            "yes" if one["leans"] else "",
        ]
        for one in evaluation["influence"]
    ]
    columns = ("category", "source", "share", "others lose", "most", "leans on it")
    return (
        "## Which sources the data leans on\n\nWhat accuracy on the other (left-out) sources loses "
        "when this one is not trained with either.\n\n" + table(columns, rows)
    )


def _most_lost(one: Mapping[str, Any]) -> str:
    if not one["most_lost"] or one["most_lost"] <= 0:
        return ""
    return f"{100 * one['most_lost']:.0f} points by {one['most_lost_by']}"


def _how(evaluation: Mapping[str, Any]) -> str:
    return "## How this was found out\n\n" + "\n".join(_notes(evaluation)) + "\n"


def _notes(evaluation: Mapping[str, Any]) -> Iterator[str]:
    rows, used = evaluation["rows"], evaluation["evaluated_rows"]
    if used < rows:
        yield f"- A sample of {used:,} of {rows:,} rows was used; small sources are whole in it."
    else:
        yield f"- All {rows:,} rows were used."
    yield (
        "- Accuracies are balanced: every category counts the same, and in it every source. "
        "Sources of the same name are one data set and are left out together."
    )
    if evaluation["near_duplicates"]:
        yield "- Near duplicates were kept on one side of every division."
    else:
        yield (
            "- Nobody had looked for near duplicates: copies of a picture may flatter the random "
            "split. Run `naturalist duplicates` first."
        )
    left_out = evaluation["leave_one_source_out"]
    if left_out is not None and left_out["interval"] is not None:
        low, high = left_out["bootstrap_interval"]
        yield (
            f"- The interval of the mean is {left_out['method']}. A plain bootstrap over sources "
            f"says {percent(low)} to {percent(high)}, which is too narrow with so few of them."
        )
    for one in evaluation["single_sources"]:
        yield (
            f"- {one['source']} is the only source of {one['category']}: its pictures were tested "
            "by random folds and are in no number about new sources."
        )
