"""Thumbnails are found by the id of a picture, whatever shard and row group they lie in."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tiny
from naturalist.config import Config
from naturalist.dashboard import catalogue, thumbnails
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import DashboardContext, open_context
from naturalist.stages import extract


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    """Eleven plants in shards of five with row groups of two, and one animal."""
    monkeypatch.setattr(extract, "_PREVIEW_GROUP_ROWS", 2)
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(11), "animal": [99]})
    config = tiny.collection(tmp_path, sources, extract={"shard_size": 5})
    tiny.make_all(config)
    return config


@pytest.fixture
def context(config: Config) -> Iterator[DashboardContext]:
    found = open_context(open_workspace(config))
    yield found
    found.close()


def stored(config: Config) -> dict[str, bytes]:
    files = sorted((config.layout.root / "previews").rglob("*.parquet"))
    assert max(pq.read_metadata(path).num_row_groups for path in files) == 3
    rows = [row for path in files for row in pq.read_table(path, partitioning=None).to_pylist()]
    return {row["pic_id"]: row["thumbnail"] for row in rows}


@pytest.mark.parametrize("kept_bytes", [1, 24_000_000])
def test_each_picture_has_its_own_thumbnail_however_little_is_kept(
    config: Config, context: DashboardContext, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thumbnails, "_KEPT_BYTES", kept_bytes)
    expected = stored(config)
    for _ in range(2):
        assert {name: context.thumbnails.get(name) for name in expected} == expected
    assert context.thumbnails.get("plant_id_12") is None


def test_one_picture_costs_one_row_group(
    context: DashboardContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.thumbnails.get("plant_id_1")
    read: list[list[int]] = []
    whole = thumbnails.artifacts.read_row_groups

    def noted(path: Path, groups: list[int], *more: object, **options: bool) -> object:
        read.append(list(groups))
        return whole(path, groups, *more, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(thumbnails.artifacts, "read_row_groups", noted)
    context.thumbnails.get("plant_id_2")
    context.thumbnails.get("plant_id_3")
    assert read == [[1]]


def test_shards_of_a_new_run_are_found_by_a_server_that_goes_on(
    config: Config,
    context: DashboardContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "_LOOKED_AT_S", 0.0)
    assert context.thumbnails.get("plant_id_12") is None
    tiny.write_picture(tmp_path / "in/plant/9999.png", 9999)
    tiny.make_all(config)
    expected = stored(config)
    assert "plant_id_12" in expected
    assert {name: context.thumbnails.get(name) for name in expected} == expected
