from pathlib import Path

import numpy as np
import pytest
from tests import tiny

import naturalist
from naturalist.errors import ConfigError
from naturalist.features import fingerprint_of, open_features


def test_the_rows_are_those_of_the_tables_with_their_sources(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(7), "animal": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    rows = open_features(config.layout.root).read()
    features, labels, pic_ids = naturalist.load(config.layout.root).numpy()
    assert np.array_equal(rows.features, features)
    assert np.array_equal(rows.labels, labels)
    assert np.array_equal(rows.pic_ids, pic_ids)
    assert set(rows.sources) == {"photos"}
    assert list(rows.categories) == ["plant", "animal"]
    assert (rows.category_names == [name.partition("_id_")[0] for name in pic_ids]).all()


def test_the_fingerprint_changes_with_the_tables(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(3), "animal": range(10, 13)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    before = open_features(config.layout.root).read().fingerprint
    assert fingerprint_of(config.layout.root) == before
    assert open_features(config.layout.root).read().fingerprint == before
    tiny.write_picture(tmp_path / "in/plant/9999.png", 9999)
    tiny.make_all(config)
    after = open_features(config.layout.root).read().fingerprint
    assert fingerprint_of(config.layout.root) == after != before


def test_a_workspace_without_tables_says_what_to_do(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": [1], "animal": [2]})
    config = tiny.collection(tmp_path, sources)
    tiny.ingest(config)
    with pytest.raises(ConfigError, match="naturalist run"):
        open_features(config.layout.root).read()
