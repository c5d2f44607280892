import os
from pathlib import Path

import pytest

from naturalist import small_files
from naturalist.small_files import Look, kept


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two files that changed long enough ago."""
    monkeypatch.setattr(small_files, "SETTLED_NS", 0)
    folder = tmp_path / "work" / "receipts"
    folder.mkdir(parents=True)
    for name in ("1.json", "2.json"):
        (folder / name).write_bytes(name.encode())
    return folder


def in_a_run(folder: Path) -> tuple[dict[str, bytes], list[str]]:
    """What a run reads in a folder, and which files it had to open for that."""
    opened: list[str] = []
    read = small_files._read

    def noted(path: Path) -> tuple[small_files.Stamp, bytes]:
        opened.append(path.name)
        return read(path)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(small_files, "_read", noted)
        with kept(folder.parent, place(folder)):
            look = Look(folder)
            return {name: look.read(name) for name in look.names()}, opened


def place(folder: Path) -> Path:
    return folder.parent / "read-before"


def test_what_one_run_read_the_next_one_does_not_open(folder: Path) -> None:
    first, opened = in_a_run(folder)
    assert first == {"1.json": b"1.json", "2.json": b"2.json"}
    assert opened == ["1.json", "2.json"]
    assert in_a_run(folder) == (first, [])


def test_a_file_that_was_changed_is_opened_though_its_size_and_time_are_the_old_ones(
    folder: Path,
) -> None:
    in_a_run(folder)
    path = folder / "1.json"
    state = path.stat()
    path.write_bytes(b"l.json")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    found, opened = in_a_run(folder)
    assert found["1.json"] == b"l.json"
    assert opened == ["1.json"]


def test_files_that_came_and_went_are_seen(folder: Path) -> None:
    in_a_run(folder)
    (folder / "1.json").unlink()
    (folder / "3.json").write_bytes(b"3")
    assert in_a_run(folder) == ({"2.json": b"2.json", "3.json": b"3"}, ["3.json"])
    assert in_a_run(folder)[1] == []


@pytest.mark.parametrize("at", [3, -9])
def test_what_was_kept_is_not_used_once_it_is_damaged(folder: Path, at: int) -> None:
    first, opened = in_a_run(folder)
    (path,) = place(folder).rglob("*.arrow")
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)
    assert in_a_run(folder) == (first, opened)
    path.write_bytes(b"torn")
    assert in_a_run(folder) == (first, opened)


def test_a_file_that_changed_a_moment_ago_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "SETTLED_NS", 3_600_000_000_000)
    assert in_a_run(folder)[1] == in_a_run(folder)[1] == ["1.json", "2.json"]


def test_too_much_is_not_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_a_run(folder)
    monkeypatch.setattr(small_files, "MOST_BYTES", 8)
    (folder / "3.json").write_bytes(b"3.json")
    in_a_run(folder)
    assert not list(place(folder).rglob("*.arrow"))


def test_outside_of_a_run_files_are_read_from_the_disk(folder: Path) -> None:
    in_a_run(folder)
    look = Look(folder)
    (folder / "1.json").write_bytes(b"new")
    assert look.read("1.json") == b"new"
    assert not Look(folder / "none").names()
    with pytest.raises(FileNotFoundError):
        look.read("none")
