"""A source that is overwritten in place: nothing shows another picture under an old id.

`unpack` does what unpacking a new version of a data set over the old one does: it writes into the
files that are there.
"""

import hashlib
import io
import os
import shutil
import subprocess
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from naturalist import ledger
from naturalist.config import Config
from naturalist.errors import WithdrawalBudgetExceeded
from naturalist.pipeline import steps
from naturalist.stages.ingest.cloning import can_clone
from tiny import (
    Row,
    collection,
    in_memory,
    ingest,
    job,
    ledger_rows,
    make_all,
    make_sources,
    picture,
    picture_path,
    write_picture,
)

MODES = ["auto", "hardlink", "copy", "move", "reference"]
LINKED = ["auto", "hardlink"]
"""Where the tests' drive cannot clone, `auto` links too."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as root:
        yield root


def plants(folder: Path, mode: str, **more: Any) -> Config:
    sources = make_sources(folder / "sources", {"animal": [9], "plant": [1, 2, 3, 4, 5]})
    return collection(folder, sources, images={"mode": mode}, **more)


def photos(config: Config) -> Path:
    return config.source_paths["plant"]["photos"]


def unpack(config: Config, contents: Mapping[str, bytes]) -> None:
    """Unpack an archive over the source of the plants."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as out:
        for name, data in contents.items():
            out.writestr(name, data)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(photos(config))


def stored_bytes(config: Config, row: Row) -> bytes | None:
    path = picture_path(config.layout, config.source_paths[row["category"]][row["source"]], row)
    return path.read_bytes() if path.exists() else None


def by_id(config: Config) -> dict[str, Row]:
    return {row["pic_id"]: row for row in ledger_rows(config) if row["pic_id"]}


def features_of(config: Config) -> dict[str, list[float]]:
    """Every vector of the plants, as it lies on the disk."""
    found = {}
    for path in sorted((config.layout.root / "features").rglob("plant/*.parquet")):
        table = pq.read_table(path, partitioning=None)
        found |= dict(zip(table["pic_id"].to_pylist(), table["features"].to_pylist(), strict=True))
    return found


def table_ids(config: Config) -> list[str]:
    files = sorted((config.layout.tables / "plant").glob("*.parquet"))
    return [name for path in files for name in pq.read_table(path, partitioning=None)["picID"]
            .to_pylist()]  # fmt: skip


def check(config: Config) -> None:
    """No picture shows other bytes than its row has, unless the row says that they are gone."""
    for pic, row in by_id(config).items():
        data = stored_bytes(config, row)
        is_right = data is not None and hashlib.sha256(data).digest() == row["sha256"]
        says_so = row["reason"] in ("changed_after_ingest", "removed_from_source")
        assert is_right or says_so, pic
        if row["image_root"] is not None:
            assert is_right or data is None, f"{pic} shows another picture"


@pytest.mark.parametrize("mode", MODES)
def test_a_new_version_over_the_old_one_gets_new_ids_and_keeps_all_features(
    folder: Path, mode: str
) -> None:
    config = plants(folder, mode)
    make_all(config)
    before, vectors = by_id(config), features_of(config)
    unpack(config, {"0002.png": picture(22), "0004.png": picture(44), "0006.png": picture(6)})
    make_all(config)
    after = by_id(config)
    assert set(after) - set(before) == {"plant_id_6", "plant_id_7", "plant_id_8"}
    assert {row["sha256"] for row in after.values()} >= {
        hashlib.sha256(picture(seed)).digest() for seed in (22, 44, 6)
    }
    assert {pic: vector for pic, vector in features_of(config).items() if pic in before} == vectors
    assert table_ids(config) == [f"plant_id_{n}" for n in range(1, 9)]
    check(config)
    gone = set(ledger.overwritten(config.layout, "plant"))
    keeps_old = mode in ("copy", "move") or (mode == "auto" and can_clone(folder))
    assert gone == (set() if keeps_old else {"plant_id_2", "plant_id_4"})
    # Verified in full, every stored picture too: what is known to be gone is no error.
    with job(config) as held:
        result = steps.verify_features(held, again=True)
    assert {v.pic_id for v in result.verdicts if v.check == "overwritten"} == gone
    assert [v for v in result.verdicts if v.severity == "hard"] == []


@pytest.mark.parametrize("mode", MODES)
def test_a_second_run_has_nothing_more_to_do(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    make_all(config)
    unpack(config, {"0002.png": picture(22)})
    ingest(config)
    files = sorted(config.layout.ledger.rglob("*.parquet"))
    result = ingest(config)
    assert (result.batches, result.stored.overwritten, result.stored.repaired) == ([], 0, 0)
    assert [p for p in sorted(config.layout.ledger.rglob("*.parquet")) if p not in files] == [
        p for p in sorted(config.layout.ledger.rglob("folders/*.parquet")) if p not in files
    ]


@pytest.mark.parametrize("mode", MODES)
def test_the_old_version_over_the_new_one_gives_the_old_pictures_back(
    folder: Path, mode: str
) -> None:
    config = plants(folder, mode)
    make_all(config)
    unpack(config, {"0002.png": picture(22)})
    make_all(config)
    unpack(config, {"0002.png": picture(2)})
    ingest(config)
    rows = by_id(config)
    assert rows["plant_id_2"]["reason"] is None
    assert stored_bytes(config, rows["plant_id_2"]) == picture(2) or mode == "move"
    check(config)
    assert len(rows) == 7
    unpack(config, {"0002.png": picture(22)})
    ingest(config)
    assert by_id(config)["plant_id_6"]["reason"] is None
    assert len(by_id(config)) == 7
    check(config)


@pytest.mark.parametrize("mode", ["auto", "hardlink", "copy", "reference"])
def test_what_was_overwritten_is_retired_where_removed_files_are(folder: Path, mode: str) -> None:
    config = plants(folder, mode, ingest={"removed": "retire"})
    make_all(config)
    unpack(config, {"0002.png": picture(22)})
    assert ingest(config).retired == 1
    assert by_id(config)["plant_id_2"]["reason"] == "removed_from_source"
    make_all(config)
    assert "plant_id_2" not in table_ids(config)
    check(config)
    unpack(config, {"0002.png": picture(2)})
    result = ingest(config)
    assert (result.retired, result.restored) == (1, 1)
    rows = by_id(config)
    assert rows["plant_id_2"]["outcome"] == "accepted"
    assert stored_bytes(config, rows["plant_id_2"]) == picture(2)
    assert rows["plant_id_6"]["reason"] == "removed_from_source"
    check(config)
    assert (ingest(config).retired, ingest(config).restored) == (0, 0)


def test_a_whole_new_version_under_retire_waits_for_a_person(folder: Path) -> None:
    sources = make_sources(folder / "sources", {"animal": [99], "plant": list(range(1, 41))})
    config = collection(folder, sources, ingest={"removed": "retire"})
    ingest(config)
    unpack(config, {f"{n:04d}.png": picture(n + 500) for n in range(1, 41)})
    with pytest.raises(WithdrawalBudgetExceeded, match="--accept-withdrawals"):
        ingest(config)
    check(config)
    with job(config) as held:
        assert steps.ingest(held, accept_withdrawals=True).retired == 40
    check(config)


def test_a_touched_picture_is_not_taken_for_gone(folder: Path) -> None:
    config = plants(folder, "hardlink", ingest={"removed": "retire"})
    ingest(config)
    os.utime(photos(config) / "0003.png", ns=(5, 5))
    result = ingest(config)
    assert (result.retired, result.stored.overwritten) == (0, 0)
    check(config)


@pytest.mark.parametrize("mode", LINKED)
@pytest.mark.parametrize(
    "data", [b"", b"no picture", picture(2)[:40], picture(1)], ids=["empty", "text", "half", "twin"]
)
def test_a_picture_is_missed_whatever_it_was_overwritten_with(
    folder: Path, mode: str, data: bytes
) -> None:
    """With nothing, with a text, with half of itself, with another known picture."""
    config = plants(folder, mode)
    ingest(config)
    with (photos(config) / "0002.png").open("wb") as file:
        file.write(data)
    ingest(config)
    check(config)
    if not can_clone(folder) or mode == "hardlink":
        assert ledger.overwritten(config.layout, "plant") == {"plant_id_2"}


def test_a_file_with_the_same_bytes_repairs_what_was_overwritten(folder: Path) -> None:
    config = plants(folder, "hardlink")
    write_picture(photos(config) / "twin" / "2.png", 2)
    ingest(config)
    unpack(config, {"0002.png": picture(22)})
    ingest(config)
    assert ledger.overwritten(config.layout, "plant") == set()
    assert stored_bytes(config, by_id(config)["plant_id_2"]) == picture(2)
    check(config)


@pytest.mark.parametrize("mode", LINKED)
def test_bytes_that_come_back_elsewhere_mend_what_was_overwritten(folder: Path, mode: str) -> None:
    config = plants(folder, mode)
    ingest(config)
    unpack(config, {"0002.png": picture(22)})
    ingest(config)
    with zipfile.ZipFile(photos(config) / "again.zip", "w") as archive:
        archive.writestr("2.png", picture(2))
    ingest(config)
    assert ledger.overwritten(config.layout, "plant") == set()
    assert stored_bytes(config, by_id(config)["plant_id_2"]) == picture(2)
    assert not config.layout.staging.exists()


def test_a_file_that_was_moved_before_it_was_overwritten_is_noticed_too(folder: Path) -> None:
    config = plants(folder, "hardlink")
    ingest(config)
    (photos(config) / "new").mkdir()
    (photos(config) / "0002.png").rename(photos(config) / "new/2.png")
    ingest(config)
    unpack(config, {"new/2.png": picture(22)})
    ingest(config)
    assert ledger.overwritten(config.layout, "plant") == {"plant_id_2"}
    check(config)


def test_a_file_that_was_replaced_by_another_one_costs_nothing(folder: Path) -> None:
    config = plants(folder, "hardlink")
    ingest(config)
    path = photos(config) / "0002.png"
    path.unlink()
    path.write_bytes(picture(22))
    result = ingest(config)
    assert result.stored.overwritten == 0
    assert stored_bytes(config, by_id(config)["plant_id_2"]) == picture(2)


def test_an_overwriting_that_keeps_size_and_time_is_found_by_a_rescan(folder: Path) -> None:
    sources = make_sources(folder / "sources", {"animal": [9], "plant": []})
    for seed in (1, 2):
        (sources["plant"]["photos"] / f"{seed}.bmp").write_bytes(picture(seed, "BMP"))
    config = collection(folder, sources, images={"mode": "hardlink"})
    ingest(config)
    path = photos(config) / "2.bmp"
    times = path.stat().st_mtime_ns
    path.write_bytes(picture(22, "BMP"))
    os.utime(path, ns=(times, times))
    assert ingest(config).stored.overwritten == 0
    assert ingest(config, rescan=True).stored.overwritten == 1
    check(config)


def test_a_person_word_on_an_overwritten_picture_stands(folder: Path) -> None:
    """What the program adds to a row is nobody's decision."""
    config = plants(folder, "hardlink")
    ingest(config)
    unpack(config, {"0002.png": picture(22)})
    ingest(config)
    with ledger.connect(config.layout) as connection:
        assert connection.execute("SELECT count(*) FROM decisions").fetchall() == [(0,)]
    counts = ledger.counts(config.layout, "plant")["photos"]
    assert (counts.accepted, counts.seen) == (6, 6)


@pytest.fixture
def cloning_drive(tmp_path: Path) -> Iterator[Path]:
    """A folder on a drive that can clone: a small Btrfs in a file, where one may be mounted."""
    if can_clone(tmp_path):
        yield tmp_path
        return
    image, mounted = tmp_path / "drive", tmp_path / "mounted"
    if os.geteuid() != 0 or shutil.which("mkfs.btrfs") is None:
        pytest.skip("no drive here can clone files, and no Btrfs can be made and mounted")
    with image.open("wb") as file:
        file.truncate(200 * 2**20)
    mounted.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(image)], check=True)
    done = subprocess.run(["mount", "-o", "loop", str(image), str(mounted)], check=False)
    if done.returncode:
        pytest.skip("no drive here can clone files, and none may be mounted")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=True)


def test_on_a_drive_that_can_clone_old_bytes_stay_and_cost_no_space(cloning_drive: Path) -> None:
    config = plants(cloning_drive, "auto")
    ingest(config)
    source = photos(config) / "0002.png"
    row = by_id(config)["plant_id_2"]
    stored = picture_path(config.layout, photos(config), row)
    assert not os.path.samestat(source.stat(), stored.stat())
    assert stored.stat().st_mtime_ns == source.stat().st_mtime_ns
    unpack(config, {"0002.png": picture(22)})
    ingest(config)
    assert stored.read_bytes() == picture(2)
    assert ledger.overwritten(config.layout, "plant") == set()
    assert not list(config.layout.root.rglob("*.tmp"))
    check(config)


def test_a_drive_that_cannot_clone_is_linked_to(folder: Path) -> None:
    if can_clone(folder):
        pytest.skip("the tests' drive can clone")
    config = plants(folder, "auto")
    ingest(config)
    stored = picture_path(config.layout, photos(config), by_id(config)["plant_id_2"])
    assert os.path.samestat((photos(config) / "0002.png").stat(), stored.stat())


@pytest.mark.parametrize("mode", LINKED)
def test_a_retired_picture_whose_stored_bytes_are_gone_is_no_error(folder: Path, mode: str) -> None:
    config = plants(folder, mode, ingest={"removed": "retire"}, withdrawal_budget=1.0)
    make_all(config)
    unpack(config, {"0002.png": picture(22)})
    make_all(config)
    with job(config) as held:
        found = steps.verify_features(held, again=True).verdicts
    assert [one for one in found if one.severity == "hard"] == []
    assert by_id(config)["plant_id_2"]["reason"] == "removed_from_source"
