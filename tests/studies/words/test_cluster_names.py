"""Names of clusters, kept up to date by the step `words` of a run."""

from pathlib import Path

import pytest
from tests import tiny

from naturalist.config import load_config
from naturalist.layout import Layout
from naturalist.pipeline.studies import STEPS
from naturalist.studies.clusters import names


@pytest.fixture
def workspace(photo_copy: Path) -> Path:
    with tiny.job(load_config(photo_copy)) as job:
        STEPS["clusters"](job)
    return photo_copy


def step(workspace: Path) -> dict[str, dict[str, object]]:
    with tiny.job(load_config(workspace)) as job:
        return STEPS["words"](job)


def test_a_run_makes_the_index_of_words_and_names_clusters_once(workspace: Path) -> None:
    folder = Layout(workspace).clustering("default")
    first = step(workspace)
    assert {name: one["changed"] for name, one in first.items()} == dict.fromkeys(
        ("index", "words", "names"), True
    )
    kept = names.names_of(folder).read_report()
    assert kept is not None
    best = {int(one["group"]): one["names"][0]["name"] for one in kept["entries"] if one["names"]}
    assert names.read(folder) == best
    again = step(workspace)
    assert not any(one["changed"] for one in again.values())
    assert names.names_of(folder).read_report() == kept


def test_names_are_found_again_when_the_clusters_are_others(workspace: Path) -> None:
    step(workspace)
    folder = Layout(workspace).clustering("default")
    tiny.flip_byte(folder / "members.parquet", 20)
    assert names.read(folder) == {}
    assert names.names_of(folder).read_report() is None


def test_without_clusters_there_are_no_names(photo_copy: Path) -> None:
    assert "names" not in step(photo_copy)
