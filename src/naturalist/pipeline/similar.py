"""Looking for a picture or a file in the index of similar pictures of a workspace."""

import contextlib
from pathlib import Path
from typing import NotRequired

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from typing_extensions import TypedDict

from naturalist import backbones, ledger
from naturalist.config import Config
from naturalist.errors import ConfigError, PictureError, WorkspaceLocked
from naturalist.features import FeatureTable
from naturalist.images.apart import DecoderProcess
from naturalist.layout import Layout
from naturalist.ledger import Withheld
from naturalist.pipeline import studies, words
from naturalist.progress import Progress
from naturalist.stages.extract import decode_for
from naturalist.studies.similar.report import Recall
from naturalist.studies.similar.study import Index, IndexStudy, open_index
from naturalist.studies.study import bring_up_to_date

NOTHING_WITHHELD = Withheld()
_ELSEWHERE = "own"
"""Backbone of an index over features that are not the workspace's."""


class SimilarHit(TypedDict):
    """A similar picture; `path`, inside its source, is there where the ledger is."""

    picID: str
    category: str
    source: str
    rank: int
    cosine: float
    path: NotRequired[str | None]


class SimilarReport(TypedDict):
    """The pictures most similar to one, and how many of the truly nearest the index finds."""

    picture: str
    rows: list[SimilarHit]
    recall: Recall


def similar_pictures(config: Config, picture: str, k: int, progress: Progress) -> SimilarReport:
    """The `k` pictures of a workspace that are most similar to one of them, or to a file.

    The index is brought up to date first. A file is not added to the collection.

    Raises:
        ConfigError: there are no tables, no such picture, or the file is not a picture.
        WorkspaceLocked: somebody else is writing, and there is no index yet.
        BackboneError: the network cannot be loaded, for a file.
    """
    path = Path(picture)
    asked = vector_of_file(config, path) if path.is_file() else picture
    found = fresh_index(config, progress)
    hits = with_paths(config.layout, similar(found, asked, k, ledger.withheld(config.layout)))
    return {"picture": picture, "rows": hits, "recall": found.about["recall"]}


def similar_elsewhere(
    files: FeatureTable, layout: Layout, picture: str, k: int, progress: Progress
) -> SimilarReport:
    """The `k` pictures most similar to one of a collection that is no workspace.

    Args:
        files: its features.
        layout: where the index goes; one that is there is brought up to date.
        picture: id of a picture.
        k: how many pictures at most.
        progress: hears how far it is.

    Raises:
        ConfigError: there is no such picture.
        StoreError: the store failed.
    """
    bring_up_to_date(IndexStudy(files, layout, _ELSEWHERE, progress))
    found = open_index(layout, backbone=_ELSEWHERE)
    return {
        "picture": picture, "rows": similar(found, picture, k), "recall": found.about["recall"],
    }  # fmt: skip


def _backbone_id(config: Config) -> str:
    return backbones.describe(config.extract.backbone).id


def fresh_index(config: Config, progress: Progress) -> Index:
    """The index, brought up to date if nobody else is writing to the workspace.

    Raises:
        ConfigError: there are no tables.
        WorkspaceLocked: somebody else is writing, and there is no index yet.
    """
    try:
        studies.study(config, progress, words.index)
    except WorkspaceLocked:
        if not (config.layout.index(_backbone_id(config)) / "index.json").exists():
            raise
        progress.note("another command is writing to the workspace: the existing index is used")
    return open_index(config.layout, backbone=_backbone_id(config))


def vector_of_file(config: Config, path: Path) -> NDArray[np.float32]:
    """The features of a picture file, by the backbone of the collection.

    Raises:
        ConfigError: it cannot be read, is not a picture, or takes longer than
            `limits.decode_timeout_s` to decode.
        BackboneError: the network cannot be loaded.
    """
    with contextlib.closing(DecoderProcess(config.limits.decode_timeout_s)) as process:
        network = backbones.load(config.extract.backbone)
        try:
            data, limits = path.read_bytes(), config.picture_limits
            picture = decode_for(network.spec, data, limits, process.decode)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
        except PictureError as error:
            raise ConfigError(f"{path} cannot be used as a picture ({error})") from error
    vectors = network.features(network.prepare(picture.pixels)[np.newaxis])
    return np.asarray(vectors[0], np.float32)


def similar(
    index: Index, query: NDArray[np.float32] | str, k: int, gone: Withheld = NOTHING_WITHHELD
) -> list[SimilarHit]:
    """The `k` nearest pictures to a vector, or to a picture of the index, itself left out.

    Args:
        index: to look in.
        query: a vector (dim,), or the id of a picture.
        k: how many at most.
        gone: pictures that left the collection after the index was made.

    Raises:
        ConfigError: there is no such picture in the index.
    """
    own = -1
    if isinstance(query, str):
        known = None if query in gone else index.vector(query)
        if known is None:
            raise ConfigError(
                f"{query} is neither a picture in the tables nor a file: ids look like plant_id_7"
            )
        query, own = known
    kept = _nearest(index, query, own, k, gone)
    return [
        {
            "picID": row["picID"],
            "category": row["category"],
            "source": row["source"],
            "rank": rank,
            "cosine": round(float(cosine), 4),
        }
        for rank, (row, cosine) in enumerate(kept, 1)
    ]


def _nearest(
    index: Index, vector: NDArray[np.float32], own: int, k: int, gone: Withheld
) -> list[tuple[dict[str, str], float]]:
    """The nearest rows of an index that may be shown, with their cosines; not row `own`."""
    count = k + 1
    while True:
        rows, cosines = index.search(vector[np.newaxis], min(count, index.rows))
        named = index.names(rows[0])
        kept = [
            (row, cosine)
            for at, row, cosine in zip(rows[0], named, cosines[0], strict=True)
            if at != own and row["picID"] not in gone
        ]
        if len(kept) >= k or count >= index.rows:
            return kept[:k]
        count *= 2


def with_paths(layout: Layout, hits: list[SimilarHit]) -> list[SimilarHit]:
    """The same hits with the path of each picture inside its source, by the ledger."""
    names = pa.table({"pic_id": pa.array([hit["picID"] for hit in hits], pa.string())})
    with ledger.connect(layout) as connection:
        connection.register("asked", names)
        query = (
            "SELECT pic_id, path_text FROM ledger SEMI JOIN asked USING (pic_id) "
            "WHERE outcome = 'accepted'"
        )
        rows = ledger.query(connection, query).to_pylist()
    paths = {row["pic_id"]: row["path_text"] for row in rows}
    return [{**hit, "path": paths.get(hit["picID"])} for hit in hits]
