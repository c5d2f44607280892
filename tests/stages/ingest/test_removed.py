import shutil
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.tiny import Row, collection, ingest, ledger_rows, make_sources, write_picture

from naturalist import ledger
from naturalist.config import Config

RETIRE = {"ingest": {"removed": "retire"}}


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Pictures 1 to 5, two of them twice."""
    sources = make_sources(tmp_path / "sources", {"plant": [1, 2, 3, 4, 5], "animal": [9]})
    for seed in (1, 2):
        write_picture(tmp_path / f"sources/plant/again/{seed}.png", seed)
    made = collection(tmp_path, sources, **RETIRE)
    ingest(made)
    return made


def plants(config: Config) -> Path:
    return config.source_paths["plant"]["photos"]


def outcomes(config: Config) -> dict[str, str]:
    rows: list[Row] = [row for row in ledger_rows(config) if row["pic_id"]]
    return {row["pic_id"]: row["reason"] or row["outcome"] for row in rows}


def counts(config: Config) -> ledger.SourceCounts:
    return ledger.counts(config.layout, "plant")["photos"]


def gone(config: Config) -> set[str]:
    return {pic for pic, word in outcomes(config).items() if word == "removed_from_source"}


def test_a_removed_file_retires_its_picture(config: Config) -> None:
    (plants(config) / "0003.png").unlink()
    assert ingest(config).retired == 1
    assert outcomes(config)["plant_id_3"] == "removed_from_source"
    assert counts(config).refused == {"removed_from_source": 1}
    assert counts(config).seen == 7


def test_a_second_look_changes_nothing(config: Config) -> None:
    (plants(config) / "0003.png").unlink()
    ingest(config)
    before = sorted(config.layout.amendments("plant").iterdir())
    again = ingest(config)
    assert (again.retired, again.restored) == (0, 0)
    assert sorted(config.layout.amendments("plant").iterdir()) == before


def test_a_file_that_is_there_again_brings_its_picture_back(config: Config) -> None:
    path = plants(config) / "0003.png"
    data = path.read_bytes()
    path.unlink()
    ingest(config)
    path.write_bytes(data)
    assert ingest(config).restored == 1
    assert outcomes(config)["plant_id_3"] == "accepted"
    assert counts(config).refused == {}


def test_a_picture_stays_while_another_file_has_its_bytes(config: Config) -> None:
    (plants(config) / "0001.png").unlink()
    assert ingest(config).retired == 0
    (plants(config) / "again/1.png").unlink()
    assert ingest(config).retired == 1


def test_a_renamed_file_keeps_its_picture(config: Config) -> None:
    (plants(config) / "0004.png").rename(plants(config) / "four.png")
    assert ingest(config).retired == 0
    assert outcomes(config)["plant_id_4"] == "accepted"


def test_an_empty_source_is_an_unmounted_drive_and_retires_nothing(config: Config) -> None:
    shutil.rmtree(plants(config))
    plants(config).mkdir()
    assert ingest(config).retired == 0
    assert gone(config) == set()


def test_a_source_that_is_no_longer_configured_retires_nothing(
    config: Config, tmp_path: Path
) -> None:
    other = make_sources(tmp_path / "other", {"plant": [70], "animal": []})
    other["plant"]["more"] = other["plant"].pop("photos")
    ingest(collection(tmp_path, other, **RETIRE))
    assert gone(config) == set()


def test_keeping_is_the_default(config: Config, tmp_path: Path) -> None:
    keeping = collection(tmp_path, config.source_paths)
    (plants(config) / "0003.png").unlink()
    assert ingest(keeping).retired == 0
    assert gone(config) == set()


def test_moving_and_retiring_exclude_each_other(tmp_path: Path) -> None:
    sources = make_sources(tmp_path, {"plant": [1], "animal": [2]})
    with pytest.raises(ValidationError, match="change one of the two"):
        collection(tmp_path, sources, images={"mode": "move"}, **RETIRE)
