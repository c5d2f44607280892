import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from naturalist import __version__
from naturalist.errors import (
    SourceError,
    WorkspaceError,
    WorkspaceFormatError,
    WorkspaceLocked,
)
from naturalist.layout import Layout
from naturalist.running import workspace
from naturalist.running.lock import is_locked
from tiny import in_memory

ROOTS = ("images",)


@pytest.fixture
def layout() -> Iterator[Layout]:
    with in_memory() as root:
        yield Layout(root / "work")


def open_and_close(layout: Layout, roots: tuple[str, ...] = ROOTS) -> None:
    with workspace.held(layout, "tiny", roots):
        pass


def files(layout: Layout) -> set[str]:
    return {str(p.relative_to(layout.root)) for p in layout.root.rglob("*") if p.is_file()}


def marker(layout: Layout) -> dict[str, object]:
    value: dict[str, object] = json.loads(layout.marker.read_text())
    return value


def test_the_first_writer_makes_the_workspace(layout: Layout) -> None:
    open_and_close(layout)
    assert marker(layout) == {
        "format": workspace.FORMAT,
        "name": "tiny",
        "made_by": __version__,
        "image_roots": ["images"],
    }
    workspace.reading(layout)


def test_there_is_one_writer_at_a_time(layout: Layout) -> None:
    with workspace.held(layout, "tiny", ROOTS):
        assert is_locked(layout)
        with pytest.raises(WorkspaceLocked, match=rf"process {os.getpid()} on .*run again"):
            open_and_close(layout)
        assert is_locked(layout)
    assert not is_locked(layout)
    open_and_close(layout)


def test_readers_need_no_lock(layout: Layout) -> None:
    with workspace.held(layout, "tiny", ROOTS):
        workspace.reading(layout)


HOLD = """
import sys
from pathlib import Path
from naturalist.layout import Layout
from naturalist.running import workspace
with workspace.held(Layout(Path(sys.argv[1])), "tiny", ("images",)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_killed_writer_leaves_no_lock_behind(layout: Layout) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(layout.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "held\n"
        with pytest.raises(WorkspaceLocked, match=f"process {writer.pid} on"):
            open_and_close(layout)
        writer.kill()
    assert not is_locked(layout)
    open_and_close(layout)


def test_the_lock_is_let_go_when_a_run_fails(layout: Layout) -> None:
    with pytest.raises(SourceError), workspace.held(layout, "tiny", ROOTS):
        raise SourceError("a drive")
    open_and_close(layout)


@pytest.mark.parametrize(("found", "word"), [(99, "newer"), (0, "older")])
def test_another_format_is_refused_and_nothing_is_changed(
    layout: Layout, found: int, word: str
) -> None:
    open_and_close(layout)
    changed = marker(layout) | {"format": found, "made_by": "7.8.9"}
    layout.marker.write_text(json.dumps(changed))
    kept = layout.root / "ledger" / ".pending.tmp"
    kept.mkdir(parents=True)
    said = rf"has workspace format {found}.*use the {word} naturalist that made it \(7\.8\.9\)"
    with pytest.raises(WorkspaceFormatError, match=said):
        open_and_close(layout)
    with pytest.raises(WorkspaceFormatError, match=said):
        workspace.reading(layout)
    assert marker(layout) == changed
    assert kept.is_dir()
    assert not is_locked(layout)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"something": "else"}', '{"format": "x"}'])
def test_a_marker_that_is_no_marker_is_named(layout: Layout, text: str) -> None:
    open_and_close(layout)
    layout.marker.write_text(text)
    for use in (lambda: workspace.reading(layout), lambda: open_and_close(layout)):
        with pytest.raises(WorkspaceError, match=r"workspace\.json"):
            use()


def test_reading_where_nothing_was_made_says_how_to_begin(layout: Layout) -> None:
    with pytest.raises(WorkspaceError, match="start with `naturalist run`"):
        workspace.reading(layout)
    assert not layout.root.exists()


def test_a_folder_that_cannot_be_a_workspace_is_named(layout: Layout) -> None:
    layout.root.write_text("a file")
    with pytest.raises(WorkspaceError, match="work"):
        open_and_close(layout)


def test_an_image_root_that_is_gone_stops_the_run(layout: Layout) -> None:
    open_and_close(layout, ("images", "drive"))
    shutil.rmtree(layout.root / "drive")
    for roots in (("images", "drive"), ("images",)):
        with pytest.raises(SourceError, match=r"drive is missing.*mount its drive"):
            open_and_close(layout, roots)
    assert not (layout.root / "drive").exists()


def test_the_empty_place_of_a_drive_is_no_image_root(layout: Layout) -> None:
    open_and_close(layout, ("images", "drive"))
    shutil.rmtree(layout.root / "drive")
    (layout.root / "drive").mkdir()
    with pytest.raises(SourceError, match="mount its drive"):
        open_and_close(layout, ("images", "drive"))


def test_image_roots_may_lie_anywhere_and_be_added_later(layout: Layout) -> None:
    elsewhere = str(layout.root.parent / "elsewhere")
    open_and_close(layout)
    open_and_close(layout, ("images", elsewhere))
    assert marker(layout)["image_roots"] == sorted(["images", elsewhere])
    open_and_close(layout)
    assert marker(layout)["image_roots"] == sorted(["images", elsewhere])


LEFT_BY_A_KILL = [
    ".scratch/duckdb/spill",
    ".scratch/breadcrumbs/extract-plant-000001-00000",
    "ledger/.pending.tmp/plant.parquet",
    "ledger/.pending.done/plant.parquet",
    "ledger/.open/.f00.parquet.7-ab.tmp",
    "ledger/plant/.000001.parquet.7-ab.tmp",
    "features/net/plant/.000001-00000.parquet.7-ab.tmp",
    "previews/plant/.000001-00000.parquet.7-ab.tmp",
    "checks/net/plant/.000001-00000.json.7-ab.tmp",
    "tables/plant/.image_df_1.csv.7-ab.tmp",
    "reports/.verification.md.7-ab.tmp",
    "reports/runs/.000001.json.7-ab.tmp",
    "outbox/ledger/plant/.000001.parquet.7-ab.tmp",
    ".seals.json.7-ab.tmp",
    "exif/plant/.photos.parquet.7-ab.tmp",
    "metadata/.summary.json.7-ab.tmp",
    "images/.incoming/plant_id_1.png.7.tmp",
]
NEEDED = [
    "ledger/.open/f00.parquet",
    "ledger/.pending/plant.parquet",
    "ledger/plant/000001.parquet",
    "ledger/plant/000001.json",
    "ledger/plant/amendments/000001-00000.parquet",
    "ledger/plant/touched/ab.parquet",
    "features/net/plant/000001-00000.parquet",
    "tables/plant/image_df_1.csv",
    "images/.staging/" + 64 * "0",
    "images/plant/000000/plant_id_1.png",
    "images/plant/000000/.hidden.tmp",
    "reports/verification.json",
    "notes.tmp",
    ".notes.tmp",
    "my own/.file.tmp",
]


def test_opening_sweeps_what_a_killed_writer_left_and_nothing_else(layout: Layout) -> None:
    open_and_close(layout)
    before = files(layout)
    for name in (*LEFT_BY_A_KILL, *NEEDED):
        (layout.root / name).parent.mkdir(parents=True, exist_ok=True)
        (layout.root / name).write_bytes(b"x")
    open_and_close(layout)
    assert files(layout) == before | set(NEEDED)


def test_opening_again_changes_nothing(layout: Layout) -> None:
    open_and_close(layout)
    before = layout.marker.stat()
    open_and_close(layout)
    after = layout.marker.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_asking_whether_it_is_locked_stands_in_nobodys_way(layout: Layout) -> None:
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            is_locked(layout)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(50):
            with workspace.held(layout, "w", ROOTS):
                pass
    finally:
        ended.set()
        asking.join()
