"""Layouts by UMAP and PaCMAP, which come as extras of their own."""

import importlib.util
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

Floats = NDArray[np.float32]


_PACKAGES = {"umap": "umap-learn", "pacmap": "pacmap"}


def check_installed(method: str) -> None:
    """Find out whether a method can lay points out here, before anything is done for it.

    Raises:
        MissingExtra: its package is not installed.
    """
    package = _PACKAGES.get(method)
    if package is not None and importlib.util.find_spec(method) is None:
        raise MissingExtra(package, method)


def by_umap(reduced: Floats, dims: int, seed: int) -> Floats:
    """UMAP (McInnes, Healy and Melville, 2018) of (rows, dim) points, on one thread, repeatable.

    Raises:
        MissingExtra: umap-learn is not installed.
    """
    check_installed("umap")
    neighbours = max(2, min(15, len(reduced) - 1))
    with warnings.catch_warnings():
        # It says that TensorFlow is not there and that a seed means one thread, as is wanted.
        warnings.simplefilter("ignore")
        from umap import UMAP

        model = UMAP(n_components=dims, n_neighbors=neighbours, random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(reduced), np.float32)


def by_pacmap(reduced: Floats, dims: int, seed: int) -> Floats:
    """PaCMAP (Wang, Huang, Rudin and Shaposhnik, 2021) of (rows, dim) points, repeatable.

    Raises:
        MissingExtra: pacmap is not installed.
    """
    check_installed("pacmap")
    neighbours = max(2, min(10, len(reduced) - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pacmap import PaCMAP

        model = PaCMAP(
            n_components=dims, n_neighbors=neighbours, random_state=seed, apply_pca=False
        )
        return np.asarray(model.fit_transform(reduced.astype(np.float32)), np.float32)


LAYOUTS: dict[str, Callable[[Floats, int, int], Floats]] = {"umap": by_umap, "pacmap": by_pacmap}
"""Methods other than t-SNE: points, dims and seed give coordinates."""
