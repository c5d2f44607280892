"""Files that are read next are requested where reading waits for the drive, and only there."""

import os
from pathlib import Path

import pytest

from naturalist import read_ahead
from naturalist.read_ahead import FILES, ReadAhead

COUNT = 3 * FILES
pytestmark = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="no posix_fadvise here")


@pytest.fixture
def requested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Positions of the files that the system is asked for, in that order."""
    positions: list[int] = []
    advise = os.posix_fadvise

    def note(handle: int, start: int, length: int, advice: int) -> None:
        positions.append(int(Path(f"/proc/self/fd/{handle}").readlink().name))
        advise(handle, start, length, advice)

    for position in range(COUNT):
        (tmp_path / str(position)).write_bytes(b"picture")
    monkeypatch.setattr(os, "posix_fadvise", note)
    return positions


def ahead(folder: Path) -> ReadAhead:
    return ReadAhead(COUNT, lambda position: os.fsencode(folder / str(position)))


def test_a_file_that_is_waited_for_requests_the_next_ones_and_each_once(
    tmp_path: Path, requested: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "WAITED_S", 0.0)
    files = ahead(tmp_path)
    for position in range(COUNT):
        files.reading()
        files.has_come(position)
        assert len(requested) == min(COUNT - 1, position + FILES)
    assert requested == list(range(1, COUNT))


def test_files_that_come_at_once_request_nothing(
    tmp_path: Path, requested: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "WAITED_S", 3600.0)
    files = ahead(tmp_path)
    files.reading()
    files.has_come(0)
    assert requested == []


def test_what_is_gone_a_pipe_or_not_to_be_opened_is_passed_over(
    tmp_path: Path, requested: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_ahead, "WAITED_S", 0.0)
    (tmp_path / "1").unlink()
    (tmp_path / "2").unlink()
    os.mkfifo(tmp_path / "2")
    skipped = 3
    files = ReadAhead(6, lambda at: None if at == skipped else os.fsencode(tmp_path / str(at)))
    files.reading()
    files.has_come(0)
    assert [at for at in requested if at != 2] == [4, 5]
