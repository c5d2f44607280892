"""Compare backbones by what classification keeps on photos from sources it was not trained on.

    python tools/across_sources.py PHOTOS BACKBONE [BACKBONE ...]

PHOTOS holds <category>/<source>/...; every way to train on some sources of each category and to
test on all others is tried. Printed are the mean and the worst balanced accuracy of a logistic
regression on standardised columns, the mean one of a vote of the 10 nearest neighbours (cosine),
and, against the first backbone of the same length, the mean cosine and the share of the 10 nearest
neighbours that is kept.
"""

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import StandardScaler

from naturalist import backbones, images
from naturalist.stages.extract import decode_for

NEIGHBOURS = 10
BATCH = 16

Features = NDArray[np.float32]
Labels = NDArray[np.str_]


def main() -> None:
    folder = Path(sys.argv[1])
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    parts = [path.relative_to(folder).parts for path in files]
    categories = np.array([part[0] for part in parts])
    sources = np.array([f"{part[0]}/{part[1]}" for part in parts])
    splits = list(train_masks(categories, sources))
    reference: Features | None = None
    print("| backbone | mean | worst | neighbours' vote | cosine | neighbours kept |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[2:]:
        features = extract(name, files)
        linear = [linear_probe(features, categories, train) for train in splits]
        vote = np.mean(list(neighbours_vote(features, categories, splits)))
        same = "| | |"
        if reference is None:
            reference = features
        elif reference.shape == features.shape:
            same = f"| {mean_cosine(reference, features):.4f} | {kept(reference, features):.3f} |"
        print(
            f"| {name} | {np.mean(linear):.3f} | {min(linear):.3f} | {vote:.3f} {same}", flush=True
        )


def extract(name: str, files: list[Path]) -> Features:
    backbone, limits = backbones.load(name), images.PictureLimits()
    vectors = []
    for start in range(0, len(files), BATCH):
        pictures = [
            decode_for(backbone.spec, path.read_bytes(), limits).pixels
            for path in files[start : start + BATCH]
        ]
        vectors.append(backbone.features(np.stack([backbone.prepare(p) for p in pictures])))
    return np.concatenate(vectors)


def train_masks(categories: Labels, sources: Labels) -> Iterator[NDArray[np.bool_]]:
    """For every way to choose some, but not all, sources of each category: who is in."""
    choices = []
    for category in np.unique(categories):
        own = np.unique(sources[categories == category]).tolist()
        sizes = range(1, len(own))
        choices.append([c for size in sizes for c in itertools.combinations(own, size)])
    for chosen in itertools.product(*choices):
        yield np.isin(sources, [source for group in chosen for source in group])


def linear_probe(features: Features, categories: Labels, train: NDArray[np.bool_]) -> float:
    scaler = StandardScaler().fit(features[train])
    model = LogisticRegression(max_iter=200).fit(
        scaler.transform(features[train]), categories[train]
    )
    answers = model.predict(scaler.transform(features[~train]))
    return float(balanced_accuracy_score(categories[~train], answers))


def neighbours_vote(
    features: Features, categories: Labels, splits: list[NDArray[np.bool_]]
) -> Iterator[float]:
    similar = cosines(features)
    names, labels = np.unique(categories, return_inverse=True)
    for train in splits:
        nearest = np.argpartition(-similar[~train][:, train], NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
        votes = labels[train][nearest]
        counts = np.stack([(votes == k).sum(1) for k in range(len(names))])
        yield balanced_accuracy_score(labels[~train], counts.argmax(0))


def cosines(features: Features) -> Features:
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    return unit @ unit.T


def mean_cosine(a: Features, b: Features) -> float:
    dots = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(dots.mean())


def kept(a: Features, b: Features) -> float:
    def nearest(features: Features) -> NDArray[np.intp]:
        similar = cosines(features)
        np.fill_diagonal(similar, -2)
        return np.argpartition(-similar, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]

    pairs = zip(nearest(a), nearest(b), strict=True)
    return float(np.mean([len(np.intersect1d(x, y)) / NEIGHBOURS for x, y in pairs]))


if __name__ == "__main__":
    main()
