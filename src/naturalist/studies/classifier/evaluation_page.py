"""The evaluation as a page that a person reads from the top and may stop anywhere."""

from collections.abc import Iterator, Mapping
from typing import Any

from naturalist.counting import counted
from naturalist.studies.classifier.card import percent, share_or_none, table, tested_on

FEW_DATA_SETS = 20
"""With fewer data sets the report says why its interval is wide."""


def page(model: Mapping[str, Any], evaluation: Mapping[str, Any]) -> str:
    """Markdown about an evaluation; its plots are beside it."""
    sections = [
        _headline(model, evaluation),
        _advice(evaluation),
        _sources(evaluation),
        _held(evaluation),
        _confusion(evaluation),
        _calibration(evaluation),
        _trust(evaluation),
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
            f"{title}**Unknown.** Every category has one source only, so none can be left out, "
            f"and the {percent(random['balanced_accuracy'])} of a random split say how well "
            "it tells these sources from each other, not how well it tells the categories.\n"
        )
    return (
        f"{title}When each source is left out in turn, it recognises "
        f"**{percent(left_out['balanced_accuracy'])}** of that source's pictures. "
        f"{_expected(left_out)}\n\nOn new pictures of the *same* sources it recognises "
        f"{percent(random['balanced_accuracy'])}{_gap(evaluation['gap'])}.\n\n"
        f"{_new_source(evaluation)}"
    )


def _expected(left_out: Mapping[str, Any]) -> str:
    """What to expect of many new sources, and why the interval is as wide as it is."""
    if left_out["interval"] is None:
        return "No category has two sources, so accuracy on new sources cannot be estimated."
    low, high = left_out["interval"]
    count = len({one["source"] for one in left_out["per_source"]})
    few = (
        f" The interval is wide because it rests on {count} data sets, which may be more alike "
        "than future ones; each additional source makes it narrower."
        if count < FEW_DATA_SETS
        else ""
    )
    return (
        f"Expect {percent(low)} to {percent(high)} on average over many other sources "
        f"({percent(left_out['level'], 0)} interval).{few}"
    )


def _gap(gap: float | None) -> str:
    if gap is None or gap <= 0:
        return ", by a random split"
    return (
        f", by a random split; for the sources that can be left out that is {_points(gap)} more "
        "than without them"
    )


def _points(gap: float) -> str:
    return f"{100 * gap:.1f} points"


def _new_source(evaluation: Mapping[str, Any]) -> str:
    expected = evaluation["expected_on_new_sources"]
    if expected is None:
        return ""
    low, high = expected["interval"]
    coverage = expected["coverage"]
    return (
        "**One new source** of one of the categories is recognised with an accuracy of "
        f"{percent(low)} to {percent(high)}, for {percent(expected['level'], 0)} of such sources. "
        f"This claim was tested: each of {coverage['sources']} sources was held out of the whole "
        "procedure, the "
        f"interval was made from the others, and {coverage['inside']} of them were inside.\n\n"
        "![Accuracy on each source](sources.png)\n"
    )


def _advice(evaluation: Mapping[str, Any]) -> str:
    lines = [f"- {text}" for text in evaluation["advice"]]
    return "## What to do\n\n" + "\n".join(lines) + "\n"


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
        f"## Confusion of categories\n\nOn {where}:\n\n![Confusion of categories](confusion.png)\n"
    )


def _calibration(evaluation: Mapping[str, Any]) -> str:
    ece = evaluation["calibration"]["ece"]
    curve = {round(one["coverage"], 2): one["accuracy"] for one in evaluation["selective"]}
    rows = [[percent(share, 0), percent(curve[share])] for share in (0.5, 0.7, 0.8, 0.9, 0.95, 1.0)]
    return (
        f"## Calibration\n\nOn {tested_on(evaluation)} they are off by "
        f"{100 * ece:.1f} points on average (expected calibration error {ece:.3f}, every source "
        "counting the same).\n\n![Reliability](calibration.png)\n\n"
        "If a person decides the least certain pictures, accuracy on the rest is:\n\n"
        + table(("decided", "right"), rows)
        + "\n![Accuracy against coverage](selective.png)\n"
    )


def _trust(evaluation: Mapping[str, Any]) -> str:
    decisions = evaluation["trust"]["decisions"]
    rows = [
        [one["decision"], percent(one["share"]), share_or_none(one["accuracy"])]
        for one in decisions
    ]
    flags = [
        [name, share_or_none(one["false_alarms"]), share_or_none(one["caught"])]
        for name, one in evaluation["trust"]["flags"].items()
    ]
    return (
        f"## Sure, unsure, or unlike anything seen\n\nOn {tested_on(evaluation)}; the thresholds "
        "for each source were set by the others, every source counting the same:\n\n"
        + table(("decision", "of the pictures", "right"), rows)
        + "\nWhat a flag costs and catches:\n\n"
        + table(("flag", "of right predictions", "of wrong predictions"), flags)
        + "\nThese are means over sources, and the sources to come may be less alike: on one new "
        "source both shares can be several times as large or as small.\n"
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
        "## Which sources the result depends on\n\nWhat accuracy on the other (left-out) sources "
        "loses "
        "when this one is not trained with either.\n\n" + table(columns, rows)
    )


def _most_lost(one: Mapping[str, Any]) -> str:
    if not one["most_lost"] or one["most_lost"] <= 0:
        return ""
    return f"{100 * one['most_lost']:.0f} points by {one['most_lost_by']}"


def _how(evaluation: Mapping[str, Any]) -> str:
    return "## Method\n\n" + "\n".join(_notes(evaluation)) + "\n"


def _notes(evaluation: Mapping[str, Any]) -> Iterator[str]:
    rows, used = evaluation["rows"], evaluation["evaluated_rows"]
    if used < rows:
        yield (
            f"- A sample of {used:,} of {counted(rows, 'row')} was used, with all of every "
            "small source."
        )
    else:
        yield f"- All {rows:,} rows were used."
    yield (
        "- Accuracies are balanced: every category counts the same, and in it every source. "
        "Sources of the same name are one data set and are left out together."
    )
    if evaluation["near_duplicates"]:
        yield "- Near duplicates were kept on one side of every split."
    else:
        yield (
            "- Near duplicates were not searched for: copies of a picture may make the random "
            "split optimistic. Run `naturalist duplicates` first."
        )
    left_out = evaluation["leave_one_source_out"]
    if left_out is not None and left_out["interval"] is not None:
        low, high = left_out["bootstrap_interval"]
        yield (
            f"- The interval of the mean comes from {left_out['method']}. A plain bootstrap over "
            f"sources says {percent(low)} to {percent(high)}, which is too narrow."
        )
    for one in evaluation["single_sources"]:
        yield (
            f"- {one['source']} is the only source of {one['category']}, or others have near "
            "duplicates of it only: its pictures were tested by random folds and are in no number "
            "about new sources."
        )
