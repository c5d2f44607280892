"""The tests of a study of drift: is a batch like what was before it, and where is it not?

Which question is asked is chosen by `DriftOptions.against`:

- `sources`: *have the sources changed?* Pictures of a source are compared with earlier pictures of
  the same source, however the sources are mixed. A source that is new has no such pictures: its
  distance from the others of its category is compared with the distances that there are between
  the earlier sources, and its pictures are shown to a classifier that never saw it. An ordinary
  batch passes; with a new source in it the verdict is never "none".
- `everything`: *is the batch a random draw of all that was before it?* Batches come from few
  sources, so the honest answer is nearly always no.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.drift import wording as drift_words
from naturalist.studies.drift.methods.separation import beyond_spread, distance_between, separate
from naturalist.studies.drift.methods.two_samples import (
    Codes,
    Compared,
    Floats,
    Mask,
    category_features,
    compare,
    fourier_features,
    holm,
    rank_features,
)
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.rows import DrawnPictures, Pictures
from naturalist.studies.drift.unseen import Ask, Recognised, Unseen, labels_to_know, recognised

Predict = Callable[[NDArray[np.str_]], "Predicted | None"]
"""Says what a classifier that did not see their sources makes of pictures; None if it cannot."""
Report = dict[str, Any]
_FEW_LEFT = 1e-9


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a classifier says of some pictures; row i of each belongs to the same one.

    Attributes:
        categories: (rows,) the most probable category.
        numbers: measures such as the probability of that category, by name.
    """

    categories: NDArray[np.str_]
    numbers: Mapping[str, NDArray[np.float64]]


@dataclass(eq=False)
class _Test:
    what: str
    method: str
    statistic: float
    p_value: float
    effect: float
    suspicion: NDArray[np.float64]
    """(new pictures,) how suspicious each is; NaN if the test did not look at it."""
    adjusted_p: float = 1.0
    flagged: bool = False

    def as_json(self) -> dict[str, Any]:
        value = {key: one for key, one in asdict(self).items() if key != "suspicion"}
        return {k: round(v, 6) if isinstance(v, float) else v for k, v in value.items()}


@dataclass(eq=False)
class _Study:
    """New pictures first, pictures from before after them."""

    drawn: DrawnPictures
    options: DriftOptions
    rng: np.random.Generator
    vectors: Floats = field(init=False)
    groups: NDArray[np.str_] = field(init=False)
    is_new: Mask = field(init=False)
    embedding: Floats = field(init=False)

    def __post_init__(self) -> None:
        new, before = self.drawn.new, self.drawn.before
        self.vectors = np.concatenate([new.features, before.features])
        self.groups = np.concatenate([new.groups, before.groups])
        self.is_new = np.arange(len(self.groups)) < len(new)
        self.embedding = fourier_features(self.vectors, self.options.frequencies, self.rng)

    def strata(self) -> tuple[list[str], Codes]:
        """Names of the strata that can be compared, and the stratum of each row; -1 is none."""
        least = self.options.least_rows
        if self.options.against == "everything":
            enough = min(self.is_new.sum(), (~self.is_new).sum()) >= least
            code = 0 if enough else -1
            return ["everything"] * bool(enough), np.full(len(self.groups), code, np.int64)
        names = [
            name
            for name in np.unique(self.groups).tolist()
            if min(self._count(name, new=True), self._count(name, new=False)) >= least
        ]
        codes = {name: k for k, name in enumerate(names)}
        return names, np.array([codes.get(g, -1) for g in self.groups.tolist()], np.int64)

    def _count(self, group: str, *, new: bool) -> int:
        return int(((self.groups == group) & (self.is_new == new)).sum())

    def new_sources(self) -> list[str]:
        """Sources that have enough new pictures and none at all from before."""
        if self.options.against == "everything":
            return []
        before = set(self.drawn.before_counts)
        least = self.options.least_rows
        counts = self.drawn.new_counts
        return [g for g, n in sorted(counts.items()) if g not in before and n >= least]


def compare_pictures(
    drawn: DrawnPictures,
    options: DriftOptions,
    predict: Predict | None = None,
    ask: Ask | None = None,
) -> tuple[Report, list[str]]:
    """Compare new pictures with those from before: the report, and the suspect pictures.

    Args:
        drawn: the pictures.
        options: how.
        predict: gives predictions of known sources, if a classifier knows these pictures.
        ask: gives answers about new sources by a classifier that never saw them.

    Raises:
        MissingExtra: SciPy is not installed.
    """
    report: Report = {
        "rows": sum(drawn.new_counts.values()),
        "reference": {
            "question": drift_words.QUESTIONS[options.against],
            "against": options.against,
            "rows": sum(drawn.before_counts.values()),
            "compared": {"new": len(drawn.new), "before": len(drawn.before)},
        },
        "options": asdict(options),
        "mix": drift_words.mix(drawn.new_counts, drawn.before_counts),
    }
    if not len(drawn.new) or not len(drawn.before):
        return report | _nothing(drawn, options), []
    study = _Study(drawn, options, np.random.default_rng(options.seed))
    names, strata = study.strata()
    tests: list[_Test] = []
    by_source: list[dict[str, Any]] = []
    if names:
        tests, by_source = _compare_known(study, names, strata, predict)
    fresh = sorted(set(drawn.new_counts) - set(drawn.before_counts))
    new_tests, new_sources = _compare_new(study, ask(drawn) if ask and fresh else None)
    tests += new_tests
    by_source += new_sources
    if not tests and not fresh:
        return report | _nothing(drawn, options), []
    _flag(tests, options)
    _flag_sources(by_source, tests, options)
    drifted = any(test.flagged for test in tests)
    rows = [test.as_json() for test in tests]
    return report | {
        # No test of a new source says that the classifier works on it.
        "verdict": "drift" if drifted else "new_source" if fresh else "none",
        "tests": rows,
        "by_source": by_source,
        "by_category": _by_category(by_source),
        "words": drift_words.words(
            drawn, [t.as_json() for t in tests], by_source, strata, predict is not None
        ),
    }, _suspects(tests, drawn.new, options.pictures)


def _nothing(drawn: DrawnPictures, options: DriftOptions) -> Report:
    return {
        "verdict": "too_few" if drawn.before_counts else "first",
        "tests": [],
        "by_source": [],
        "by_category": [],
        "words": drift_words.too_few(drawn, options.least_rows),
    }


def _compare_known(
    study: _Study, names: list[str], strata: Codes, predict: Predict | None
) -> tuple[list[_Test], list[dict[str, Any]]]:
    rows = np.flatnonzero(strata >= 0)
    inside, is_new = strata[rows], study.is_new[rows]
    options, rng = study.options, study.rng

    def run(what: str, method: str, embedding: Floats) -> tuple[_Test, Compared]:
        one = compare(embedding, is_new, inside, options.permutations, rng)
        suspicion = _suspicion(one.witness, is_new, inside, rows, len(study.drawn.new))
        return _Test(what, method, one.statistic, one.p_value, one.effect, suspicion), one

    features, compared = run("features", "maximum mean discrepancy", study.embedding[rows])
    tests = [features, _separation_test(study, rows, inside, is_new)]
    new, before = study.drawn.new, study.drawn.before
    for what in new.numbers:
        values = np.concatenate([new.numbers[what], before.numbers[what]])[rows]
        tests.append(run(what, "Cramér-von Mises", rank_features(values))[0])
    for what in new.words:
        observed = np.concatenate([new.words[what], before.words[what]])[rows]
        tests.append(run(what, "chi-squared", category_features(observed))[0])
    names_of = np.concatenate([new.pic_ids, before.pic_ids])[rows]
    predicted = predict(names_of) if predict is not None else None
    if predicted is not None:
        observed = predicted.categories
        tests.append(run("predicted category", "chi-squared", category_features(observed))[0])
        for what, values in predicted.numbers.items():
            tests.append(run(what, "Cramér-von Mises", rank_features(values))[0])
    return tests, _by_source(study, names, compared)


def _separation_test(study: _Study, rows: Codes, inside: Codes, is_new: Mask) -> _Test:
    separation = separate(study.vectors[rows], is_new, inside, study.rng)
    suspicion = np.full(len(study.drawn.new), np.nan)
    suspicion[rows[is_new]] = separation.scores[is_new]
    method = "classifier two-sample test"
    return _Test(
        "features, told apart",
        method,
        separation.auc,
        separation.p_value,
        separation.effect,
        suspicion,
    )


def _suspicion(
    witness: Floats, is_new: Mask, strata: Codes, rows: Codes, count: int
) -> NDArray[np.float64]:
    """The witness of new rows in standard deviations of the earlier rows of their stratum."""
    suspicion = np.full(count, np.nan)
    for stratum in np.unique(strata):
        mine = strata == stratum
        old = witness[mine & ~is_new].astype(np.float64)
        fresh = mine & is_new
        suspicion[rows[fresh]] = (witness[fresh] - old.mean()) / max(float(old.std()), _FEW_LEFT)
    return suspicion


def _by_source(study: _Study, names: list[str], compared: Compared) -> list[dict[str, Any]]:
    result = study.drawn
    return [
        {
            "source": name,
            "kind": "known",
            "rows": result.new_counts.get(name, sum(result.new_counts.values())),
            "reference_rows": result.before_counts.get(name, sum(result.before_counts.values())),
            "p_value": round(float(compared.stratum_p[k]), 6),
            "effect": round(float(compared.stratum_effect[k]), 4),
        }
        for k, name in enumerate(names)
    ]


def _compare_new(study: _Study, answers: Unseen | None) -> tuple[list[_Test], list[dict[str, Any]]]:
    """Tests and facts of each source that is new; too small a one has facts only."""
    if study.options.against == "everything":
        return [], []
    counts = study.drawn.new_counts
    fresh = sorted(set(counts) - set(study.drawn.before_counts))
    tested = study.new_sources()
    ordinary = _ordinary_distances(study) if tested else []
    tests: list[_Test] = []
    facts: list[dict[str, Any]] = []
    for name in fresh:
        row: dict[str, Any] = {
            "source": name,
            "kind": "new",
            "rows": counts[name],
            "reference_rows": int(_like(study, name).sum()),
            "p_value": None,
            "effect": None,
            "labels_to_know": labels_to_know(counts[name]),
        }
        facts.append(row)
        if name in tested:
            tests += _far_away(study, name, ordinary, row)
            tests += _unrecognised(study, name, answers, row)
    return tests, facts


def _far_away(study: _Study, name: str, ordinary: list[float], row: dict[str, Any]) -> list[_Test]:
    """Is the source further from its category than earlier sources are? Adds facts to `row`."""
    like = _like(study, name)
    if like.sum() < study.options.least_rows:
        return []
    mine = (study.groups == name) & study.is_new
    distance = distance_between(study.embedding[mine], study.embedding[like])
    spread = beyond_spread(distance, ordinary, study.options.alpha)
    row |= {"distance": round(distance, 4), "ordinary": [round(d, 4) for d in ordinary]}
    if spread.p_value is None or spread.found_from is None:
        return []
    row |= {"p_value": round(spread.p_value, 6), "effect": round(spread.effect, 4)}
    row["found_from"] = round(spread.found_from, 4)
    suspicion = np.full(len(study.drawn.new), np.nan)
    way = study.embedding[mine].mean(axis=0) - study.embedding[like].mean(axis=0)
    old = study.embedding[like] @ way
    scores = (study.embedding[mine] @ way - old.mean()) / max(float(old.std()), _FEW_LEFT)
    suspicion[mine[: len(suspicion)]] = scores
    method, what = "spread between sources", f"new source {name}"
    return [_Test(what, method, distance, spread.p_value, spread.effect, suspicion)]


def _unrecognised(
    study: _Study, name: str, answers: Unseen | None, row: dict[str, Any]
) -> list[_Test]:
    """Does a classifier that never saw the source fail on it, as it is filed?"""
    new = study.drawn.new
    mine = new.groups == name
    result: Recognised | None = None
    if answers is not None:
        result = recognised(answers, mine, name.split("/", 1)[0])
    if result is None:
        return []
    row |= result.as_json()
    if result.p_value is None:
        return []
    suspicion = np.full(len(new), np.nan)
    suspicion[mine] = result.wrong
    what, method = _recognised_test(name), "binomial, 10 points below left-out sources"
    return [_Test(what, method, result.share, result.p_value, result.effect, suspicion)]


def _recognised_test(source: str) -> str:
    return f"new source {source}, recognised"


def _like(study: _Study, name: str) -> Mask:
    """Earlier pictures of the other sources of a source's category."""
    category = name.split("/", 1)[0] + "/"
    same = np.char.startswith(study.groups, category)
    result: Mask = same & ~study.is_new & (study.groups != name)
    return result


def _ordinary_distances(study: _Study) -> list[float]:
    """Of each earlier source from the others of its category, over all categories."""
    least = study.options.least_rows
    result: dict[frozenset[str], float] = {}
    for name in sorted(study.drawn.before_counts):
        mine = (study.groups == name) & ~study.is_new
        like = _like(study, name)
        others = np.unique(study.groups[like]).tolist()
        # Two sources have one distance, not one each.
        pair = frozenset([name, *others] if len(others) == 1 else [name])
        if min(mine.sum(), like.sum()) >= least and pair not in result:
            result[pair] = distance_between(study.embedding[mine], study.embedding[like])
    return list(result.values())


def _flag(tests: list[_Test], options: DriftOptions) -> None:
    adjusted = holm(np.array([test.p_value for test in tests], np.float64))
    for test, p in zip(tests, adjusted.tolist(), strict=True):
        test.adjusted_p = p
        test.flagged = p <= options.alpha and test.effect >= options.least_effect


def _flag_sources(
    by_source: list[dict[str, Any]], tests: list[_Test], options: DriftOptions
) -> None:
    known = [row for row in by_source if row["p_value"] is not None]
    adjusted = holm(np.array([row["p_value"] for row in known], np.float64))
    for row in by_source:
        row["flagged"] = False
    for row, p in zip(known, adjusted.tolist(), strict=True):
        row["flagged"] = bool(p <= options.alpha and row["effect"] >= options.least_effect)
    failing = {test.what for test in tests if test.flagged}
    for row in by_source:
        if row["kind"] == "new":
            row["far_away"] = row["flagged"]
            row["unrecognised"] = _recognised_test(row["source"]) in failing
            row["flagged"] = row["far_away"] or row["unrecognised"]


def _by_category(by_source: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A category has the smallest p-value of its sources, times their number."""
    rows = []
    for category in sorted({row["source"].split("/", 1)[0] for row in by_source}):
        mine = [row for row in by_source if row["source"].split("/", 1)[0] == category]
        tested = [row["p_value"] for row in mine if row["p_value"] is not None]
        rows.append(
            {
                "category": category,
                "rows": sum(row["rows"] for row in mine),
                "p_value": min(1.0, min(tested) * len(tested)) if tested else None,
                "effect": max((row["effect"] or 0.0 for row in mine), default=0.0),
                "flagged": any(row["flagged"] for row in mine),
            }
        )
    return rows


def _suspects(tests: list[_Test], new: Pictures, count: int) -> list[str]:
    """New pictures that stand out most in any test that found drift, most responsible first."""
    flagged = [test.suspicion for test in tests if test.flagged]
    if not flagged:
        return []
    # Ranks, since scales differ from test to test.
    share = np.full(len(new), -np.inf)
    for suspicion in flagged:
        seen = np.flatnonzero(~np.isnan(suspicion))
        ranks = np.empty(len(seen))
        ranks[np.argsort(suspicion[seen], kind="stable")] = np.arange(1, len(seen) + 1) / len(seen)
        share[seen] = np.where(np.isinf(share[seen]), ranks, share[seen] + ranks)
    order = np.argsort(-share, kind="stable")[:count]
    return [str(name) for name in new.pic_ids[order] if np.isfinite(share).any()]
