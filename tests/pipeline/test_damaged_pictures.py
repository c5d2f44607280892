"""A flipped bit in a stored picture is found by the runs, each of which reads a share again."""

from pathlib import Path

import pytest

import tiny
from naturalist.config import Config
from naturalist.curation.takedown import take_down
from naturalist.errors import VerificationFailed
from naturalist.pipeline import runner
from naturalist.pipeline.runner import RunOptions
from naturalist.progress import Silent
from naturalist.stages.verify.rolling_pictures import check_pictures
from pipeline.test_damage import flip

pytestmark = pytest.mark.usefixtures("without_workers")
ALL = 1 << 40
SEEDS = {"plant": range(7), "animal": range(100, 104)}


def made(folder: Path, mode: str) -> Config:
    """Eleven pictures, and two more that came later."""
    sources = tiny.make_sources(folder / "sources", SEEDS)
    more = {"images": {"mode": mode}, "withdrawal_budget": 1.0}
    config = tiny.collection(folder, sources, **more)
    tiny.make_all(config)
    for seed in (20, 21):
        tiny.write_picture(folder / f"sources/plant/{seed:04d}.png", seed)
    tiny.make_all(config)
    return config


def stored(config: Config) -> dict[str, Path]:
    """Where each accepted picture lies, in the order of the ledger."""
    rows = [row for row in tiny.ledger_rows(config) if row["pic_id"]]
    paths = config.source_paths
    return {
        row["pic_id"]: tiny.picture_path(config.layout, paths[row["category"]][row["source"]], row)
        for row in rows
    }


@pytest.mark.parametrize("mode", ["copy", "hardlink"])
def test_a_run_without_anything_new_finds_a_damaged_picture(tmp_path: Path, mode: str) -> None:
    config = made(tmp_path, mode)
    runner.run(config, Silent(), RunOptions())
    flip(stored(config)["plant_id_3"])
    with pytest.raises(VerificationFailed, match=r"picture: plant_id_3: .*its sha256 has changed"):
        runner.run(config, Silent(), RunOptions())


def test_each_run_reads_a_share_and_all_in_turn(tmp_path: Path) -> None:
    config = made(tmp_path, "copy")
    whole = check_pictures(config.layout, config.labels, ALL)
    assert (whole.files, whole.verdicts) == (13, ())
    flip(stored(config)["plant_id_9"])
    files, found, rounds = 0, [], 0
    while rounds == 0 or config.layout.rolling_pictures.exists():
        part = check_pictures(config.layout, config.labels, 4 * whole.size_bytes // 13)
        files, rounds = files + part.files, rounds + 1
        found += part.verdicts
    assert rounds > 2
    assert files == 13
    assert [one.pic_id for one in found] == ["plant_id_9"]
    assert check_pictures(config.layout, config.labels, 0).files == 0


def test_pictures_that_were_taken_down_or_that_their_source_changed_are_no_damage(
    tmp_path: Path,
) -> None:
    config = made(tmp_path, "hardlink")
    take_down(config, ["plant_id_2"], "asked for", "anna")
    kept = stored(config)
    flip(kept["plant_id_2"])
    source = tmp_path / "sources/plant/0003.png"
    assert source.samefile(kept["plant_id_4"])
    source.write_bytes(tiny.picture(44))
    found = check_pictures(config.layout, config.labels, ALL)
    assert (found.files, found.verdicts) == (12, ())
    kept["plant_id_5"].unlink()
    (verdict,) = check_pictures(config.layout, config.labels, ALL).verdicts
    assert verdict.pic_id == "plant_id_5"


def test_pictures_that_are_read_in_their_source_are_none_of_the_workspace(tmp_path: Path) -> None:
    config = made(tmp_path, "reference")
    assert check_pictures(config.layout, config.labels, ALL).files == 0


def test_a_run_looks_at_some_batches_and_the_next_one_at_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = made(tmp_path, "copy")
    monkeypatch.setattr("naturalist.stages.verify.rolling_pictures._MOST_BATCHES", 1)
    parts = [check_pictures(config.layout, config.labels, ALL).files for _ in range(3)]
    assert parts == [4, 7, 2]
    assert check_pictures(config.layout, config.labels, ALL).files == 4
