"""Near duplicates and poor pictures become files of decisions that `naturalist review` follows."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from typer.testing import CliRunner

import tiny
from naturalist.cli.app import app
from naturalist.config import Config, load_config
from naturalist.curation.near_duplicates import Keep, thin_out
from naturalist.curation.quality import look_for_poor, parse_limit
from naturalist.curation.reviewing.queues import items_of
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.pipeline import studies
from naturalist.progress import Silent

SIDE = 160


def scene(seed: int, side: int = SIDE) -> Image.Image:
    """A picture with structure at several scales, so that its hash and features are its own."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    fine = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    both = Image.blend(coarse.resize((side, side)), fine.resize((side, side)), 0.25)
    return both.convert("RGB")


def save(path: Path, image: Image.Image) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, quality=92)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Scene 1 three times in one category (two sources), scene 2 in both, and scenes alone."""
    raw = tmp_path / "raw"
    save(raw / "zoo" / "a.jpg", scene(1))
    save(raw / "zoo" / "b.jpg", scene(1).resize((120, 120)))
    save(raw / "farm" / "c.jpg", scene(1).resize((240, 240)))
    save(raw / "farm" / "d.jpg", scene(2))
    save(raw / "wood" / "e.jpg", scene(2).resize((140, 140)))
    save(raw / "wood" / "f.jpg", scene(3))
    sources = {
        "animal": {"farm": raw / "farm", "zoo": raw / "zoo"},
        "plant": {"wood": raw / "wood"},
    }
    tiny.config_file(tmp_path / "c", sources)
    config = load_config(tmp_path / "c")
    tiny.make_all(config)
    studies.study(config, Silent(), studies.duplicates)
    return config


def paths(config: Config, keep: Keep) -> tuple[list[str], int]:
    """Files of the pictures that would be retired, and groups that were left alone."""
    named = {r["pic_id"]: r["path_text"] for r in tiny.ledger_rows(config) if r["pic_id"]}
    thinned = thin_out(config.layout, sorted(config.labels), keep)
    return sorted(named[one.key] for one in thinned.decisions), thinned.left_alone


@pytest.mark.parametrize(
    ("keep", "retired"),
    [
        (Keep.LARGEST, ["a.jpg", "b.jpg"]),
        (Keep.FIRST, ["a.jpg", "b.jpg"]),
        (Keep.PER_SOURCE, ["b.jpg"]),
    ],
)
def test_one_picture_of_each_group_stays_and_mixed_groups_are_left_to_a_person(
    config: Config, keep: Keep, retired: list[str]
) -> None:
    assert paths(config, keep) == (retired, 1)


def test_pictures_of_mixed_groups_have_a_queue_of_their_own(config: Config) -> None:
    named = {r["path_text"]: r["pic_id"] for r in tiny.ledger_rows(config) if r["pic_id"]}
    pair = {named["d.jpg"], named["e.jpg"]}
    mixed = items_of(config, "duplicates-mixed")
    assert {one.key for one in mixed} == pair
    assert all({one.key, *one.related} == pair and not one.decision for one in mixed)
    assert pair.isdisjoint(one.key for one in items_of(config, "duplicates"))


def test_no_smaller_copy_is_the_sharpest_of_its_group(config: Config) -> None:
    # b.jpg is smaller than a thumbnail, at whose size its edges are the steepest.
    retired, _ = paths(config, Keep.SHARPEST)
    assert retired == ["a.jpg", "b.jpg"]


def test_a_sharp_copy_stays_though_others_have_more_pixels(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    save(raw / "sharp.jpg", scene(1, 240))
    save(raw / "blurred.jpg", scene(1, 320).filter(ImageFilter.GaussianBlur(3)))
    save(raw / "small.jpg", scene(1, 240).resize((100, 100), Image.Resampling.LANCZOS))
    save(raw / "other.jpg", scene(3))
    tiny.config_file(tmp_path / "c", {"animal": {"a": raw}})
    config = load_config(tmp_path / "c")
    tiny.make_all(config)
    studies.study(config, Silent(), studies.duplicates)
    assert paths(config, Keep.SHARPEST) == (["blurred.jpg", "small.jpg"], 0)


def test_the_file_of_decisions_is_followed_by_review(config: Config, tmp_path: Path) -> None:
    run, folder, path = CliRunner(), str(tmp_path / "c"), tmp_path / "thin.csv"
    shown = run.invoke(app, ["duplicates", "-c", folder, "-q", "--keep", "largest"])
    assert "2 pictures of 1 group would be retired; 1 group spans categories" in shown.output
    written = run.invoke(
        app, ["duplicates", "-c", folder, "-q", "--keep", "largest", "--decisions", str(path)]
    )
    assert written.exit_code == 0, written.output
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert {row["decision"] for row in rows} == {"retire"}
    assert all(row["note"].startswith("near duplicate of animal_id_") for row in rows)
    again = run.invoke(
        app, ["duplicates", "-c", folder, "-q", "--keep", "first", "--decisions", str(path)]
    )
    assert again.exit_code != 0
    followed = run.invoke(app, ["review", str(path), "-c", folder, "-q"])
    assert followed.exit_code == 0, followed.output
    assert sum(r["reason"] == "retired" for r in tiny.ledger_rows(config)) == 2


# poor pictures


@pytest.fixture
def mixed(tmp_path: Path) -> Config:
    """One good picture, and one for each way of being poor."""
    raw = tmp_path / "raw"
    save(raw / "a" / "good.png", scene(1))
    save(raw / "a" / "dark.png", scene(2).point(lambda v: v // 20))
    save(raw / "a" / "bright.png", scene(3).point(lambda v: 252 + v // 90))
    save(raw / "a" / "blank.png", Image.new("RGB", (SIDE, SIDE), (120, 120, 120)))
    save(raw / "a" / "blurred.png", scene(4).filter(ImageFilter.GaussianBlur(25)))
    save(raw / "a" / "tiny.png", scene(5).resize((20, 20)))
    save(raw / "a" / "odd.png", scene(6).resize((600, 60)))
    config = tiny.collection(tmp_path, {"animal": {"a": raw / "a"}})
    tiny.make_all(config)
    return config


def found(config: Config, limits: dict[str, str] | None = None) -> dict[str, set[str]]:
    named = {r["pic_id"]: r["path_text"] for r in tiny.ledger_rows(config) if r["pic_id"]}
    quality = look_for_poor(config.layout, ["animal"], limits)
    by_check: dict[str, set[str]] = {}
    for one in quality.poor:
        by_check.setdefault(one.check, set()).add(named[one.pic_id].removesuffix(".png"))
    return by_check


def test_each_check_names_the_picture_that_is_poor_in_its_way(mixed: Config) -> None:
    poor = found(mixed)
    assert poor["dark"] == {"dark"}
    assert poor["bright"] == {"bright"}
    assert "blank" in poor["blank"]
    assert {"blurred", "blank"} <= poor["blurred"]
    assert poor["tiny"] == {"tiny"}
    assert poor["odd-shape"] == {"odd"}
    assert found(mixed, {"low-information": "0.3"})["low-information"] == {"blank"}
    assert "good" not in set().union(*poor.values())


def test_a_share_takes_so_many_whatever_their_values(mixed: Config) -> None:
    assert len(found(mixed, {"blurred": "50%"})["blurred"]) == 3
    assert found(mixed, {"tiny": "1000"})["tiny"] >= {"good", "odd"}


def test_a_picture_that_is_poor_in_two_ways_is_decided_once(mixed: Config) -> None:
    quality = look_for_poor(mixed.layout, ["animal"])
    decisions = list(quality.decisions)
    assert len(decisions) == len({one.key for one in decisions})
    assert any("blank" in one.note and "blurred" in one.note for one in decisions)


def test_a_limit_that_is_none_is_refused() -> None:
    assert parse_limit("dark", "0.1") == (0.1, False)
    assert parse_limit("dark", "1%") == (1.0, True)
    for text in ("", "x", "-1", "101%"):
        with pytest.raises(ConfigError, match="write a value"):
            parse_limit("dark", text)


def test_before_the_first_run_it_says_what_to_do(tmp_path: Path) -> None:
    config = tiny.collection(tmp_path, tiny.make_sources(tmp_path / "raw", {"animal": [1]}))
    tiny.ingest(config)
    with pytest.raises(WorkspaceError, match="naturalist run"):
        look_for_poor(config.layout, ["animal"])


def test_the_command_writes_a_sheet_and_decisions(mixed: Config, tmp_path: Path) -> None:
    folder = tiny.config_file(tmp_path, {"animal": {"a": tmp_path / "raw" / "a"}})
    sheet, decisions = tmp_path / "poor.png", tmp_path / "poor.csv"
    ended = CliRunner().invoke(
        app,
        ["quality", "-c", str(folder), "--sheet", str(sheet), "--decisions", str(decisions),
         "--check", "tiny", "--check", "dark=0.06"],
    )  # fmt: skip
    assert ended.exit_code == 0, ended.output
    assert "2 of 7 pictures" in ended.output
    assert len(decisions.read_text().splitlines()) == 3
    with Image.open(sheet) as drawn:
        assert drawn.width > SIDE
