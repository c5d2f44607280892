"""What a classifier says of the pictures of a batch and of those from before it, told fairly.

A classifier knows the pictures that it was trained with better than others, so the answers of a
model that was made before a batch would differ for that reason alone. Here are taken the held-out
predictions that are stored beside a model trained with both: within a source, new and earlier
pictures were predicted by the same classifier, which had seen neither.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist import artifacts, ledger
from naturalist.layout import Layout, pic_id
from naturalist.studies.classifier import champions
from naturalist.studies.drift.comparison import Predicted

_COLUMNS = ["picID", "predicted", "given_probability", "outlier_score"]


def covering_model(layout: Layout, batch: int | None) -> str:
    """A model that was trained with a batch: the champion, else the newest; "" if there is none.

    Args:
        layout: the workspace.
        batch: number of the batch; None for the newest.
    """
    wanted = pa.array(list(_some_of(layout, batch)), pa.string())
    champion = champions.champion(layout)
    names = [facts["id"] for facts in reversed(champions.models(layout))]
    for name in sorted(names, key=lambda name: name != champion):
        path = layout.model(name) / "predictions.parquet"
        if path.exists() and len(wanted):
            held = artifacts.read_parquet(path, ["picID"])["picID"]
            if pc.any(pc.is_in(wanted, value_set=held.combine_chunks())).as_py():
                return str(name)
    return ""


def _some_of(layout: Layout, batch: int | None) -> Iterator[str]:
    """Accepted pictures of a batch, or of the newest one."""
    wanted = ledger.last_batch(layout) if batch is None else batch
    for category in ledger.categories(layout):
        for summary in ledger.batches(layout, category):
            if summary.batch == wanted:
                for shard in summary.shards:
                    first, last = summary.numbers(shard)
                    yield from (pic_id(category, n) for n in range(first, last + 1))


def held_out_predictions(model: Path, names: NDArray[np.str_]) -> Predicted | None:
    """What is stored beside a model about some pictures; None if one of them is not there."""
    table = artifacts.read_parquet(model / "predictions.parquet", _COLUMNS)
    wanted = pa.array(names.tolist(), pa.string())
    places = pc.index_in(wanted, value_set=table["picID"].combine_chunks())
    if places.null_count:
        return None
    rows = table.take(places)
    return Predicted(
        np.array(rows["predicted"].to_pylist(), np.str_),
        {
            "probability of the category": rows["given_probability"].to_numpy().astype(np.float64),
            "outlier score": rows["outlier_score"].to_numpy().astype(np.float64),
        },
    )
