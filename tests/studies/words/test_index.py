from pathlib import Path

import numpy as np
import pytest

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.features import open_features
from naturalist.layout import Layout
from naturalist.progress import SILENT
from naturalist.studies.study import bring_up_to_date
from naturalist.studies.words.index import WordIndex, open_word_index
from naturalist.studies.words.methods.top_classes import Head
from naturalist.studies.words.study import WordStudy
from studies.vector_tables import write_tables

DIM = 8


def head() -> Head:
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((40, DIM)).astype(np.float32)
    return Head(weights, np.zeros(40, np.float32))


def vectors(count: int) -> np.ndarray:
    return np.random.default_rng(1).standard_normal((count, DIM)).astype(np.float32)


def update(layout: Layout) -> WordIndex:
    files = open_features(layout.root)
    bring_up_to_date(WordStudy(files, layout, "tiny-1", head, SILENT))
    return open_word_index(layout, "tiny-1")


def test_only_the_parts_of_tables_that_changed_are_written(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, {"plant": vectors(700), "animal": vectors(50)})
    index = update(layout)
    assert index.rows == 750
    before = {path.name: path.stat().st_mtime_ns for path in index.folder.iterdir()}
    write_tables(tmp_path, {"plant": vectors(800)})
    grown = update(layout)
    assert grown.rows == 850
    after = {path.name: path.stat().st_mtime_ns for path in grown.folder.iterdir()}
    kept = {name for name in before if after.get(name) == before[name]}
    assert len(kept) == 8  # two parts of four files each are as they were
    assert len(after) == len(before)


def test_an_index_is_opened_once_a_process_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(artifacts, "is_settled", lambda stamp: True)
    layout = write_tables(tmp_path, {"plant": vectors(20)})
    update(layout)
    held = open_word_index(layout, "tiny-1")
    assert open_word_index(layout, "tiny-1") is held
    write_tables(tmp_path, {"plant": vectors(30)})
    assert update(layout).rows == 30


def test_an_index_without_a_head_has_words_only(tmp_path: Path) -> None:
    layout = write_tables(tmp_path, {"plant": vectors(5)})
    files = open_features(tmp_path)
    bring_up_to_date(WordStudy(files, layout, "tiny-1", None, SILENT))
    index = open_word_index(layout, "tiny-1")
    assert not index.has_classes
    assert index.parts[0].top is None
    assert {(token.field, token.text) for token in index.parts[0].tokens.frequent(1)} == {
        ("category", "plant")
    }
    assert update(layout).has_classes


def test_opening_an_index_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="naturalist search"):
        open_word_index(Layout(tmp_path), "tiny-1")
