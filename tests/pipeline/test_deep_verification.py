"""`verify --deep` makes features and tables once more, and finds what checksums cannot."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

import tiny
from naturalist import backbones
from naturalist.config import Config
from naturalist.pipeline import steps
from naturalist.stages import extract
from naturalist.stages.verify.verdicts import hard


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Two categories, run; no picture is extracted again of itself."""
    sources = tiny.make_sources(
        tmp_path / "sources", {"plant": range(7), "animal": range(100, 104)}
    )
    config = tiny.collection(tmp_path, sources, verify={"sample_share": 0.0})
    tiny.make_all(config)
    return config


def findings(config: Config, *, deep: bool) -> list[str]:
    """Names of the checks that fail."""
    with tiny.job(config) as job:
        features = steps.verify_features(job, again=True, deep=deep)
        tables = steps.verify_tables(job, again=True, deep=deep)
    return [one.check for one in hard([*features.verdicts, *tables.verdicts])]


def other_vector(config: Config) -> None:
    """A vector that was wrong before its checksum was taken, in the table too."""
    spec = backbones.describe(config.extract.backbone)
    path = extract.parts(config.layout, "plant", spec)[0].path
    table = pq.read_table(path, partitioning=None)
    at = table.schema.get_field_index("features")
    vectors = np.stack(table["features"].to_numpy()).astype(np.float32)
    vectors[0] = vectors[0][::-1] + 1
    column = type(table["features"].chunk(0)).from_arrays(vectors.reshape(-1), vectors.shape[1])
    pq.write_table(table.set_column(at, table.schema.field(at), column), path)
    tiny.rehash(path)
    with tiny.job(config) as job:
        steps.write_tables(job, rebuild=True)


def other_writer(config: Config) -> None:
    """A table with the same rows, written in another way."""
    path = config.layout.table("plant", 1)
    pq.write_table(pq.read_table(path, partitioning=None), path, compression="none")
    tiny.rehash(path)


@pytest.mark.parametrize(
    ("change", "found"), [(other_vector, "re_extraction"), (other_writer, "re_derivation")]
)
def test_what_has_a_good_checksum_and_is_wrong_is_found_by_making_it_again(
    config: Config, change: Callable[[Config], None], found: str
) -> None:
    assert findings(config, deep=True) == []
    change(config)
    assert findings(config, deep=False) == []
    assert findings(config, deep=True) == [found]


def test_nothing_is_left_behind(config: Config) -> None:
    assert findings(config, deep=True) == []
    assert not config.layout.scratch.exists()
