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
from naturalist.studies.classifier.model import predict, read_classifier
from naturalist.studies.drift.comparison import Predicted
from naturalist.studies.drift.rows import DrawnPictures, Pictures
from naturalist.studies.drift.unseen import Unseen

_COLUMNS = ["picID", "predicted", "given_probability", "outlier_score"]
_UNSEEN_COLUMNS = ["picID", "category", "predicted", "known", "held_out"]


def covering_model(layout: Layout, batch: int | None) -> str:
    """A model that was trained with a batch: the champion, else the newest; "" if there is none.

    Args:
        layout: the workspace.
        batch: number of the batch; None for the newest.
    """
    expected = pa.array(list(_some_of(layout, batch)), pa.string())
    champion = champions.champion(layout)
    names = [facts["id"] for facts in reversed(champions.models(layout))]
    names = [name for name in names if not champions.retired_answers(layout, name)]
    for name in sorted(names, key=lambda name: name != champion):
        path = layout.model(name) / "predictions.parquet"
        if path.exists() and len(expected):
            held = artifacts.read_parquet(path, ["picID"])["picID"]
            if pc.any(pc.is_in(expected, value_set=held.combine_chunks())).as_py():
                return str(name)
    return ""


def _some_of(layout: Layout, batch: int | None) -> Iterator[str]:
    """Accepted pictures of a batch, or of the newest one."""
    expected = ledger.last_batch(layout) if batch is None else batch
    for category in ledger.categories(layout):
        for summary in ledger.batches(layout, category):
            if summary.batch == expected:
                for shard in summary.shards:
                    first, last = summary.numbers(shard)
                    yield from (pic_id(category, n) for n in range(first, last + 1))


def held_out_predictions(model: Path, names: NDArray[np.str_]) -> Predicted | None:
    """What is stored beside a model about some pictures; None if one of them is not there."""
    table = artifacts.read_parquet(model / "predictions.parquet", _COLUMNS)
    expected = pa.array(names.tolist(), pa.string())
    places = pc.index_in(expected, value_set=table["picID"].combine_chunks())
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


def unseen_answers(model: Path, backbone_id: str, drawn: DrawnPictures) -> Unseen | None:
    """What a model that never saw the sources of the new pictures says of them.

    Pictures that the model was trained with have stored answers, made without their source; it is
    asked about others. Both are compared with stored answers about earlier sources.

    Args:
        model: its folder.
        backbone_id: of the features.
        drawn: the pictures; None is answered if the model takes the features of another backbone.
    """
    table = artifacts.read_parquet(model / "predictions.parquet", _UNSEEN_COLUMNS)
    usual = _recognised_by_source(table, drawn.before)
    places = _places(table, drawn.new)
    stored = ~np.isnan(places)
    categories = np.full(len(drawn.new), "", dtype=object)
    unlike = np.zeros(len(drawn.new), np.bool_)
    rows = table.take(pa.array(places[stored].astype(np.int64)))
    left_out = rows["held_out"].to_numpy()
    categories[stored] = np.where(left_out, np.array(rows["predicted"].to_pylist(), object), "")
    unlike[stored] = ~rows["known"].to_numpy()
    if not stored.all():
        classifier = read_classifier(model / "model.onnx")
        if classifier.backbone_id != backbone_id:
            return None
        predicted = predict(classifier, drawn.new.features[~stored])
        best = predicted.probabilities.argmax(axis=1)
        categories[~stored] = np.array(classifier.categories, object)[best]
        unlike[~stored] = ~predicted.known
    return Unseen(categories.astype(np.str_), unlike, usual)


def _places(table: pa.Table, pictures: Pictures) -> NDArray[np.float64]:
    """The row of each picture in stored predictions; NaN where there is none."""
    names = pa.array(pictures.pic_ids.tolist(), pa.string())
    places = pc.index_in(names, value_set=table["picID"].combine_chunks())
    result: NDArray[np.float64] = places.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return result


def _recognised_by_source(table: pa.Table, before: Pictures) -> dict[str, float]:
    """Of each earlier source that was left out, the share that was recognised."""
    places = _places(table, before)
    there = ~np.isnan(places)
    rows = table.take(pa.array(places[there].astype(np.int64)))
    right = pc.equal(rows["category"], rows["predicted"]).to_numpy()
    held, groups = rows["held_out"].to_numpy(), before.groups[there]
    names = np.unique(groups[held]).tolist()
    return {name: float(right[held & (groups == name)].mean()) for name in names}
