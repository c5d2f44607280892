"""The model of a clustering as a file, so that later rows are given their cluster by it."""

import hashlib
import io
from pathlib import Path

import numpy as np

from naturalist import artifacts
from naturalist.errors import WorkspaceError
from naturalist.numeric.reduction import Reduction
from naturalist.studies.clusters.methods.clustering import Model

_PATTERN = "model-*.npz"


def write(folder: Path, model: Model) -> str:
    """Write the model of a clustering into its folder; gives the file's name, which has its hash.

    Models that are there stay: whoever names one still finds it.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer,
        mean=model.reduction.mean,
        axes=model.reduction.axes,
        explained=np.float64(model.reduction.explained),
        places=model.places,
        owners=model.owners,
        reach=model.reach,
        centres=model.centres,
    )
    name = f"model-{hashlib.sha256(buffer.getvalue()).hexdigest()[:16]}.npz"
    artifacts.write_bytes(folder / name, buffer.getvalue())
    return name


def remove_others(folder: Path, name: str) -> None:
    """Remove the models that the one of this name has replaced."""
    for path in folder.glob(_PATTERN):
        if path.name != name:
            path.unlink(missing_ok=True)


def read(path: Path) -> Model:
    """Read the model of a clustering; pickles in it are not loaded.

    Raises:
        WorkspaceError: it is gone or damaged.
    """
    try:
        if artifacts.sha256_file(path)[:16] not in path.name:
            raise ValueError("its bytes are not those that were written")
        with np.load(path, allow_pickle=False) as held:
            reduction = Reduction(held["mean"], held["axes"], float(held["explained"]), unit=True)
            return Model(reduction, held["places"], held["owners"], held["reach"], held["centres"])
    except (OSError, ValueError, KeyError) as error:
        raise WorkspaceError(
            f"{path} is missing or damaged ({error}): run `naturalist cluster --rebuild`"
        ) from error
