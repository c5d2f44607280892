"""Searching by words while another process brings the index up to date."""

from pathlib import Path
from typing import Any

import pytest

import tiny
from naturalist.config import Config
from naturalist.curation import searching
from naturalist.curation.searching import Request, search_words
from naturalist.errors import WorkspaceError
from naturalist.progress import Silent


@pytest.fixture
def config(tmp_path: Path) -> Config:
    for k in range(3):
        tiny.write_picture(tmp_path / "raw" / "heron" / f"{k}.png", k)
    config = tiny.collection(tmp_path, {"animal": {"pond": tmp_path / "raw"}})
    tiny.make_all(config)
    search_words(config, Request("heron"), Silent())
    return config


def test_a_search_goes_on_where_another_process_brought_the_index_up_to_date(
    config: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search, calls = searching.search, 0

    def after_an_update(*given: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            tiny.write_picture(tmp_path / "raw" / "heron" / "new.png", 9)
            tiny.make_all(config)
            with tiny.job(config):
                searching.keeping.update(config, Silent())
        return search(*given, **more)

    monkeypatch.setattr(searching, "search", after_an_update)
    found = search_words(config, Request("heron"), Silent(), update=False)
    assert (calls, len(found["hits"])) == (2, 4)


def test_an_index_that_is_damaged_is_not_asked_for_ever(config: Config) -> None:
    for path in config.layout.root.rglob("*.tokens.parquet"):
        path.unlink()
    with pytest.raises(WorkspaceError):
        search_words(config, Request("heron"), Silent(), update=False)
