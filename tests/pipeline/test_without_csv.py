"""A collection whose tables are Parquet only: every stage follows, either way."""

from pathlib import Path

import numpy as np
import pytest

import naturalist
import tiny
from naturalist import snapshots
from naturalist.config import Config
from naturalist.consume.pulling import pull
from naturalist.consume.selection import Selection
from naturalist.errors import ConfigError
from naturalist.features import open_features
from naturalist.pipeline import runner
from naturalist.progress import Silent
from naturalist.stores import open_store
from naturalist.studies.exporting import export_tables

SEEDS = {"plant": range(7), "animal": range(100, 103)}


def configured(folder: Path, *, csv: bool) -> Config:
    more = {
        "tables": {"rows_per_table": 5, "csv": csv},
        "publish": {"url": str(folder / "published")},
    }
    return tiny.collection(folder, tiny.make_sources(folder / "sources", SEEDS), **more)


def run(config: Config) -> runner.RunReport:
    return runner.run(config, Silent(), runner.RunOptions())


def csv_files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.csv")}


def published_csv(folder: Path) -> list[str]:
    snapshot = snapshots.read(open_store(str(folder / "published")))
    return [file.name for file in snapshot.files if file.name.endswith(".csv")]


def test_a_collection_goes_without_csv_and_back(tmp_path: Path) -> None:
    with_csv, without = (configured(tmp_path, csv=csv) for csv in (True, False))
    work = with_csv.layout.root
    run(with_csv)
    expected, rows = csv_files(work), naturalist.load(work).numpy()
    assert len(expected) == len(published_csv(tmp_path)) == 3
    assert run(without).stages["tables"]["written"] == 3
    assert csv_files(work) == {}
    assert published_csv(tmp_path) == []
    for one, other in zip(naturalist.load(tmp_path / "published").numpy(), rows, strict=True):
        np.testing.assert_array_equal(one, other)
    assert "in tables as Parquet." in (work / "outbox/README.md").read_text()
    assert runner.verify(without, Silent(), deep=True)["passed"]
    assert run(without).changed is False
    run(with_csv)
    assert csv_files(work) == expected
    assert len(published_csv(tmp_path)) == 3


@pytest.mark.parametrize("place", ["work", "published"])
def test_tables_are_written_as_csv_on_demand_with_the_bytes_of_a_run(
    tmp_path: Path, place: str
) -> None:
    with_csv, without = (configured(tmp_path, csv=csv) for csv in (True, False))
    run(with_csv)
    expected = csv_files(with_csv.layout.root)
    run(without)
    files = open_features(tmp_path / place)
    done = export_tables(files, (), tmp_path / "all", Silent())
    assert csv_files(tmp_path / "all") == expected
    assert (done.rows, sorted(done.files)) == (10, sorted(expected))
    done = export_tables(files, ["animal"], tmp_path / "some", Silent())
    assert (done.rows, done.of) == (3, 10)
    assert csv_files(tmp_path / "some").keys() == {"tables/animal/image_df_1.csv"}
    with pytest.raises(ConfigError, match="no category 'moss'"):
        export_tables(files, ["moss"], tmp_path / "none", Silent())


@pytest.mark.parametrize("formats", [("csv",), ("parquet", "csv")])
def test_pulling_csv_of_a_collection_without_it_names_the_format_that_there_is(
    tmp_path: Path, formats: tuple[str, ...]
) -> None:
    run(configured(tmp_path, csv=False))
    store, here = open_store(str(tmp_path / "published")), tmp_path / "here"
    with pytest.raises(ConfigError, match="as parquet only, not as csv: choose parquet, and write"):
        pull(store, here, Selection(formats=formats))
    assert not here.exists()
    assert pull(store, here, Selection(formats=formats, parts=("ledger",))).fetched_files
