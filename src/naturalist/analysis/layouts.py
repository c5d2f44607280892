"""Layouts by UMAP and PaCMAP, which come as extras of their own."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

Floats = NDArray[np.float32]


def by_umap(reduced: Floats, dims: int, seed: int) -> Floats:
    """UMAP (McInnes, Healy and Melville, 2018) of (rows, dim) points, on one thread, repeatable.

    Raises:
        MissingExtra: umap-learn is not installed.
    """
    try:
        from umap import UMAP
    except ImportError as error:
        raise MissingExtra("umap-learn", "umap") from error
    neighbours = max(2, min(15, len(reduced) - 1))
    with warnings.catch_warnings():
        # It says that a seed means one thread, which is what is wanted.
        warnings.simplefilter("ignore")
        model = UMAP(n_components=dims, n_neighbors=neighbours, random_state=seed, n_jobs=1)
        return np.asarray(model.fit_transform(reduced), np.float32)


def by_pacmap(reduced: Floats, dims: int, seed: int) -> Floats:
    """PaCMAP (Wang, Huang, Rudin and Shaposhnik, 2021) of (rows, dim) points, repeatable.

    Raises:
        MissingExtra: pacmap is not installed.
    """
    try:
        from pacmap import PaCMAP
    except ImportError as error:
        raise MissingExtra("pacmap", "pacmap") from error
    neighbours = max(2, min(10, len(reduced) - 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = PaCMAP(
            n_components=dims, n_neighbors=neighbours, random_state=seed, apply_pca=False
        )
        return np.asarray(model.fit_transform(reduced.astype(np.float32)), np.float32)


LAYOUTS: dict[str, Callable[[Floats, int, int], Floats]] = {"umap": by_umap, "pacmap": by_pacmap}
"""Methods other than t-SNE: points, dims and seed give coordinates."""
