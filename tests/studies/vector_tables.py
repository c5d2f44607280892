"""Workspaces whose tables hold vectors that a test chooses; all else is as a run leaves it."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.categories import Categories, Category, in_marker
from naturalist.layout import Layout, pic_id
from naturalist.schemas import table_schema

LABELS = {"plant": 0, "animal": 1, "human": 2}
ROWS_PER_TABLE = 500


def write_tables(
    root: Path, vectors: dict[str, NDArray[np.float32]], backbone: str = "tiny-1"
) -> Layout:
    """Write the tables of each category, as Parquet; more vectors than before make them grow."""
    layout = Layout(root)
    marker = {"format": 1, "name": "vectors", "made_by": "test", "image_roots": []}
    held = sorted({*vectors, *(path.name for path in layout.tables.glob("*"))})
    known = Categories(tuple(Category(name, name, LABELS[name]) for name in held))
    artifacts.write_json(layout.marker, marker | in_marker(known))
    for category, all_rows in vectors.items():
        for k, start in enumerate(range(0, len(all_rows), ROWS_PER_TABLE), start=1):
            rows = all_rows[start : start + ROWS_PER_TABLE]
            _write_table(layout, category, k, start, rows, backbone)
    return layout


def _write_table(
    layout: Layout,
    category: str,
    k: int,
    start: int,
    rows: NDArray[np.float32],
    backbone: str,
) -> None:
    path = layout.table(category, k)
    columns: dict[str, Any] = {
        "picID": [pic_id(category, start + n + 1) for n in range(len(rows))],
        "category_label": np.full(len(rows), LABELS[category], np.int32),
        "source": ["photos"] * len(rows),
        "features": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel()), rows.shape[1]),
    }
    table = pa.table(columns, schema=table_schema(rows.shape[1]))
    artifacts.write_parquet(path, table, metadata={"backbone": backbone, "category": category})
    sha256 = artifacts.sha256_file(path)
    receipt = artifacts.Receipt(sha256, len(rows), {path.name: sha256}, facts={"k": k})
    artifacts.write_receipt(path, receipt)
