import os
from pathlib import Path

import pytest

from naturalist import breadcrumbs


def test_a_trail_tells_where_its_task_is(tmp_path: Path) -> None:
    with breadcrumbs.trail(tmp_path / "new", "task") as trail:
        for index in (0, 7, 2**40, -1):
            trail.at(index)
            position = breadcrumbs.read(tmp_path / "new", "task")
            assert position is not None
            assert (position.pid, position.index) == (os.getpid(), index)


def test_time_goes_on_along_a_trail(tmp_path: Path) -> None:
    with breadcrumbs.trail(tmp_path, "task") as trail:
        seen = []
        for index in range(5):
            trail.at(index)
            position = breadcrumbs.read(tmp_path, "task")
            assert position is not None
            seen.append(position.since_s)
    assert seen == sorted(seen)


@pytest.mark.parametrize("index", [3, -1])
def test_the_clock_of_an_item_starts_again_without_another_item(tmp_path: Path, index: int) -> None:
    with breadcrumbs.trail(tmp_path, "task") as trail:
        trail.at(index)
        before = breadcrumbs.read(tmp_path, "task")
        trail.restart_clock()
        after = breadcrumbs.read(tmp_path, "task")
        assert before is not None
        assert after is not None
        assert after.index == before.index == index
        assert after.since_s > before.since_s


def test_a_task_that_has_not_begun_with_an_item_is_nowhere(tmp_path: Path) -> None:
    with breadcrumbs.trail(tmp_path, "task"):
        assert breadcrumbs.read(tmp_path, "task") is None
    assert breadcrumbs.read(tmp_path, "other") is None


def fail(folder: Path) -> None:
    with breadcrumbs.trail(folder, "task") as trail:
        trail.at(3)
        raise ValueError("an ordinary error")


def test_a_task_that_ends_in_any_way_but_a_crash_leaves_no_trail(tmp_path: Path) -> None:
    with breadcrumbs.trail(tmp_path, "task") as trail:
        trail.at(3)
    assert breadcrumbs.read(tmp_path, "task") is None
    with pytest.raises(ValueError, match="ordinary"):
        fail(tmp_path)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def leave(folder: Path, data: bytes) -> None:
    path = breadcrumbs.place(folder, "task")
    path.parent.mkdir()
    path.write_bytes(data)


def test_half_a_record_is_no_position(tmp_path: Path) -> None:
    leave(tmp_path, b"\0" * 10)
    assert breadcrumbs.read(tmp_path, "task") is None


def test_a_new_trail_forgets_the_old_one(tmp_path: Path) -> None:
    leave(tmp_path, b"\0" * 24)
    with breadcrumbs.trail(tmp_path, "task"):
        assert breadcrumbs.read(tmp_path, "task") is None
