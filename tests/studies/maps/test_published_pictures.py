"""The pictures that are published beside a map: which, and of what they are made."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests import tiny

from naturalist import artifacts, ledger
from naturalist.config import Config
from naturalist.curation import takedown
from naturalist.schemas import map_schema
from naturalist.studies.maps.published_pictures import MOST, representatives, write_pictures
from naturalist.studies.withheld_rows import StudyFiles

NAMES = [f"plant_id_{n}" for n in range(1, 7)]
_PLACES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(0, 60), st.sampled_from((2, 3))),
    elements=st.floats(-1e6, 1e6, width=32) | st.just(float("nan")),
)


@given(_PLACES)
def test_every_cell_has_one_picture(places: np.ndarray) -> None:
    rows = representatives(places, np.zeros(len(places), np.float32))
    assert len(rows) == len(set(rows)) <= MOST
    assert (len(rows) > 0) == (len(places) > 0)
    assert list(rows) == sorted(rows)


def test_rare_kinds_have_better_chances_and_winners_stay_when_pictures_come() -> None:
    rng = np.random.default_rng(1)
    places = rng.random((4_000, 2)).astype(np.float32)
    places[:2] = [[0, 0], [1, 1]]
    density = np.ones(4_000, np.float32)
    density[3_000:] = 0
    rows = representatives(places, density)
    assert (rows >= 3_000).mean() > 0.5
    before = representatives(places[:3_900], density[:3_900])
    assert len(set(before) & set(rows)) > 0.8 * len(before)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    config = tiny.collection(tmp_path, tiny.make_sources(tmp_path / "in", {"plant": range(6)}))
    tiny.make_all(config)
    points = {"picID": NAMES, "sampled": [True] * 6, "x": np.arange(6, dtype=np.float32)}
    points |= {name: np.zeros(6, np.float32) for name in ("y", "confidence", "density")}
    table = pa.table({name: points[name] for name in map_schema(2).names}, map_schema(2))
    artifacts.write_parquet(config.layout.map("tsne-2d") / "points.parquet", table)
    return config


def _written(config: Config) -> dict[str, bytes]:
    path = write_pictures(StudyFiles.of(config.layout), "tsne-2d", ledger.withheld(config.layout))
    assert path is not None
    columns = pq.read_table(path).to_pydict()
    return dict(zip(columns["picID"], columns["thumbnail"], strict=True))


def test_thumbnails_lie_in_the_order_of_the_map_and_a_picture_that_is_gone_leaves(
    config: Config,
) -> None:
    first = _written(config)
    assert list(first) == NAMES
    assert all(jpeg.startswith(b"\xff\xd8\xff") for jpeg in first.values())
    takedown.take_down(config, NAMES[:1], "asked for", "me")
    # What is known already is not read again.
    for path in config.layout.previews("plant", 0, 0).parent.glob("*.parquet"):
        path.unlink()
    assert _written(config) == {name: first[name] for name in NAMES[1:]}


def test_a_map_without_thumbnails_has_no_pictures(config: Config) -> None:
    for path in config.layout.previews("plant", 0, 0).parent.glob("*.parquet"):
        path.unlink()
    assert (
        write_pictures(StudyFiles.of(config.layout), "tsne-2d", ledger.withheld(config.layout))
        is None
    )
