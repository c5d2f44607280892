"""Folders for a while: gone when they are closed, and when their process was killed, later."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from naturalist.scratch import make_scratch, remove_abandoned

_HOLD = """
import sys
from pathlib import Path
from naturalist.scratch import make_scratch
print(make_scratch(Path(sys.argv[1]), "mine-").path, flush=True)
sys.stdin.read()
"""


def test_a_folder_is_gone_when_it_is_closed(tmp_path: Path) -> None:
    with closing(make_scratch(tmp_path, "mine-")) as made:
        (made.path / "file").write_bytes(b"data")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_kept_has_its_name_and_nothing_of_ours(tmp_path: Path) -> None:
    with closing(make_scratch(tmp_path, ".site.")) as made:
        (made.path / "page").write_bytes(b"data")
        made.keep_as(tmp_path / "site")
    assert [path.name for path in tmp_path.iterdir()] == ["site"]
    assert [path.name for path in (tmp_path / "site").iterdir()] == ["page"]


def test_a_folder_that_nobody_closed_is_gone_when_its_process_ends(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    done = subprocess.run(command, input=b"", stdout=subprocess.PIPE, check=True)
    assert Path(done.stdout.decode().strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path,
) -> None:
    command = [sys.executable, "-c", _HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().decode().strip())
        os.utime(left, (1, 1))
        remove_abandoned(tmp_path, "mine-")
        assert left.is_dir()
        process.send_signal(signal.SIGKILL)
    remove_abandoned(tmp_path, "mine-")
    assert not left.exists()


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine-new.tmp").mkdir()
    (tmp_path / "mine-old.tmp").write_bytes(b"a file")
    os.utime(tmp_path / "mine-old.tmp", (1, 1))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine-link.tmp").symlink_to("elsewhere")
    (tmp_path / "other-old.tmp").mkdir()
    remove_abandoned(tmp_path, "mine-")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"mine-new.tmp", "mine-old.tmp", "elsewhere", "mine-link.tmp", "other-old.tmp"}
