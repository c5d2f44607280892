"""The model of a clustering as a file, so that later rows are given their cluster by it."""

from pathlib import Path

import numpy as np

from naturalist import artifacts
from naturalist.analysis.clustering import Model
from naturalist.analysis.reduction import Reduction
from naturalist.errors import WorkspaceError

FILE = "model.npz"


def write(folder: Path, model: Model) -> None:
    """Write the model of a clustering into its folder."""
    with artifacts.atomic(folder / FILE) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            mean=model.reduction.mean,
            axes=model.reduction.axes,
            explained=np.float64(model.reduction.explained),
            places=model.places,
            owners=model.owners,
            reach=model.reach,
            centres=model.centres,
        )


def read(folder: Path) -> Model:
    """Read the model of a clustering; pickles in it are not loaded.

    Raises:
        WorkspaceError: it is gone or damaged.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as held:
            reduction = Reduction(held["mean"], held["axes"], float(held["explained"]), unit=True)
            return Model(reduction, held["places"], held["owners"], held["reach"], held["centres"])
    except (OSError, ValueError, KeyError) as error:
        raise WorkspaceError(
            f"{path} is gone or damaged ({error}): remove its folder and run  naturalist cluster  "
            "again"
        ) from error
