"""How many planted wrong labels are found, and whether the scores are what they say.

    python benchmarks/label_issues.py WORKSPACE [--shares 0 0.01 0.05] [--seeds 3]

WORKSPACE holds a collection with tables; nothing in it is changed. Planted are, in turn: pictures
*misfiled* into a source of another category; and pictures *mixed up* inside their dataset, which
get another category under the name of their own source. For each judge: precision and recall at
k; and over all seeds, for ranges of the score, the mean score beside the share that was wrong.
"""

import argparse
import itertools
import json
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import open_rows
from naturalist.studies.labels.methods.suspects import find_suspects
from naturalist.studies.labels.study import combine, judge

JUDGES = ("both", "folds", "sources")
EDGES = (-1, 0.05, 0.2, 0.5, 0.8, 0.95, 1)


def planted(rows, share, kind, seed):
    sample = rows.sample
    rng = np.random.default_rng(seed)
    given, sources = sample.labels.copy(), sample.sources.copy()
    labels = np.unique(given)
    wrong = rng.permutation(len(given))[: int(share * len(given))]
    for k in wrong.tolist():
        given[k] = rng.choice(labels[labels != sample.labels[k]])
        if kind == "misfiled":
            sources[k] = rng.choice(np.unique(sample.sources[sample.labels == given[k]]))
    return given, sources, wrong


def judged(rows, given, sources, options):
    """What the program's judges say of the planted labels: folds, sources, who is judged."""
    sample = replace(rows.sample, labels=given, sources=sources)
    folds, outside, _, seen = judge(replace(rows, sample=sample), options, Silent())
    return folds, outside, seen


def found_at(is_wrong, suspects):
    """Precision, recall and k at several places of the ranking."""
    hits, wrong = is_wrong[suspects.order], max(int(is_wrong.sum()), 1)
    ks = [20, 50, 100, wrong, 2 * wrong, suspects.count]
    return [[hits[:k].mean() if k else 1.0, hits[:k].sum() / wrong, k] for k in ks]


def as_table(results):
    names = ("20", "50", "100", "planted", "twice planted", "all suspects")
    return {
        f"{name} (k {k:.0f})": {"precision": round(p, 3), "recall": round(r, 3)}
        for name, (p, r, k) in zip(names, np.mean(results, axis=0).tolist(), strict=True)
    }


def reliability(scores, is_wrong):
    """Of ranges of the score: pictures, mean score, share that is wrong; and both sums."""
    told = {"expected": round(float(scores.sum()), 1), "wrong": int(is_wrong.sum())}
    for low, high in itertools.pairwise(EDGES):
        part = (scores > low) & (scores <= high)
        if part.any():
            told[f"{low} to {high}"] = {
                "pictures": int(part.sum()),
                "score": round(float(scores[part].mean()), 3),
                "wrong": round(float(is_wrong[part].mean()), 3),
            }
    return told


def measure(rows, share, kind, seeds, options):
    found = {name: [] for name in JUDGES}
    scored = {name: [] for name in JUDGES}
    for seed in range(seeds):
        given, sources, wrong = planted(rows, share, kind, seed)
        folds, outside, seen = judged(rows, given, sources, options)
        is_wrong = np.zeros(len(given), bool)
        is_wrong[wrong] = True
        classes = np.searchsorted(np.unique(given), given)
        for name in JUDGES:
            suspects = find_suspects(classes, combine(folds, outside, name), seen)
            found[name].append(found_at(is_wrong, suspects))
            scored[name].append((suspects.scores, is_wrong))
    return {
        name: {
            "at k": as_table(found[name]) if share else {"suspects": found[name][0][-1][2]},
            "scores": reliability(*map(np.concatenate, zip(*scored[name], strict=True))),
        }
        for name in JUDGES
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--shares", type=float, nargs="+", default=[0, 0.01, 0.05])
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    options = ClassifierOptions()
    layout = Layout(arguments.workspace.resolve())
    rows = open_rows(layout.root, options, layout=layout)
    told = {"pictures": len(rows.sample), "grouped": rows.groups is not None}
    start = time.perf_counter()
    for share in arguments.shares:
        for kind in ("misfiled", "mixed up") if share else ("nothing planted",):
            seeds = arguments.seeds if share else 1
            told[f"{kind}, {share:g}"] = measure(rows, share, kind, seeds, options)
    told["s"] = round(time.perf_counter() - start, 1)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
