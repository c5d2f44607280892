"""Fixed linear maps from a network's features to fewer, shipped as plain numbers.

Each is a matrix (rows out, columns in) with orthonormal rows, made once by a script in ``tools/``
and never changed under its name.
"""

from importlib import resources

import numpy as np

from naturalist.backbones.networks.graph import Floats


def read_projection(name: str) -> Floats:
    """Return the matrix (out, in) of a projection, as float32."""
    file = resources.files("naturalist.backbones") / "numbers" / f"{name}.npy"
    with resources.as_file(file) as path:
        matrix: Floats = np.load(path, allow_pickle=False).astype(np.float32)
    return matrix
