"""Listing with what was written down about folders, next to listing without it."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tiny
from naturalist.config import Config
from naturalist.layout import receipt_path
from naturalist.ledger import KnownFiles
from naturalist.stages.ingest import folder_states
from naturalist.stages.ingest.folder_states import FolderStates
from naturalist.stages.ingest.listing import list_new, list_source
from naturalist.stages.ingest.options import Source

LONG_AGO_NS = 10**18


@pytest.fixture
def root() -> Iterator[Path]:
    with tiny.in_memory() as folder:
        yield folder


def collection(root: Path, **ingest: str) -> Config:
    sources = tiny.make_sources(root / "raw", {"plant": range(4), "animal": range(10, 12)})
    tiny.write_picture(sources["plant"]["photos"] / "inside" / "deeper" / "5.png", 5)
    return tiny.collection(root, sources, ingest=ingest)


def plant(config: Config) -> Path:
    return config.source_paths["plant"]["photos"]


def settle(folder: Path, at_ns: int = LONG_AGO_NS) -> None:
    """Let folders look as if something had changed in them last at some time, long ago."""
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        os.utime(path, ns=(at_ns, at_ns))


def in_an_hour() -> int:
    """Later than just now, however long a test takes."""
    return time.time_ns() + 3_600_000_000_000


def seen(config: Config) -> int:
    return sum(len(rows) for rows in [tiny.ledger_rows(config)])


def written_down(config: Config, category: str = "plant") -> set[bytes]:
    return set(folder_states.load(config.layout, category, "photos", trust=False).before)


def test_a_run_that_finds_all_known_spares_the_next_one_the_ledger(root, monkeypatch):
    config = collection(root)
    tiny.ingest(config)
    assert written_down(config) == set()
    tiny.ingest(config)
    assert written_down(config) == {b"", b"inside/", b"inside/deeper/"}
    monkeypatch.setattr(KnownFiles, "load", None)
    assert not tiny.ingest(config).batches


def test_bytes_written_into_a_known_file_are_seen_by_its_size(root):
    config = collection(root)
    tiny.ingest(config)
    tiny.ingest(config)
    with (plant(config) / "0001.png").open("ab") as file:
        file.write(b"more")
    assert tiny.ingest(config).batches == [2]


def test_only_the_folder_with_something_new_is_looked_up_again(root):
    config = collection(root)
    tiny.ingest(config)
    tiny.ingest(config)
    tiny.write_picture(plant(config) / "inside" / "9.png", 9)
    assert tiny.ingest(config).batches == [2]
    assert written_down(config) == {b"", b"inside/deeper/"}
    tiny.ingest(config)
    assert written_down(config) == {b"", b"inside/", b"inside/deeper/"}


def test_a_trusted_folder_is_not_opened(root, monkeypatch):
    config = collection(root, unchanged_folders="trust")
    settle(root / "raw")
    tiny.ingest(config)
    tiny.ingest(config)
    monkeypatch.setattr("naturalist.stages.ingest.listing.sorted", None, raising=False)
    assert not tiny.ingest(config).batches


def test_new_and_renamed_files_of_a_trusted_folder_are_seen(root):
    config = collection(root, unchanged_folders="trust")
    settle(root / "raw")
    tiny.ingest(config)
    tiny.ingest(config)
    tiny.write_picture(plant(config) / "inside" / "deeper" / "9.png", 9)
    assert tiny.ingest(config).batches == [2]
    (plant(config) / "0001.png").rename(plant(config) / "renamed.png")
    assert tiny.ingest(config).batches == [3]


def test_what_trust_misses_a_full_scan_finds(root):
    config = collection(root, unchanged_folders="trust")
    settle(root / "raw")
    tiny.ingest(config)
    tiny.ingest(config)
    with (plant(config) / "0001.png").open("ab") as file:
        file.write(b"more")
    assert not tiny.ingest(config).batches
    with tiny.job(config) as held:
        assert tiny.steps.ingest(held, full_scan=True).batches == [2]


def test_a_folder_that_has_just_changed_is_not_trusted(root):
    config = collection(root, unchanged_folders="trust")
    settle(root / "raw", in_an_hour())
    tiny.ingest(config)
    tiny.ingest(config)
    states = folder_states.load(config.layout, "plant", "photos", trust=True)
    assert states.before
    assert all(state.mtime_ns == -1 for state in states.before.values())
    assert states.inside_unchanged(b"", os.fsencode(plant(config))) is None


def test_a_ledger_put_back_from_an_older_copy_is_believed_and_not_what_was_written_later(root):
    config = collection(root)
    tiny.ingest(config)
    tiny.write_picture(plant(config) / "9.png", 9)
    tiny.ingest(config)
    tiny.ingest(config)
    assert b"" in written_down(config)
    newest = config.layout.batch("plant", 2)
    newest.unlink()
    receipt_path(newest).unlink()
    assert written_down(config) == set()
    assert tiny.ingest(config).batches == [2]


def test_folders_with_links_or_files_to_try_again_are_not_written_down(root):
    config = collection(root)
    (plant(config) / "link.png").symlink_to("0001.png")
    (plant(config) / "inside" / "pipe").symlink_to("nowhere")
    tiny.ingest(config)
    tiny.ingest(config)
    assert written_down(config) == {b"inside/deeper/"}


def test_rescan_examines_files_of_unchanged_folders_too(root):
    config = collection(root, unchanged_folders="trust")
    settle(root / "raw")
    tiny.ingest(config)
    tiny.ingest(config)
    with tiny.job(config) as held:
        result = tiny.steps.ingest(held, rescan=True)
    assert not result.batches
    assert seen(config) == 7


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["write", "remove", "grow", "rename"]),
        st.sampled_from(["", "a", "a/b", "c"]),
        st.integers(0, 3),
    ),
    max_size=6,
)


@settings(max_examples=40)
@given(st.lists(CHANGES, min_size=2, max_size=5))
def test_listing_with_states_finds_the_new_files_that_listing_without_them_finds(rounds):
    with tiny.in_memory() as folder:
        source = Source("plant", "s", folder)
        keys: list[bytes] = []
        before: dict = {}
        for changes in rounds:
            for change in changes:
                _apply(folder, *change)
            known = KnownFiles(list(keys))
            expected = list(list_new(source, known))
            states = FolderStates(before)
            assert list(list_new(source, known, states)) == expected
            assert all(
                set(known.contains([entry.seen_key("s")])) == {True}
                for entry in list_source(source)
                if entry.path[: entry.path.rfind(b"/") + 1] in states.now
            )
            before = states.now
            keys += [entry.seen_key("s") for entry in expected]


def _apply(folder: Path, change: str, where: str, number: int) -> None:
    path = folder / where / f"{number}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    if change == "write":
        path.write_bytes(b"x" * number)
    elif not path.exists():
        return
    elif change == "remove":
        path.unlink()
    elif change == "grow":
        with path.open("ab") as file:
            file.write(b"y")
    else:
        shutil.move(path, path.with_name(f"r{number}.png"))
