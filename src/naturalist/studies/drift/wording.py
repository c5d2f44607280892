"""What a report on drift says in words."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.counting import counted
from naturalist.studies.drift.methods.two_samples import Codes
from naturalist.studies.drift.rows import DrawnPictures

QUESTIONS = {
    "sources": (
        "have the sources changed, compared with their own earlier pictures or, if they are new, "
        "with the differences between earlier sources?"
    ),
    "everything": "is it like a random sample of everything before?",
}
VERDICTS = {
    "drift": "drift",
    "new_source": "new source: the classifier's accuracy on it is unknown",
    "none": "no drift",
    "first": "nothing earlier to compare it with",
    "too_few": "too few pictures to say",
}
_DIRECTIONS = {
    "blur": ("blurrier", "sharper"),
    "brightness": ("darker", "brighter"),
    "contrast": ("flatter", "richer in contrast"),
    "size_bytes": ("smaller files", "larger files"),
    "pixels": ("fewer pixels", "more pixels"),
    "shape": ("narrower", "wider"),
}
_MENTIONED = 3
_LEAST_SHARE = 0.05


def mix(new: Mapping[str, int], before: Mapping[str, int]) -> list[dict[str, Any]]:
    """The share of each source among the new pictures and among those from before."""
    totals = [max(1, sum(counts.values())) for counts in (new, before)]
    return [
        {
            "source": name,
            "share": round(new.get(name, 0) / totals[0], 4),
            "share_before": round(before.get(name, 0) / totals[1], 4),
        }
        for name in sorted({*new, *before})
    ]


def too_few(drawn: DrawnPictures, least: int) -> list[str]:
    """Why nothing can be said."""
    if not drawn.before_counts:
        return ["it is the first batch; the next one will be compared with it"]
    sentences = (
        f"no source has {counted(least, 'picture')} both here and before, and for new sources "
        "there are too"
    )
    return [f"{sentences} few earlier ones to say how much sources differ"]


def words(
    drawn: DrawnPictures,
    tests: Sequence[dict[str, Any]],
    by_source: Sequence[dict[str, Any]],
    strata: Codes,
    has_classifier: bool,
) -> list[str]:
    """Sentences on everything that was flagged, and on what is new without being drift."""
    sentences = [_of_test(test, drawn, strata) for test in tests if test["flagged"]]
    sentences = [sentence for sentence in sentences if sentence]
    where = [row for row in by_source if row["flagged"] and row["kind"] == "known"]
    where.sort(key=lambda row: -row["effect"])
    if where and sentences:
        named = ", ".join(f"{row['source']} (effect {row['effect']:.2f})" for row in where)
        sentences.append(f"the features changed most in {named}")
    known = bool((strata >= 0).any())
    if known and not sentences:
        sentences.append("no change is both beyond chance and large enough to matter")
    if known and not any(test["what"] == "predicted category" for test in tests):
        sentences.append(_no_predictions(has_classifier))
    if not known and drawn.new_counts.keys() & drawn.before_counts.keys():
        sentences.append("too few new pictures of earlier sources to compare")
    return flagged_first([*sentences, *_of_new_sources(by_source), *_of_mix(drawn)], by_source)


def flagged_first(sentences: Sequence[str], by_source: Sequence[Mapping[str, Any]]) -> list[str]:
    """The sentences of a report, those on new sources that were flagged before all others."""
    flagged = tuple(
        f"new source {row['source']}, "
        for row in by_source
        if row["flagged"] and row["kind"] == "new"
    )
    return sorted(sentences, key=lambda sentence: not sentence.startswith(flagged))


def _no_predictions(has_classifier: bool) -> str:
    if has_classifier:
        return (
            "predictions were not compared: the classifier has no held-out predictions of some "
            "of these pictures"
        )
    return (
        "predictions were not compared: no classifier was trained with these pictures "
        "(naturalist refine)"
    )


def _of_test(test: dict[str, Any], drawn: DrawnPictures, strata: Codes) -> str:
    what, effect = test["what"], f"effect {test['effect']:.2f}"
    if what == "features":
        return f"the features have another distribution ({effect})"
    if what == "features, told apart":
        return (
            f"a classifier tells new from earlier pictures: in {test['statistic']:.0%} of pairs it "
            "is right, chance is 50%"
        )
    if what in drawn.new.numbers:
        return _of_number(what, effect, *_sides(drawn.new.numbers, drawn, what, strata))
    if what in drawn.new.words:
        return _of_words(what, effect, *_sides(drawn.new.words, drawn, what, strata))
    if what.startswith("new source"):
        return ""
    return f"{what}: the classifier's answers have another distribution ({effect})"


def _sides(
    values: Mapping[str, NDArray[Any]], drawn: DrawnPictures, what: str, strata: Codes
) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.float64]]:
    """New values, values from before, and weights that give both the same mix of sources."""
    new = strata[: len(drawn.new)]
    old = strata[len(drawn.new) :]
    known = int(strata.max()) + 1
    expected = np.bincount(new[new >= 0], minlength=known)
    had = np.bincount(old[old >= 0], minlength=known)
    weights = (expected / np.maximum(had, 1))[old[old >= 0]]
    source = drawn.before.numbers if what in drawn.before.numbers else drawn.before.words
    return values[what][new >= 0], source[what][old >= 0], weights


def _of_number(
    what: str,
    effect: str,
    new: NDArray[Any],
    old: NDArray[Any],
    weights: NDArray[np.float64],
) -> str:
    now, then = float(np.median(new)), _weighted_median(old, weights)
    less, more = _DIRECTIONS[what]
    direction = "spread differently" if now == then else (less if now < then else more)
    return f"{what}: {direction}, median {now:,.4g}, was {then:,.4g} ({effect})"


def _weighted_median(values: NDArray[Any], weights: NDArray[np.float64]) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(reached, reached[-1] / 2)])


def _of_words(
    what: str,
    effect: str,
    new: NDArray[Any],
    old: NDArray[Any],
    weights: NDArray[np.float64],
) -> str:
    changes = [
        (float((new == word).mean()), float(weights[old == word].sum() / weights.sum()), word)
        for word in np.unique(np.concatenate([new, old])).tolist()
    ]
    changes.sort(key=lambda one: -abs(one[0] - one[1]))
    changed = [f"{now:.0%} {word} (was {then:.0%})" for now, then, word in changes[:_MENTIONED]]
    return f"{what}: {', '.join(changed)} ({effect})"


def _of_new_sources(by_source: Sequence[dict[str, Any]]) -> list[str]:
    return [_of_new_source(row) for row in by_source if row["kind"] == "new"]


def _of_new_source(row: Mapping[str, Any]) -> str:
    """How far it is, what would have been noticed, how it is recognised, and what to do."""
    sentences = [
        f"new source {row['source']}, {counted(row['rows'], 'picture')}: {_of_distance(row)}"
    ]
    if "recognised" in row:
        sentences.append(_of_recognition(row))
    else:
        sentences.append("there is no answer about it by a classifier that never saw it")
    doubt = (
        "either it is filed under the wrong category or the classifier fails on it"
        if row["unrecognised"]
        else "no test can tell whether it is filed under the right category, so the accuracy on "
        "it is unknown"
    )
    sentences.append(
        f"{doubt}: look at {counted(row['labels_to_know'], 'picture')} drawn at random, which "
        "gives the "
        "accuracy to within 10 points (9 of 10 cases)"
    )
    return "; ".join(sentences)


def _of_distance(row: Mapping[str, Any]) -> str:
    if row["p_value"] is None:
        return "there are too few pictures or earlier sources to say whether it is ordinary"
    usual = float(np.median(row["ordinary"]))
    beside = f"{row['distance']:.2f} from its category, earlier sources {usual:.2f}"
    if row["far_away"]:
        return f"unlike anything before, further away than sources differ ({beside})"
    power = f"with {len(row['ordinary'])} earlier distances {row['found_from']:.2f} would stand out"
    return f"no further away than sources differ ({beside}; {power})"


def _of_recognition(row: Mapping[str, Any]) -> str:
    sentences = (
        f"a classifier that never saw it recognises {row['recognised']:.0%} of it as it is filed"
    )
    if row["recognised_usually"] is not None:
        sentences += f", of earlier sources {row['recognised_usually']:.0%}"
    # Reports of earlier versions do not name the other categories.
    taken_for = list(row.get("taken_for", {}).items())[:_MENTIONED]
    if taken_for:
        seen = ", ".join(f"{name} in {share:.0%}" for name, share in taken_for)
        sentences += f"; it sees {seen}"
    return f"{sentences}, and finds {row['unlike']:.0%} unlike its training pictures"


def _of_mix(drawn: DrawnPictures) -> list[str]:
    changes = mix(drawn.new_counts, drawn.before_counts)
    changes = [row for row in changes if abs(row["share"] - row["share_before"]) >= _LEAST_SHARE]
    changes.sort(key=lambda row: -abs(row["share"] - row["share_before"]))
    if not changes:
        return []
    changed = [
        f"{row['source']} {row['share']:.0%} (was {row['share_before']:.0%})"
        for row in changes[:_MENTIONED]
    ]
    return [f"the mix of sources has changed, which alone is not drift: {', '.join(changed)}"]
