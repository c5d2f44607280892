"""Queues of the review that ask about predictions: which pictures, and in which order."""

from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests import tiny

from naturalist import artifacts
from naturalist.config import Config
from naturalist.curation.decisions import Decision
from naturalist.curation.review import review
from naturalist.curation.reviewing.queues import NEXT, items_of
from naturalist.progress import Silent
from naturalist.schemas import PREDICTIONS
from naturalist.stages.ingest.resolve import Kind
from naturalist.studies.classifier import champions

PICTURES = {"plant": range(70), "animal": range(100, 130), "human": [200]}
"""More of a category than the queue `next` holds, fewer, and a single one."""
DECIDED = "plant_id_3"


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A collection with one picture that a person decided about, and with predictions."""
    folder = tmp_path_factory.mktemp("queues")
    config = tiny.collection(folder, tiny.make_sources(folder / "in", PICTURES))
    tiny.make_all(config)
    review(config, Silent(), [Decision(1, DECIDED, Kind.KEEP)], "anna")
    champions.record(config.layout, "m1", "promote", champions.FIRST)
    table = pa.Table.from_pylist(predictions(config), schema=PREDICTIONS)
    artifacts.write_parquet(config.layout.model("m1") / "predictions.parquet", table)
    return config


def predictions(config: Config) -> list[dict[str, Any]]:
    """Random ones; also of a picture that is no longer there."""
    rng = np.random.default_rng(0)
    accepted = [row["pic_id"] for row in tiny.ledger_rows(config) if row["outcome"] == "accepted"]
    return [
        {
            "picID": pic_id,
            "category": pic_id.partition("_")[0],
            "predicted": str(rng.choice(list(PICTURES))),
            "probability": float(rng.uniform(0.3, 1)),
            "given_probability": 0.5,
            "outlier_score": float(rng.uniform()),
            "known": bool(rng.integers(2)),
            "sure": bool(rng.integers(2)),
            "held_out": True,
        }
        for pic_id in [*accepted, "plant_id_9999"]
    ]


def open_ones(config: Config) -> list[dict[str, Any]]:
    """The least certain first."""
    gone = {DECIDED, "plant_id_9999"}
    rows = [row for row in predictions(config) if row["picID"] not in gone]
    return sorted(rows, key=lambda row: row["probability"])


def test_each_pair_of_category_and_prediction_takes_its_turn(config: Config) -> None:
    pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in open_ones(config):
        pairs[row["category"], row["predicted"]].append(row["picID"])
    expected: list[str] = []
    while any(pairs.values()):
        expected += [waiting.pop(0) for waiting in pairs.values() if waiting]
    assert [item.key for item in items_of(config, "next")] == expected[:NEXT]


def test_uncertain_pictures_come_by_their_probability(config: Config) -> None:
    expected = [row["picID"] for row in open_ones(config) if not row["sure"]]
    assert [item.key for item in items_of(config, "unsure")] == expected


def test_unlike_pictures_come_by_their_score(config: Config) -> None:
    rows = sorted(open_ones(config), key=lambda row: -row["outlier_score"])
    expected = [row["picID"] for row in rows if not row["known"]]
    assert [item.key for item in items_of(config, "unlike")] == expected
