"""A workspace of version 0.1.0 opens: each command does its work, or says what to do."""

from pathlib import Path
from typing import Any

import pytest

import tiny
from cli.conftest import Naturalist
from naturalist import artifacts, categories
from naturalist.config import Config, load_config
from naturalist.layout import Layout

SEEDS = {"plant": range(6), "animal": range(10, 16), "human": range(20, 26)}
NEW_METRICS = ("silhouette_features", "trustworthiness_features", "continuity_features")
"""Measures of clusters and maps that 0.1.0 did not take."""


@pytest.fixture
def old(naturalist: Naturalist, tmp_path: Path) -> Config:
    """A collection with studies, its files without what came after 0.1.0."""
    path = tiny.config_file(tmp_path, tiny.make_sources(tmp_path / "in", SEEDS))
    config = load_config(path)
    tiny.make_all(config)
    for command in ("cluster", "map", "train"):
        assert naturalist(command, "-c", str(tmp_path), "-q").code == 0, command
    as_before(config.layout)
    return config


def as_before(layout: Layout) -> None:
    """Take out of a workspace what 0.1.0 did not write."""
    marker = artifacts.read_json(layout.marker)
    old = {key: marker[key] for key in ("format", "image_roots", "name")}
    artifacts.write_json(layout.marker, old | {"made_by": "0.1.0"})
    for path in (*layout.maps.glob("*/map.json"), *layout.clusterings.glob("*/clusters.json")):
        report = artifacts.read_json(path)
        report.pop("measured", None)
        for name in NEW_METRICS:
            report["metrics"].pop(name, None)
        artifacts.write_json(path, report)
    layout.seals.unlink()


def test_it_opens_and_follows_its_categories_from_then_on(
    naturalist: Naturalist, old: Config
) -> None:
    place = old.layout.root.parent
    where = ("-c", str(place))
    for command in (("status",), ("run", "-q"), ("cluster", "-q"), ("map", "-q"), ("train", "-q")):
        ended = naturalist(*command, *where)
        assert ended.code == 0, (command, ended.err)
    marker: dict[str, Any] = artifacts.read_json(old.layout.marker)
    assert {one["name"]: one["label"] for one in marker["categories"]} == {
        "plant": 0,
        "animal": 1,
        "human": 4,
    }

    path = place / "naturalist.toml"
    before = path.read_text()
    path.write_text(before.replace('"name" = "human"', '"name" = "people"'))
    ended = naturalist("run", *where, "-q")
    assert ended.code == 2
    assert f"category rename -c {place} human people" in ended.err
    path.write_text(before)
    assert naturalist("category", "retire", "human", *where).code == 0
    assert naturalist("run", *where, "-q").code == 0
    assert categories.read(old.layout).retired_names == {"human"}
    picture = str(place / "in" / "plant" / "0000.png")
    assert naturalist("predict", picture, *where, "-q").code == 2
    assert naturalist("train", *where, "-q").code == 0
    assert naturalist("predict", picture, *where, "-q").code == 0
