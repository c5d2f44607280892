"""The classifier: a million rows beside scikit-learn, other learners, and whether claims hold.

    python benchmarks/classify.py scale [--rows 1000000] [--keep DIR] [--only NAME]
    python benchmarks/classify.py learners WORKSPACE
    python benchmarks/classify.py coverage WORKSPACE

- `scale`: train (in memory, and as a stream) and evaluate on made-up tables of 36 sources; and
  scikit-learn's plain LogisticRegression on the same rows in memory. Each in a process of its own.
- `learners`: other kinds of classifiers on the features of a workspace, every source left out in
  turn, beside the linear one; and penalties and balances of that one.
- `coverage`: how often the interval for a new source holds: on made-up sources of many kinds, and
  on the sources of a workspace cut finer, by the folders that their pictures lie in.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa

import machine
from naturalist import artifacts, ledger
from naturalist.categories import Categories, Category, in_marker
from naturalist.features import open_features
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.schemas import table_schema
from naturalist.studies.classifier.evaluating import evaluate
from naturalist.studies.classifier.methods import measures
from naturalist.studies.classifier.methods.held_out import (
    HeldOutOptions,
    calibrate_held_out,
    held_out_scores,
)
from naturalist.studies.classifier.methods.intervals import (
    bootstrap_over_sources,
    interval_for_new_source,
    interval_of_mean,
)
from naturalist.studies.classifier.methods.linear import FitOptions
from naturalist.studies.classifier.methods.nested import nested
from naturalist.studies.classifier.methods.novelty import unit
from naturalist.studies.classifier.methods.weighting import row_weights
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.training import model_id, train
from naturalist.studies.classifier.training_rows import open_rows

DIM = 512
SOURCES = 12
CATEGORIES = ("plant", "animal", "human")
LEVEL = 0.9
CHANCE = 1 / len(CATEGORIES)


# scale


def make_tables(folder: Path, rows: int) -> None:
    """Tables of three categories with twelve sources each, one twice as large as the next."""
    rng = np.random.default_rng(0)
    layout = Layout(folder)
    centres = rng.normal(size=(3, DIM)).astype(np.float32) * 0.12
    shares = 0.75 ** np.arange(SOURCES)
    shares /= shares.sum()
    for label, category in enumerate(CATEGORIES):
        shifts = rng.normal(size=(SOURCES, DIM)).astype(np.float32) * 0.35
        source = rng.choice(SOURCES, rows // 3, p=shares)
        for k, start in enumerate(range(0, len(source), 10_001)):
            own = source[start : start + 10_001]
            features = rng.standard_normal((len(own), DIM), np.float32)
            features += centres[label] + shifts[own]
            names = [f"{category}_id_{start + n + 1}" for n in range(len(own))]
            write_table(layout.table(category, k + 1), features, names, label, own)
    held = tuple(Category(name, name, label) for label, name in enumerate(CATEGORIES))
    marker = {"format": 1, "name": "made-up", "image_roots": []}
    artifacts.write_json(layout.marker, marker | in_marker(Categories(held)))


def write_table(path: Path, features: np.ndarray, names: list, label: int, own: np.ndarray) -> None:
    values = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), DIM)
    sources = [f"source-{label}-{n:02d}" for n in own]
    columns = [names, np.full(len(own), label, np.int32), sources, values]
    table = pa.Table.from_arrays([pa.array(c) for c in columns], schema=table_schema(DIM))
    artifacts.write_parquet(path, table, metadata={"backbone": "made-up"})
    digest = {path.name: artifacts.sha256_file(path)}
    artifacts.write_receipt(path, artifacts.Receipt("made-up", len(own), digest))


def trained(folder: Path, rows_in_memory: int) -> dict:
    options = ClassifierOptions(rows_in_memory=rows_in_memory)
    rows = open_rows(folder, options)
    out = Layout(folder).model(model_id(rows, options))
    train(rows, options, out, Silent())
    return artifacts.read_json(out / "model.json")["metrics"]


def evaluated(folder: Path, rows_in_memory: int) -> dict:
    options = ClassifierOptions(rows_in_memory=rows_in_memory)
    rows = open_rows(folder, options)
    found = evaluate(rows, options, Layout(folder).model(model_id(rows, options)), Silent())
    return {key: found[key] for key in ("gap", "evaluated_rows")}


def scikit_learn(folder: Path) -> dict:
    from sklearn.linear_model import LogisticRegression
    from sklearn.preprocessing import StandardScaler

    rows = open_features(folder).read()
    standard = StandardScaler(copy=False).fit_transform(rows.features)
    model = LogisticRegression(max_iter=100).fit(standard, rows.labels)
    return {"iterations": int(model.n_iter_[0])}


def reading(folder: Path) -> dict:
    return {"rows": len(open_features(folder).read())}


def alone(work: Callable[..., dict], *arguments: object) -> dict:
    """What a function gives, its seconds and the peak memory of a process that does only that."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measured, work, arguments).result()


def measured(work: Callable[..., dict], arguments: tuple) -> dict:
    start, used = time.perf_counter(), time.process_time()
    found = work(*arguments)
    seconds = round(time.perf_counter() - start, 1)
    cpu = round(time.process_time() - used, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return {"seconds": seconds, "cpu_seconds": cpu, "peak_mb": peak, **found}


def scale(rows: int, only: str, keep: Path | None) -> dict:
    found: dict = {"rows": rows, "dim": DIM, "sources": 3 * SOURCES}
    found["machine"] = machine.facts("numpy", "scikit-learn")
    with tempfile.TemporaryDirectory(prefix="classify-") as scratch:
        folder = keep or Path(scratch)
        if not Layout(folder).marker.exists():
            make_tables(folder, rows)
        for name, work, arguments in (
            ("read_tables", reading, (folder,)),
            ("train_in_memory", trained, (folder, 10 * rows)),
            ("scikit_learn", scikit_learn, (folder,)),
            ("train_streaming", trained, (folder, 1)),
            ("evaluate", evaluated, (folder, 1)),
        ):
            if only not in ("", name):
                continue
            found[name] = alone(work, *arguments)
            print(name, json.dumps(found[name]), file=sys.stderr, flush=True)
    return found


# learners


def learner_of(make: Callable, *, weighted: bool = True) -> Callable:
    """A scikit-learn classifier on standardised features as a learner."""

    def learn(features, classes, sources, weights):
        mean, std = features.mean(axis=0), features.std(axis=0) + 1e-6
        model = make()
        model.fit(
            (features - mean) / std, classes, **({"sample_weight": weights} if weighted else {})
        )
        return lambda asked: np.log(np.maximum(model.predict_proba((asked - mean) / std), 1e-4))

    return learn


def nearest_neighbours(count: int) -> Callable:
    """Votes of the nearest by cosine, weighted like the rows."""

    def learn(features, classes, sources, weights):
        reference = unit(features)

        def score(asked):
            cosines = unit(asked) @ reference.T
            top = np.argpartition(cosines, -count, axis=1)[:, -count:]
            votes = np.exp(np.take_along_axis(cosines, top, 1) / 0.1) * weights[top]
            found = [np.where(classes[top] == k, votes, 0).sum(axis=1) for k in np.unique(classes)]
            return np.log(np.column_stack(found) + 1e-3 * votes.sum(axis=1, keepdims=True))

        return score

    return learn


def others() -> dict[str, Callable]:
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.neural_network import MLPClassifier
    from sklearn.svm import SVC

    return {
        "discriminant analysis, shrunk": learner_of(
            lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5), weighted=False
        ),
        "15 nearest neighbours": nearest_neighbours(15),
        "50 nearest neighbours": nearest_neighbours(50),
        "perceptron, 64 hidden": learner_of(
            lambda: MLPClassifier((64,), alpha=10.0, max_iter=60, random_state=0)
        ),
        "support vectors, RBF": learner_of(lambda: SVC(probability=True, random_state=0)),
        "gradient boosting": learner_of(
            lambda: HistGradientBoostingClassifier(
                max_iter=60, learning_rate=0.15, max_leaf_nodes=15, random_state=0
            )
        ),
    }


def learners(workspace: Path) -> dict:
    warnings.filterwarnings("ignore")
    rows = open_features(workspace).read()
    found = {}
    for balance in ("none", "categories", "sources"):
        for penalty in (0.01, 0.1, 1.0, 10.0):
            options = FitOptions(penalty, balance)
            found[f"linear, {balance}, penalty {penalty}"] = left_out(rows, options, None)
    for name, learner in others().items():
        found[name] = left_out(rows, FitOptions(1.0), learner)
        print(name, json.dumps(found[name]), flush=True)
    return found


def left_out(rows, fit: FitOptions, learner: Callable | None) -> dict[str, float]:
    start = time.perf_counter()
    held = held_out_scores(
        rows.features, rows.labels, rows.sources, options=HeldOutOptions(fit), learner=learner
    )
    seconds = time.perf_counter() - start
    chances = calibrate_held_out(held, rows.labels, rows.sources, fit)
    truth = held.classes(rows.labels)
    cells = measures.by_cell(
        truth, chances.argmax(axis=1), rows.sources, held.held_out, chances.shape[1]
    )
    weights = row_weights(rows.labels, rows.sources)
    return {
        "balanced_accuracy": round(measures.balanced_accuracy(cells), 4),
        "worst_source": round(min(cell.accuracy for cell in cells), 3),
        "log_loss": round(measures.log_loss(chances, truth, weights), 4),
        "ece": round(measures.calibration(chances, truth, weights).ece, 4),
        "seconds": round(seconds, 1),
    }


# coverage


def kinds() -> dict[str, Callable]:
    """Ways in which accuracies of sources may be spread."""
    return {
        "most good, some bad": lambda rng, n: np.where(
            rng.random(n) < 0.15, rng.random(n) * 0.6, rng.beta(40, 1, n)
        ),
        "all good": lambda rng, n: rng.beta(18, 1, n),
        "middling": lambda rng, n: rng.beta(8, 2, n),
    }


def made_up(draws: int) -> dict[str, dict[str, dict[str, float]]]:
    """Shares of draws in which each interval holds what it is for, at a level of 0.9."""
    rng = np.random.default_rng(0)
    found: dict = {}
    for name, draw in kinds().items():
        mean = float(draw(rng, 500_000).mean())
        for sources in (3, 5, 8, 12, 20, 37):
            held = {"new_source": 0, "mean": 0, "bootstrap_of_mean": 0}
            for _ in range(draws):
                values = draw(rng, sources + 1)
                seen = values[:-1].tolist()
                one = interval_for_new_source(seen, LEVEL, CHANCE)
                held["new_source"] += one.low <= values[-1] <= one.high
                for key, interval in (
                    ("mean", interval_of_mean({0: seen}, LEVEL, CHANCE)),
                    ("bootstrap_of_mean", bootstrap_over_sources({0: seen}, LEVEL, 0, 300)),
                ):
                    held[key] += interval.low <= mean <= interval.high
            found[f"{name}, {sources} sources"] = {k: v / draws for k, v in held.items()}
    return found


def finer_sources(workspace: Path) -> tuple:
    """Features, labels, and as source of each picture the folder that it lies in."""
    rows = open_features(workspace).read()
    layout = Layout(workspace)
    folder_of = {}
    for category in rows.categories:
        for summary in ledger.batches(layout, category):
            table = artifacts.read_parquet(
                layout.batch(category, summary.batch), ["pic_id", "source", "path_text"]
            )
            for row in table.to_pylist():
                folder = row["path_text"].rpartition("/")[0]
                folder_of[row["pic_id"]] = f"{row['source']}/{folder}"
    return rows, np.array([folder_of[name] for name in rows.pic_ids.tolist()])


def coverage(workspace: Path, draws: int) -> dict:
    rows, fine = finer_sources(workspace)
    sizes = dict(zip(*np.unique(fine, return_counts=True), strict=True))
    keep = np.array([sizes[name] >= 15 for name in fine])
    found = {}
    for name, sources in (("sources", rows.sources), ("folders", fine)):
        tried = nested(
            rows.features[keep], rows.labels[keep], sources[keep],
            options=HeldOutOptions(FitOptions(1.0)), level=LEVEL,
        )  # fmt: skip
        found[name] = {
            "held_out": len(tried.held),
            "inside": sum(one.inside for one in tried.held),
            "mean_accuracy": round(float(np.mean([one.accuracy for one in tried.held])), 3),
            "outside": [
                [one.source, round(one.accuracy, 3), round(one.interval.low, 3)]
                for one in tried.held
                if not one.inside
            ],
        }
    return found | {"made_up": made_up(draws)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("what", choices=("scale", "learners", "coverage"))
    parser.add_argument("workspace", nargs="?", type=Path)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="of scale: one of its measurements")
    parser.add_argument("--keep", type=Path, help="of scale: folder of tables to make and keep")
    parser.add_argument("--draws", type=int, default=1_000)
    asked = parser.parse_args()
    if asked.what == "scale":
        found = scale(asked.rows, asked.only, asked.keep)
    elif asked.workspace is None:
        parser.error("name a workspace whose tables are made")
    elif asked.what == "learners":
        found = learners(asked.workspace)
    else:
        found = coverage(asked.workspace, asked.draws)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
