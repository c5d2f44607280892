"""Points in clusters of known membership."""

import numpy as np
from numpy.typing import NDArray


def mixture(
    rows: int, dim: int = 20, clusters: int = 8, seed: int = 0, apart: float = 3.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Points (rows, dim) in round clusters of different sizes, mixed, and the cluster of each."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, apart, (clusters, dim))
    shares = np.arange(1, clusters + 1) / np.arange(1, clusters + 1).sum()
    cluster = rng.choice(clusters, rows, p=shares)
    points = centres[cluster] + rng.normal(size=(rows, dim))
    return points.astype(np.float32), cluster


def with_rare(
    rows: int, rare: int, members: int, dim: int = 20, seed: int = 0, apart: float = 3.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """A mixture with `rare` more clusters of few members; common clusters come first in number."""
    points, cluster = mixture(rows, dim, seed=seed, apart=apart)
    rng = np.random.default_rng([seed, 1])
    centres = rng.normal(0, apart, (rare, dim))
    few = np.repeat(np.arange(rare), members)
    more = (centres[few] + rng.normal(size=(len(few), dim))).astype(np.float32)
    order = rng.permutation(rows + len(few))
    both = np.concatenate([points, more])
    return both[order], np.concatenate([cluster, few + cluster.max() + 1])[order]


def directions(
    sizes: list[int], seed: int = 0, dim: int = 32, spread: float = 0.15
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Round groups of these sizes around directions at right angles, mixed; the group of each."""
    rng = np.random.default_rng(seed)
    middles = np.linalg.qr(rng.normal(size=(dim, dim)))[0][: len(sizes)]
    groups = np.repeat(np.arange(len(sizes)), sizes)
    noise = rng.normal(size=(len(groups), dim)) * spread / np.sqrt(dim)
    order = rng.permutation(len(groups))
    return (middles[groups] + noise).astype(np.float32)[order], groups[order]
