"""How often ordinary batches are called drift, and planted drift is found, on real photos.

    python benchmarks/drift.py WORKSPACE [--repetitions 200] [--speed]

WORKSPACE holds a collection that was run (its naturalist.toml too). Nothing in it is changed: a
"batch" is drawn from its pictures, and the rest is what was before. Planted drift: a share of the
batch's pictures is replaced by the same pictures darkened or blurred and extracted again, or by
pictures of another category.
"""

import argparse
import dataclasses
import io
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

from naturalist import backbones, images, ledger
from naturalist.config import load_config
from naturalist.images import PictureLimits
from naturalist.stages import extract
from naturalist.stages.pictures import read_picture
from naturalist.studies.drift.comparison import compare_pictures
from naturalist.studies.drift.options import DriftOptions
from naturalist.studies.drift.rows import DrawnPictures, Pictures, Subject, find


def take(pictures: Pictures, rows: np.ndarray) -> Pictures:
    return Pictures(
        pictures.pic_ids[rows],
        pictures.groups[rows],
        pictures.features[rows],
        {name: values[rows] for name, values in pictures.numbers.items()},
        {name: values[rows] for name, values in pictures.words.items()},
    )


def joined(one: Pictures, other: Pictures) -> Pictures:
    return Pictures(
        np.concatenate([one.pic_ids, other.pic_ids]),
        np.concatenate([one.groups, other.groups]),
        np.concatenate([one.features, other.features]),
        {k: np.concatenate([one.numbers[k], other.numbers[k]]) for k in one.numbers},
        {k: np.concatenate([one.words[k], other.words[k]]) for k in one.words},
    )


def found_of(new: Pictures, before: Pictures) -> DrawnPictures:
    counts = [
        dict(zip(*(x.tolist() for x in np.unique(p.groups, return_counts=True)), strict=True))
        for p in (new, before)
    ]
    return DrawnPictures(new, before, *counts)


def batch_of(pictures: Pictures, size: int, few: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of a batch of a few sources, in any mix, of which each keeps most pictures behind."""
    groups = np.unique(pictures.groups)
    chosen = rng.permutation(groups)[:few]
    shares = rng.dirichlet(np.ones(few) * 2) * size
    rows = []
    for group, share in zip(chosen, shares, strict=True):
        mine = rng.permutation(np.flatnonzero(pictures.groups == group))
        rows.append(mine[: max(20, min(int(share), len(mine) // 2))])
    return np.concatenate(rows)


def all_pictures(config) -> Pictures:
    spec = backbones.describe(config.extract.backbone)
    last = ledger.last_batch(config.layout)
    found = find(
        config.layout, spec, sorted(config.labels), Subject(last), 10**6, 0, lambda n: None
    )
    return joined(found.new, found.before) if len(found.before) else found.new


def changed(config, pictures: Pictures, rows: np.ndarray, change) -> Pictures:
    """The same pictures after a change of their pixels, extracted again."""
    backbone = backbones.load(config.extract.backbone)
    made = take(pictures, rows)
    paths = config.source_paths
    with ledger.connect(config.layout) as connection:
        held = {
            row["pic_id"]: row
            for row in ledger.query(
                connection, "SELECT * FROM ledger WHERE pic_id IS NOT NULL"
            ).to_pylist()
        }
    for k, name in enumerate(made.pic_ids.tolist()):
        row = held[name]
        data = read_picture(config.layout, paths[row["category"]].get(row["source"]), row)
        with Image.open(io.BytesIO(data)) as image:
            buffer = io.BytesIO()
            change(image.convert("RGB")).save(buffer, "JPEG", quality=90)
        picture = extract.decode_for(backbone.spec, buffer.getvalue(), PictureLimits())
        made.features[k] = backbone.features(backbone.prepare(picture.pixels)[None])[0]
        quality = images.previews(picture.pixels).quality
        for measure in ("blur", "brightness", "contrast"):
            made.numbers[measure][k] = getattr(quality, measure)
        made.numbers["size_bytes"][k] = len(buffer.getvalue())
    return made


PLANTS = {
    "darker by a third": lambda image: ImageEnhance.Brightness(image).enhance(0.67),
    "blurred by 2 pixels": lambda image: image.filter(ImageFilter.GaussianBlur(2)),
}


def rate(hits: list[bool]) -> dict[str, float]:
    return {"of": len(hits), "rate": round(float(np.mean(hits)), 4)}


def ordinary(pictures: Pictures, options: DriftOptions, repetitions: int) -> dict[str, object]:
    flags: list[bool] = []
    p_values: list[float] = []
    features: list[float] = []
    for k in range(repetitions):
        rng = np.random.default_rng(k)
        rows = batch_of(pictures, 300, 3, rng)
        rest = np.setdiff1d(np.arange(len(pictures)), rows)
        found = found_of(take(pictures, rows), take(pictures, rest))
        report, _ = compare_pictures(found, dataclasses.replace(options, seed=k))
        flags.append(report["verdict"] == "drift")
        p_values.append(min(t["adjusted_p"] for t in report["tests"]))
        features.append(report["tests"][0]["p_value"])
    low = np.array(p_values)
    return rate(flags) | {
        "smallest adjusted p at most": {a: float((low <= a).mean()) for a in (0.01, 0.05, 0.1)},
        "features p at most": {
            a: float((np.array(features) <= a).mean()) for a in (0.01, 0.05, 0.1)
        },
    }


def planted(config, pictures: Pictures, options: DriftOptions, repetitions: int) -> dict:
    told: dict[str, dict[str, object]] = {}
    for name, change in PLANTS.items():
        for share in (0.1, 0.3, 1.0):
            hits, precision = [], []
            for k in range(repetitions):
                rng = np.random.default_rng(1000 + k)
                rows = batch_of(pictures, 200, 3, rng)
                hit = rows[rng.permutation(len(rows))[: int(share * len(rows))]]
                kept = np.setdiff1d(rows, hit)
                new = joined(take(pictures, kept), changed(config, pictures, hit, change))
                rest = np.setdiff1d(np.arange(len(pictures)), rows)
                report, order = compare_pictures(found_of(new, take(pictures, rest)), options)
                hits.append(report["verdict"] == "drift")
                if hits[-1]:
                    names = set(pictures.pic_ids[hit].tolist())
                    precision.append(np.mean([one in names for one in order[:10]]))
            mean = round(float(np.mean(precision)), 3) if precision else None
            told[f"{name}, {share:.0%} of the batch"] = rate(hits) | {"of 10 shown": mean}
    return told


def swapped(pictures: Pictures, options: DriftOptions, repetitions: int) -> dict:
    """A share of a source's new pictures are really of another category."""
    told = {}
    categories = np.array([g.split("/")[0] for g in pictures.groups.tolist()])
    for share in (0.05, 0.1, 0.3):
        hits, precision = [], []
        for k in range(repetitions):
            rng = np.random.default_rng(2000 + k)
            rows = batch_of(pictures, 200, 3, rng)
            new = take(pictures, rows)
            rest = np.setdiff1d(np.arange(len(pictures)), rows)
            wrong = rng.permutation(len(rows))[: int(share * len(rows))]
            for at in wrong.tolist():
                others = rest[categories[rest] != categories[rows[at]]]
                other = int(rng.choice(others))
                new.features[at] = pictures.features[other]
                for measure, values in new.numbers.items():
                    values[at] = pictures.numbers[measure][other]
            report, order = compare_pictures(found_of(new, take(pictures, rest)), options)
            hits.append(report["verdict"] == "drift")
            if hits[-1]:
                names = set(new.pic_ids[wrong].tolist())
                precision.append(np.mean([one in names for one in order[:10]]))
        mean = round(float(np.mean(precision)), 3) if precision else None
        told[f"another category, {share:.0%} of the batch"] = rate(hits) | {"of 10 shown": mean}
    return told


def new_sources(pictures: Pictures, options: DriftOptions) -> dict[str, object]:
    """Each source once as if it were new; and each under the name of another category."""
    honest, lying = {}, {}
    for group in np.unique(pictures.groups).tolist():
        mine = pictures.groups == group
        rest = take(pictures, np.flatnonzero(~mine))
        report, _ = compare_pictures(found_of(take(pictures, np.flatnonzero(mine)), rest), options)
        honest[group] = report["verdict"]
        category, source = group.split("/")
        for other in sorted({g.split("/")[0] for g in pictures.groups.tolist()} - {category}):
            fake = take(pictures, np.flatnonzero(mine))
            fake.groups[:] = f"{other}/~{source}"[: fake.groups.dtype.itemsize // 4]
            lie, _ = compare_pictures(found_of(fake, rest), options)
            lying[f"{group} as {other}"] = lie["verdict"]
    return {"as they are": honest, "under another category": lying}


def speed(options: DriftOptions) -> dict[str, object]:
    """100,000 new and 100,000 earlier rows of 512 values, from five sources."""
    rng = np.random.default_rng(0)
    rows = 100_000
    sides = [
        Pictures(
            np.array([f"plant_id_{k}" for k in range(rows)]),
            np.array([f"plant/s{k % 5}" for k in range(rows)]),
            rng.standard_normal((rows, 512), np.float32),
            {name: rng.random(rows) for name in ("blur", "brightness", "contrast", "pixels")},
            {"format": np.array(["jpeg"] * rows)},
        )
        for _ in range(2)
    ]
    start = time.perf_counter()
    report, _ = compare_pictures(found_of(*sides), options)
    return {"rows": 2 * rows, "verdict": report["verdict"], "s": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--speed", action="store_true")
    arguments = parser.parse_args()
    config = load_config(arguments.workspace)
    options = DriftOptions()
    few = max(4, arguments.repetitions // 10)
    start = time.perf_counter()
    pictures = all_pictures(config)
    told: dict[str, object] = {"pictures": len(pictures)}
    if arguments.speed:
        told["speed"] = speed(options)
    everything = dataclasses.replace(options, against="everything")
    told["ordinary"] = ordinary(pictures, options, arguments.repetitions)
    told["ordinary, against everything"] = ordinary(pictures, everything, few)
    told["new sources"] = new_sources(pictures, options)
    told["swapped"] = swapped(pictures, options, few)
    told["planted"] = planted(config, pictures, options, few)
    told["s"] = round(time.perf_counter() - start, 1)
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
