"""Verifying everything again reads the stored pictures too."""

from pathlib import Path

import tiny
from naturalist.pipeline import steps
from naturalist.stages.verify.verdicts import Verdict


def _verdicts(config: tiny.Config, *, again: bool) -> list[Verdict]:
    with tiny.job(config) as job:
        found = steps.verify_features(job, again=again).verdicts
    return [verdict for verdict in found if verdict.check == "picture"]


def _collection(folder: Path) -> tiny.Config:
    sources = tiny.make_sources(folder / "in", {"plant": range(5), "animal": range(10, 13)})
    verify = {"sample_share": 0.0}
    config = tiny.collection(folder, sources, verify=verify, images={"mode": "copy"})
    tiny.make_all(config)
    return config


def _stored(config: tiny.Config, pic: str) -> Path:
    return next((config.layout.root / "images").rglob(f"{pic}.*"))


def test_whole_pictures_pass(tmp_path: Path) -> None:
    assert _verdicts(_collection(tmp_path), again=True) == []


def test_a_picture_that_is_gone_and_one_that_changed_are_named(tmp_path: Path) -> None:
    config = _collection(tmp_path)
    _stored(config, "plant_id_2").unlink()
    _stored(config, "animal_id_1").write_bytes(b"junk")
    found = {v.pic_id: v for v in _verdicts(config, again=True)}
    assert set(found) == {"plant_id_2", "animal_id_1"}
    assert all(v.severity == "hard" for v in found.values())
    assert "0001.png" in found["plant_id_2"].detail


def test_a_daily_run_does_not_read_all_pictures(tmp_path: Path) -> None:
    config = _collection(tmp_path)
    _stored(config, "plant_id_2").unlink()
    assert _verdicts(config, again=False) == []
