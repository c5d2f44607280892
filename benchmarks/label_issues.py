"""How many planted wrong labels are found: precision and recall at k, for each judge.

    python benchmarks/label_issues.py WORKSPACE [--share 0.05] [--seeds 3]

WORKSPACE holds a collection with tables; nothing in it is changed. Planted are, in turn: pictures
*misfiled* into a source of another category; and pictures *mixed up* inside their dataset, which
get another category under the name of their own source.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np

from naturalist.layout import Layout
from naturalist.studies.classifier.methods.held_out import (
    calibrate_held_out,
    held_out_scores,
    learnt,
)
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training_rows import open_rows
from naturalist.studies.labels.methods.suspects import find_suspects
from naturalist.studies.labels.study import combine


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
    how = options.held_out(rows.sample.categories)
    told, seen = [], np.ones(len(given), bool)
    for names in (np.full(len(given), "all"), sources):
        held = held_out_scores(rows.sample.features, given, names, groups=rows.groups, options=how)
        told.append(calibrate_held_out(held, given, names, how.fit).astype(np.float64))
        seen &= learnt(held, given)
    return *told, seen


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=3)
    arguments = parser.parse_args()
    options = ClassifierOptions()
    layout = Layout(arguments.workspace.resolve())
    rows = open_rows(layout.root, options, layout=layout)
    told = {"pictures": len(rows.sample), "grouped": rows.groups is not None}
    start = time.perf_counter()
    for kind in ("misfiled", "mixed up"):
        found = {judge: [] for judge in ("both", "folds", "sources")}
        for seed in range(arguments.seeds):
            given, sources, wrong = planted(rows, arguments.share, kind, seed)
            folds, outside, seen = judged(rows, given, sources, options)
            is_wrong = np.zeros(len(given), bool)
            is_wrong[wrong] = True
            classes = np.searchsorted(np.unique(given), given)
            for judge, results in found.items():
                suspects = find_suspects(classes, combine(folds, outside, judge), seen)
                hits = is_wrong[suspects.order]
                ks = [20, 50, 100, len(wrong), 2 * len(wrong), suspects.count]
                results.append([[hits[:k].mean(), hits[:k].sum() / len(wrong), k] for k in ks])
        told[kind] = {
            judge: {
                f"{name} (k {k:.0f})": {"precision": round(p, 3), "recall": round(r, 3)}
                for name, (p, r, k) in zip(
                    ("20", "50", "100", "planted", "twice planted", "all suspects"),
                    np.mean(results, axis=0).tolist(),
                    strict=True,
                )
            }
            for judge, results in found.items()
        }
    told["s"] = round(time.perf_counter() - start, 1)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
