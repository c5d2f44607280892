"""Pictures get to their places in every mode, also when files change or a run is killed midway.

`assigned` stands still at the moment when ids are fixed and nothing is placed: what a test does
then happens between examining and placing. `ingest` goes on from there, as a new run does.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from naturalist import artifacts, ledger
from naturalist.config import Config
from naturalist.errors import SourceError, WorkspaceError
from naturalist.ledger import SourceCounts
from naturalist.stages.ingest import batches
from naturalist.stages.ingest.examine import examine
from naturalist.stages.ingest.withdrawals import Withdrawals
from tiny import (
    Row,
    amend,
    amendment,
    collection,
    in_memory,
    ingest,
    job,
    ledger_rows,
    make_sources,
    picture,
    picture_path,
    write_picture,
)

MODES = ["hardlink", "copy", "move", "reference"]
PLACING = ["hardlink", "copy", "move"]


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as root:
        yield root


def plants(folder: Path, mode: str, **more: Any) -> Config:
    """Five plants and an animal, in one source each."""
    sources = make_sources(folder / "sources", {"animal": [9], "plant": [1, 2, 3, 4, 5]})
    return collection(folder, sources, images={"mode": mode, **more})


def photos(config: Config) -> Path:
    return config.source_paths["plant"]["photos"]


def assign(config: Config) -> None:
    """Do all that comes before placing."""
    with job(config):
        options = config.ingest_options
        withdrawals = Withdrawals(config.layout, config.withdrawal_budget)
        for tasks in batches.batch_tasks(config.layout, config.sources, options):
            for task in tasks:
                examine(task)
            pending = batches.write_pending(
                config.layout, tasks, config.sources, options, withdrawals
            )
            assert pending.has_rows
    assert batches.is_pending(config.layout)


def accepted(config: Config) -> list[Row]:
    return [row for row in ledger_rows(config) if row["outcome"] == "accepted"]


def stored(config: Config, row: Row) -> Path:
    source = config.source_paths[row["category"]][row["source"]]
    return picture_path(config.layout, source, row)


def check_pictures(config: Config, count: int) -> None:
    """Every accepted picture is there, with the bytes that were ingested."""
    rows = accepted(config)
    assert len(rows) == count
    for row in rows:
        data = stored(config, row).read_bytes()
        assert hashlib.sha256(data).digest() == row["sha256"]
    assert not list(config.layout.root.rglob("*.tmp"))
    assert not batches.is_pending(config.layout)
    assert not config.layout.findings.exists()
    assert not config.layout.staging.exists()


def sources_of(folder: Path) -> dict[str, tuple[bytes, int, int]]:
    """Every file of the sources: bytes, time and mode."""
    files = [path for path in (folder / "sources").rglob("*") if path.is_file()]
    return {
        str(path.relative_to(folder)): (
            path.read_bytes(),
            path.stat().st_mtime_ns,
            path.stat().st_mode,
        )
        for path in files
    }


@pytest.mark.parametrize("mode", MODES)
def test_every_accepted_picture_can_be_read(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    ingest(config)
    check_pictures(config, 6)


@pytest.mark.parametrize("mode", ["hardlink", "copy", "reference"])
def test_sources_are_left_as_they_are(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    before = sources_of(folder)
    ingest(config)
    assert sources_of(folder) == before


def test_moving_takes_the_pictures_out_of_the_source_and_leaves_all_else(folder: Path) -> None:
    config = plants(folder, "move")
    (photos(config) / "note.txt").write_bytes(b"a note")
    (photos(config) / "half.png").write_bytes(picture(7)[:30])
    shutil.copy(photos(config) / "0001.png", photos(config) / "again.png")
    ingest(config)
    assert sorted(path.name for path in photos(config).iterdir()) == [
        "again.png",
        "half.png",
        "note.txt",
    ]
    check_pictures(config, 6)


def test_a_link_costs_no_space_and_a_copy_is_a_file_of_its_own(folder: Path) -> None:
    for mode, same in (("hardlink", True), ("copy", False)):
        config = plants(folder / mode, mode)
        ingest(config)
        row = accepted(config)[-1]
        path = photos(config) / os.fsdecode(row["path"])
        assert os.path.samestat(path.stat(), stored(config, row).stat()) is same


def test_a_copy_keeps_the_time_of_its_file(folder: Path) -> None:
    config = plants(folder, "copy")
    os.utime(photos(config) / "0003.png", ns=(1_000_000_000, 1_234_567_891))
    ingest(config)
    (row,) = (row for row in accepted(config) if row["path"] == b"0003.png")
    assert stored(config, row).stat().st_mtime_ns == 1_234_567_891


@pytest.mark.parametrize("mode", ["auto", "hardlink", "copy", "move"])
def test_pictures_are_on_the_disk_before_the_ledger_has_them(
    folder: Path, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = plants(folder, mode)
    with zipfile.ZipFile(photos(config) / "more.zip", "w") as archive:
        archive.writestr("30.png", picture(30))
    flushed: list[set[str]] = []
    flush = artifacts.sync_file_system

    def watched(drive: Path) -> None:
        assert not list(config.layout.ledger.glob("plant/[0-9]*.parquet"))
        flush(drive)
        flushed.append({path.name for path in drive.rglob("*.png")})

    monkeypatch.setattr(artifacts, "sync_file_system", watched)
    ingest(config)
    assert {stored(config, row).name for row in accepted(config)} <= set().union(*flushed)


def test_by_reference_nothing_is_copied(folder: Path) -> None:
    config = plants(folder, "reference")
    ingest(config)
    assert not list(config.layout.root.rglob("*.png"))
    assert all(row["image_root"] is None for row in accepted(config))


def test_pictures_have_the_extension_of_what_they_are(folder: Path) -> None:
    config = plants(folder, "hardlink")
    (photos(config) / "photo.png").write_bytes(picture(20, "JPEG"))
    (photos(config) / "drawing.jpg").write_bytes(picture(21, "GIF"))
    (photos(config) / "no extension").write_bytes(picture(22, "BMP"))
    ingest(config)
    by_path = {row["path"]: stored(config, row).suffix for row in accepted(config)}
    assert by_path[b"photo.png"] == ".jpg"
    assert by_path[b"drawing.jpg"] == ".gif"
    assert by_path[b"no extension"] == ".bmp"


@pytest.mark.parametrize("mode", MODES)
def test_members_of_archives_get_files_of_their_own(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    with zipfile.ZipFile(photos(config) / "more.zip", "w") as archive:
        archive.writestr("deep/31.png", picture(31))
        archive.writestr("../../evil.png", picture(32))
    ingest(config)
    check_pictures(config, 8)
    assert (photos(config) / "more.zip").exists()
    assert not list(folder.rglob("evil.png"))


def test_several_roots_are_filled_and_found_again(folder: Path) -> None:
    config = plants(folder, "copy", roots=["images", str(folder / "drive")])
    ingest(config)
    check_pictures(config, 6)
    assert {row["image_root"] for row in accepted(config)} <= {"images", str(folder / "drive")}


# what happens between examining and placing


@pytest.mark.parametrize("mode", MODES)
def test_a_stopped_run_is_finished_by_the_next(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    with zipfile.ZipFile(photos(config) / "more.zip", "w") as archive:
        archive.writestr("30.png", picture(30))
    assign(config)
    ingest(config)
    check_pictures(config, 7)
    assert ingest(config).batches == []


def lost(config: Config) -> dict[str, str]:
    rows = [r for r in ledger_rows(config) if r["outcome"] == "refused" and r["pic_id"]]
    return {row["pic_id"]: row["reason"] for row in rows}


def change(path: Path) -> None:
    path.unlink()
    path.write_bytes(picture(777))


@pytest.mark.parametrize("mode", PLACING)
@pytest.mark.parametrize(
    ("meddle", "reason"), [(Path.unlink, "vanished"), (change, "changed_after_ingest")]
)
def test_a_file_that_went_away_is_a_loss_with_a_reason(
    folder: Path, mode: str, meddle: Any, reason: str
) -> None:
    config = plants(folder, mode)
    assign(config)
    meddle(photos(config) / "0003.png")
    ingest(config)
    assert lost(config) == {"plant_id_3": reason}
    check_pictures(config, 5 if reason == "vanished" else 6)
    counts = ledger.counts(config.layout, "plant")["photos"]
    assert counts.refused == {reason: 1}


@pytest.mark.parametrize("mode", PLACING)
def test_a_file_that_was_only_touched_is_not_lost_for_ever(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    assign(config)
    os.utime(photos(config) / "0003.png", ns=(5, 5))
    ingest(config)
    ingest(config)
    contents = {row["sha256"] for row in accepted(config)}
    assert hashlib.sha256(picture(3)).digest() in contents
    assert {r["pic_id"] for r in accepted(config)} <= {f"plant_id_{n}" for n in range(1, 8)} | {
        "animal_id_1"
    }


@pytest.mark.parametrize("mode", PLACING)
def test_another_file_with_the_same_bytes_stands_in(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    write_picture(photos(config) / "twin" / "3.png", 3)
    assign(config)
    (photos(config) / "0003.png").unlink()
    ingest(config)
    assert lost(config) == {}
    check_pictures(config, 6)


def test_a_loss_that_a_killed_commit_wrote_down_does_not_outlive_it(folder: Path) -> None:
    config = plants(folder, "copy")
    assign(config)
    loss = amendment("plant", 3, outcome="refused", reason="vanished")
    amend(config.layout, "plant", config.layout.losses("plant", 1).stem, [loss])
    ingest(config)
    assert lost(config) == {}
    check_pictures(config, 6)


@pytest.mark.parametrize("mode", PLACING)
def test_a_drive_that_went_away_costs_no_picture(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    assign(config)
    photos(config).rename(folder / "unplugged")
    if mode != "move":  # what everything was moved out of is empty, too
        photos(config).mkdir()
        with pytest.raises(SourceError):
            ingest(config)
        photos(config).rmdir()
    with pytest.raises(SourceError):
        ingest(config)
    (folder / "unplugged").rename(photos(config))
    ingest(config)
    check_pictures(config, 6)
    assert lost(config) == {}


def place_of(config: Config, name: str) -> Path:
    return config.layout.picture("images", "plant", int(name), "png")


@pytest.mark.parametrize("mode", PLACING)
def test_half_a_picture_in_its_place_is_replaced(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    assign(config)
    target = place_of(config, "3")
    target.parent.mkdir(parents=True)
    target.write_bytes(b"\0" * len(picture(3)))
    ingest(config)
    check_pictures(config, 6)


def test_a_move_that_was_killed_after_the_copy_is_finished(folder: Path) -> None:
    config = plants(folder, "move")
    assign(config)
    target = place_of(config, "3")
    target.parent.mkdir(parents=True)
    shutil.copy2(photos(config) / "0003.png", target)
    ingest(config)
    check_pictures(config, 6)
    assert not list(photos(config).iterdir())


def test_a_move_that_was_killed_after_the_rename_is_finished(folder: Path) -> None:
    config = plants(folder, "move")
    assign(config)
    target = place_of(config, "3")
    target.parent.mkdir(parents=True)
    (photos(config) / "0003.png").rename(target)
    ingest(config)
    check_pictures(config, 6)
    assert lost(config) == {}


def test_a_move_never_removes_a_file_with_other_bytes(folder: Path) -> None:
    config = plants(folder, "move")
    assign(config)
    target = place_of(config, "3")
    target.parent.mkdir(parents=True)
    (photos(config) / "0003.png").rename(target)
    write_picture(photos(config) / "0003.png", 888)
    ingest(config)
    contents = {row["sha256"] for row in accepted(config)}
    assert hashlib.sha256(picture(888)).digest() in contents
    check_pictures(config, 7)


def test_moving_a_link_copies_what_it_points_to(folder: Path) -> None:
    config = plants(folder, "move")
    (photos(config) / "note").mkdir()
    target = write_picture(photos(config) / "note" / "target", 50)
    (photos(config) / "aaa.png").symlink_to("note/target")
    ingest(config)
    check_pictures(config, 7)
    assert target.exists()
    (row,) = (row for row in accepted(config) if row["path"] == b"aaa.png")
    assert not stored(config, row).is_symlink()


@pytest.mark.parametrize("mode", ["hardlink", "copy"])
def test_a_link_in_a_source_becomes_a_plain_file(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    (photos(config) / "000-link.png").symlink_to("0001.png")
    ingest(config)
    (row,) = (row for row in accepted(config) if row["path"] == b"000-link.png")
    assert not stored(config, row).is_symlink()
    check_pictures(config, 6)


def test_an_unpacked_picture_that_is_gone_says_what_to_do(folder: Path) -> None:
    config = plants(folder, "hardlink")
    with zipfile.ZipFile(photos(config) / "more.zip", "w") as archive:
        archive.writestr("30.png", picture(30))
    assign(config)
    shutil.rmtree(config.layout.staging)
    with pytest.raises(WorkspaceError, match=r"ledger/\.open and ledger/\.pending"):
        ingest(config)
    shutil.rmtree(config.layout.findings, ignore_errors=True)
    shutil.rmtree(config.layout.pending)
    ingest(config)
    check_pictures(config, 7)


def test_ids_of_a_stopped_run_are_kept_whatever_comes_meanwhile(folder: Path) -> None:
    config = plants(folder, "hardlink")
    assign(config)
    write_picture(photos(config) / "0000.png", 100)
    ingest(config)
    paths = {row["pic_id"]: row["path"] for row in accepted(config) if row["category"] == "plant"}
    expected = {f"plant_id_{n}": f"000{n}.png".encode() for n in range(1, 6)}
    assert paths == expected | {"plant_id_6": b"0000.png"}


def test_a_source_that_was_taken_out_meanwhile_is_asked_for(folder: Path) -> None:
    config = plants(folder, "hardlink")
    assign(config)
    without = collection(folder, {"animal": config.source_paths["animal"], "plant": {}})
    with pytest.raises(
        WorkspaceError, match=r"source 'photos' of category 'plant'.*restore the source"
    ):
        ingest(without)
    ingest(config)
    check_pictures(config, 6)


def test_counts_add_up_when_pictures_were_lost_and_found(folder: Path) -> None:
    config = plants(folder, "copy")
    assign(config)
    path = photos(config) / "0003.png"
    path.rename(folder / "away.png")
    ingest(config)
    assert counts(config) == SourceCounts(accepted=4, refused={"vanished": 1})
    (folder / "away.png").rename(path)
    ingest(config)
    assert counts(config).accepted == 5
    assert counts(config).seen == len([r for r in ledger_rows(config) if r["category"] == "plant"])


def counts(config: Config) -> SourceCounts:
    return ledger.counts(config.layout, "plant")["photos"]
