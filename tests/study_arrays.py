"""What studies have made, for comparing it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq


def arrays(root: Path) -> dict[str, Any]:
    """Arrays and tables of all studies of a workspace, without the time at which they were made."""
    made: dict[str, Any] = {}
    for folder in ("index", "clusters", "maps", "duplicates"):
        for path in sorted((root / folder).rglob("*.*")):
            name = str(path.relative_to(root))
            if path.suffix == ".npy":
                made[name] = np.load(path).tobytes()
            if path.suffix == ".npz":
                made[name] = {key: value.tobytes() for key, value in np.load(path).items()}
            if path.suffix == ".parquet":
                made[name] = pq.read_table(path).replace_schema_metadata()
    return made
