"""What the classifier's report promises, against what comes on sources that it has not seen.

    python benchmarks/truth.py PHOTOS [MORE_PHOTOS] [--backbone NAME] [--draws 8]

Each folder holds <category>/<source>/...; a source name that is there twice is one data set.

Sources are divided into seen and unseen: all of PHOTOS against all of MORE_PHOTOS, the reverse, and
random draws of a few data sets against all others. For each division tables of the seen sources are
written, `train` and `evaluate` of the program make a model and its report of them, and the model is
tried on the unseen ones. Printed are promised and measured accuracy, whether the intervals hold,
the calibration error, what the decisions are worth, and the duel of a champion of PHOTOS with a
challenger of both. Accuracies are means over sources.

Drift is asked of the same divisions: of each unseen source as a new batch, filed rightly and under
each wrong category; of its pictures under the name of a known source; and of held-back parts of
known sources, which are the false alarms.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts, backbones, categories, images
from naturalist.categories import Categories, Category
from naturalist.errors import PictureError
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.schemas import table_schema
from naturalist.stages.extract import decode_for
from naturalist.studies.classifier import champions
from naturalist.studies.classifier.evaluating import evaluate
from naturalist.studies.classifier.methods.measures import calibration
from naturalist.studies.classifier.methods.weighting import row_weights
from naturalist.studies.classifier.model import predict, read_classifier
from naturalist.studies.classifier.options import ClassifierOptions
from naturalist.studies.classifier.refining import challenge
from naturalist.studies.classifier.training import model_id, train
from naturalist.studies.classifier.training_rows import TrainingRows, open_rows
from naturalist.studies.drift.comparison import compare_pictures
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.predictions import unseen_answers
from naturalist.studies.drift.rows import DrawnPictures, Pictures

BATCH = 16
ROWS_PER_TABLE = 1_000
OPTIONS = ClassifierOptions()
DRIFT = DriftOptions()
FALL = 0.1
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Photos:
    """Features and names of all photos."""

    features: NDArray[np.float32]
    categories: NDArray[np.str_]
    sources: NDArray[np.str_]
    folder: NDArray[np.int64]

    @property
    def labels(self) -> NDArray[np.int64]:
        return np.unique(self.categories, return_inverse=True)[1]


def read_photos(folders: list[Path], name: str) -> Photos:
    backbone, limits = backbones.load(name), images.PictureLimits()
    seen: set[str] = set()
    parts, pixels, vectors = [], [], []
    for number, folder in enumerate(folders):
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            if (digest := artifacts.sha256_file(path)) in seen:
                continue
            try:
                decoded = decode_for(backbone.spec, path.read_bytes(), limits)
            except PictureError:
                continue
            seen.add(digest)
            parts.append((*path.relative_to(folder).parts[:2], number))
            pixels.append(backbone.prepare(decoded.pixels))
            if len(pixels) == BATCH:
                vectors.append(backbone.features(np.stack(pixels)))
                pixels = []
    if pixels:
        vectors.append(backbone.features(np.stack(pixels)))
    names, sources, numbers = zip(*parts, strict=True)
    return Photos(np.concatenate(vectors), np.array(names), np.array(sources), np.array(numbers))


def divisions(photos: Photos, draws: int) -> Iterator[tuple[str, Mask]]:
    """Names of divisions, and which photos are seen in each."""
    if photos.folder.any():
        yield "first folder", photos.folder == 0
        yield "second folder", photos.folder == 1
    names = np.unique(photos.sources)
    rng, made = np.random.default_rng(11), 0
    while made < draws:
        drawn = rng.choice(names, rng.integers(3, max(4, len(names) - 4)), replace=False)
        seen = np.isin(photos.sources, drawn)
        if set(photos.categories[seen]) == set(photos.categories) and not seen.all():
            made += 1
            yield f"draw of {len(drawn)}", seen


def write_tables(folder: Path, photos: Photos, seen: Mask) -> TrainingRows:
    layout, dim = Layout(folder), photos.features.shape[1]
    for label, category in enumerate(np.unique(photos.categories).tolist()):
        own = np.flatnonzero(seen & (photos.categories == category))
        for k, start in enumerate(range(0, len(own), ROWS_PER_TABLE)):
            rows = own[start : start + ROWS_PER_TABLE]
            names = [f"{category}_id_{row + 1}" for row in rows.tolist()]
            values = pa.FixedSizeListArray.from_arrays(
                pa.array(photos.features[rows].reshape(-1)), dim
            )
            columns = [names, np.full(len(rows), label, np.int32), photos.sources[rows].tolist()]
            table = pa.Table.from_arrays(
                [*(pa.array(column) for column in columns), values], schema=table_schema(dim)
            )
            path = layout.table(category, k + 1)
            metadata = {"backbone": "photos", "category": category}
            artifacts.write_parquet(path, table, metadata=metadata)
            digest = {path.name: artifacts.sha256_file(path)}
            artifacts.write_receipt(
                path, artifacts.Receipt("photos", len(rows), digest, facts={"k": k + 1})
            )
    artifacts.write_json(layout.marker, {"format": 1, "name": "photos", "image_roots": []})
    known = [
        Category(name, name, label)
        for label, name in enumerate(np.unique(photos.categories).tolist())
    ]
    categories.write(layout, Categories(tuple(known)))
    return open_rows(folder, OPTIONS)


def made(folder: Path, rows: TrainingRows) -> tuple[Path, dict]:
    """The model's folder and its evaluation."""
    out = Layout(folder).model(model_id(rows, OPTIONS))
    held = train(rows, OPTIONS, out, Silent())
    return out, evaluate(rows, OPTIONS, out, Silent(), held)


def tried(photos: Photos, seen: Mask, scratch: Path) -> dict:
    """What was promised of unseen sources, and what came."""
    rows = write_tables(scratch, photos, seen)
    out, promised = made(scratch, rows)
    labels, sources = photos.labels[~seen], photos.sources[~seen]
    answer = predict(read_classifier(out / "model.onnx"), photos.features[~seen])
    weights = row_weights(labels, sources)
    right = answer.probabilities.argmax(axis=1) == labels
    by_source = {
        (label, name): float(right[(labels == label) & (sources == name)].mean())
        for label, name in sorted(set(zip(labels.tolist(), sources.tolist(), strict=True)))
    }
    return {
        "drift": drift_verdicts(photos, seen, out, right),
        "promised": promised,
        "by_source": by_source,
        "over_sources": float(np.mean(list(by_source.values()))),
        "balanced": float(np.average(right, weights=weights)),
        "ece": calibration(answer.probabilities, labels, weights).ece,
        "false_alarms": flagged(~answer.sure | ~answer.known, right, weights),
        "caught": flagged(~answer.sure | ~answer.known, ~right, weights),
        "caught_at_5": caught_at(answer.probabilities.max(axis=1), right, weights, 0.05),
    }


def pictures(photos: Photos, rows: NDArray[np.int64], group: str = "") -> Pictures:
    """Photos as drift sees them, all under another category and source if one is given."""
    own = zip(photos.categories[rows].tolist(), photos.sources[rows].tolist(), strict=True)
    names = [f"{photos.categories[row]}_id_{row + 1}" for row in rows.tolist()]
    groups = [group or "/".join(pair) for pair in own]
    return Pictures(np.array(names), np.array(groups), photos.features[rows], {}, {})


def compared(new: Pictures, before: Pictures, model: Path | None) -> dict:
    counts = (dict(Counter(side.groups.tolist())) for side in (new, before))
    ask = partial(unseen_answers, model, "photos") if model else None
    return compare_pictures(DrawnPictures(new, before, *counts), DRIFT, None, ask)[0]


def drift_verdicts(photos: Photos, seen: Mask, model: Path, right: Mask) -> list[tuple]:
    """Kind of batch, verdict, and whether the model lost 10 points on it, of many batches."""
    before, unseen = pictures(photos, np.flatnonzero(seen)), np.flatnonzero(~seen)
    table = artifacts.read_parquet(model / "predictions.parquet", ["category", "predicted"])
    usual = np.mean(table["category"].to_numpy() == table["predicted"].to_numpy())
    groups = np.array([f"{photos.categories[k]}/{photos.sources[k]}" for k in unseen.tolist()])
    told = []
    for group in np.unique(groups).tolist():
        mine, (category, name) = groups == group, group.split("/", 1)
        rows, fell = unseen[mine], bool(right[mine].mean() <= usual - FALL)
        if len(rows) < DRIFT.least_rows:
            continue
        for other in np.unique(photos.categories).tolist():
            found = compared(pictures(photos, rows, f"{other}/unseen {name}"), before, model)
            kind = "new source" if other == category else "new source, wrong category"
            told.append((kind, found["verdict"], fell or other != category))
        for known in np.unique(before.groups).tolist():
            if known.startswith(f"{category}/"):
                found = compared(pictures(photos, rows, known), before, None)
                told.append(("unseen source under a known name", found["verdict"], fell))
    return told + held_back_verdicts(photos, np.flatnonzero(seen))


def held_back_verdicts(photos: Photos, seen: NDArray[np.int64]) -> list[tuple]:
    """The same for a random third of each known source beside all the rest."""
    rng, groups, told = np.random.default_rng(5), pictures(photos, seen).groups, []
    for group in np.unique(groups).tolist():
        mine = rng.permutation(np.flatnonzero(groups == group))
        part = np.isin(np.arange(len(seen)), mine[: len(mine) // 3])
        if part.sum() >= DRIFT.least_rows:
            found = compared(pictures(photos, seen[part]), pictures(photos, seen[~part]), None)
            told.append(("held-back third of a known source", found["verdict"], False))
    return told


def show_drift(told: list[tuple]) -> None:
    """Print how many batches of each kind got which verdict."""
    print("\n| batch | drift | new source | no drift | no drift where 10 points were lost |")
    print("|---" * 5 + "|")
    for kind in dict.fromkeys(one[0] for one in told):
        counts = Counter(one[1] for one in told if one[0] == kind)
        missed = sum(one[1] == "none" and one[2] for one in told if one[0] == kind)
        shown = " | ".join(str(counts[verdict]) for verdict in ("drift", "new_source", "none"))
        print(f"| {kind}, {sum(counts.values())} | {shown} | {missed} |", flush=True)


def flagged(flag: Mask, rows: Mask, weights: NDArray[np.float64]) -> float:
    return float(np.average(flag[rows], weights=weights[rows])) if rows.any() else float("nan")


def caught_at(
    probability: NDArray[np.float32], right: Mask, weights: NDArray[np.float64], rate: float
) -> float:
    """Share of wrong predictions below the probability that flags this share of right ones."""
    order = np.argsort(probability[right])
    share = np.cumsum(weights[right][order]) / weights[right].sum()
    limit = probability[right][order][int(np.searchsorted(share, rate))]
    return flagged(probability < limit, ~right, weights)


def inside(value: float, interval: list[float] | None) -> bool | None:
    return None if interval is None else interval[0] - 1e-9 <= value <= interval[1] + 1e-9


def printed(promised: dict) -> dict[str, float | None]:
    """What the evaluation prints of probabilities and decisions, by the names of `tried`."""
    flag = promised["trust"]["flags"]["either"]
    return {
        "ece": promised["calibration"]["ece"],
        "false_alarms": flag["false_alarms"],
        "caught": flag["caught"],
    }


def beside(found: dict, key: str) -> str:
    """A number as it was printed, and as it was measured."""
    said = printed(found["promised"])[key]
    return f"{'-' if said is None else f'{said:.3f}'}, {found[key]:.3f}"


def show(name: str, found: dict) -> dict:
    """Print a division in one line."""
    promised = found["promised"]
    left_out, one = promised["leave_one_source_out"], promised["expected_on_new_sources"]
    mean = None if left_out is None else left_out["interval"]
    single = None if one is None else one["interval"]
    held = [inside(value, single) for value in found["by_source"].values()]
    said = "-" if left_out is None else f"{left_out['balanced_accuracy']:.3f}"
    span = "-" if mean is None else f"{mean[0]:.2f} to {mean[1]:.2f}"
    shares = " | ".join(beside(found, key) for key in ("ece", "false_alarms", "caught"))
    print(
        f"| {name} | {said} | {span} | {found['over_sources']:.3f} | {found['balanced']:.3f} | "
        f"{'-' if mean is None else inside(found['balanced'], mean)} | "
        f"{sum(bool(h) for h in held)} of {len(held)} | {shares} | {found['caught_at_5']:.3f} |",
        flush=True,
    )
    return {"mean": inside(found["balanced"], mean), "single": held if single else []}


def duel(photos: Photos, scratch: Path) -> str:
    """Whether a champion of the first folder is repaired by the second."""
    rows = write_tables(scratch, photos, photos.folder == 0)
    champion, _ = made(scratch, rows)
    layout = Layout(scratch)
    champions.record(layout, champion.name, "promote", champions.FIRST)
    both = write_tables(scratch, photos, np.ones(len(photos.folder), np.bool_))
    challenger = layout.model(model_id(both, OPTIONS))
    train(both, OPTIONS, challenger, Silent())
    found = challenge(both, OPTIONS, layout, challenger.name, margin=0.02)
    lines = [f"refine after the second folder: {found['action']}, {found['reason']}"]
    lines += [
        f"  {one['category']} {one['source']}: {one['champion']:.2f} -> {one['challenger']:.2f}"
        for one in found["comparison"]["new_sources"]
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--backbone", default=backbones.DEFAULT)
    parser.add_argument("--draws", type=int, default=8)
    options = parser.parse_args()
    photos = read_photos(options.folders, options.backbone)
    print(f"{options.backbone}, {len(photos.sources):,} photos\n")
    print(
        "| seen | left out in turn | promised mean | measured, over sources | over categories | "
        "mean holds | single sources inside | calibration error | right flagged | wrong flagged | "
        "wrong flagged at 5 % |\n" + "|---" * 11 + "|"
    )
    shown, errors, worst, drifts = [], [], [], []
    for name, seen in divisions(photos, options.draws):
        with tempfile.TemporaryDirectory(prefix="truth-") as scratch:
            found = tried(photos, seen, Path(scratch))
        shown.append(show(name, found))
        drifts += found["drift"]
        errors.append((found["ece"], found["caught_at_5"]))
        if name == "first folder":
            worst = sorted(found["by_source"].items(), key=lambda one: one[1])
    means = [one["mean"] for one in shown if one["mean"] is not None]
    singles = [held for one in shown for held in one["single"]]
    print(f"\ninterval of the mean holds for {sum(means)} of {len(means)} divisions")
    print(f"interval of one source holds for {sum(singles)} of {len(singles)} sources")
    print("calibration error {:.3f}, wrong flagged at 5 % {:.3f}".format(*np.mean(errors, axis=0)))
    for (_, source), accuracy in worst:
        print(f"  {source}: {accuracy:.3f}")
    show_drift(drifts)
    if photos.folder.any():
        with tempfile.TemporaryDirectory(prefix="truth-") as scratch:
            print(duel(photos, Path(scratch)))


if __name__ == "__main__":
    main()
