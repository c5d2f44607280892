import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naturalist.errors import SourceError
from naturalist.ledger import KnownFiles
from naturalist.reasons import Reason
from naturalist.stages.ingest.listing import Entry, list_new, list_source
from naturalist.stages.ingest.options import Source
from tiny import in_memory

names = st.binary(min_size=1, max_size=40).map(
    lambda name: name.replace(b"/", b"-").replace(b"\0", b"_")
).filter(lambda name: name not in (b".", b".."))  # fmt: skip
sizes = st.integers(0, 2**63 - 1)
facts = st.tuples(st.from_regex(r"[a-z0-9-]{1,6}", fullmatch=True), names, sizes, sizes)


def key_of(source: str, path: bytes, size_bytes: int, mtime_ns: int) -> bytes:
    return Entry(path, size_bytes, mtime_ns).seen_key(source)


def listed(folder: Path) -> dict[bytes, Entry]:
    entries = list(list_source(Source("plant", "s", folder)))
    by_path = {entry.path: entry for entry in entries}
    assert len(by_path) == len(entries)
    return by_path


def reasons(folder: Path) -> dict[bytes, Reason | None]:
    return {path: entry.reason for path, entry in listed(folder).items()}


@given(st.lists(facts, unique=True, min_size=2))
def test_files_that_differ_in_anything_have_different_keys(
    files: list[tuple[str, bytes, int, int]],
) -> None:
    assert len({key_of(*file) for file in files}) == len(files)


@given(facts)
def test_the_key_of_an_unchanged_file_stays(file: tuple[str, bytes, int, int]) -> None:
    assert key_of(*file) == key_of(*file)
    assert len(key_of(*file)) == 16


def test_digits_cannot_wander_between_size_and_time() -> None:
    assert key_of("s", b"p", 12, 3) != key_of("s", b"p", 1, 23)
    assert key_of("s", b"p1", 2, 3) != key_of("s", b"p", 12, 3)


@given(st.sets(names, min_size=1, max_size=12))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_name_that_a_file_system_can_hold_is_listed(
    tmp_path_factory: pytest.TempPathFactory, wanted: set[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("names")
    for name in wanted:
        Path(folder, os.fsdecode(name)).write_bytes(b"x")
    entries = [entry.path for entry in list_source(Source("plant", "s", folder))]
    assert entries == sorted(wanted)


def test_folders_are_listed_in_place_in_the_order_of_the_bytes_of_names(tmp_path: Path) -> None:
    for name in ("b/2", "b/1", "a", "c", "b-", "B", "b/x/y/z"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert list(listed(tmp_path)) == [b"B", b"a", b"b/1", b"b/2", b"b/x/y/z", b"b-", b"c"]


def test_an_empty_folder_is_an_empty_source(tmp_path: Path) -> None:
    (tmp_path / "empty" / "more").mkdir(parents=True)
    assert listed(tmp_path) == {}


def test_a_file_is_a_source_of_one_entry(tmp_path: Path) -> None:
    (tmp_path / "all.zip").write_bytes(b"four")
    assert listed(tmp_path / "all.zip")[b"all.zip"].size_bytes == 4


def test_links_are_followed_to_files_inside_the_source_and_nowhere_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "folder").mkdir(parents=True)
    (source / "folder" / "inside").write_bytes(b"12345")
    (tmp_path / "outside").write_bytes(b"secret")
    (tmp_path / "source-beside").mkdir()
    (tmp_path / "source-beside" / "file").write_bytes(b"x")
    os.mkfifo(source / "pipe")
    links = {
        "good": "folder/inside",
        "again": "good",
        "round": "folder/../folder/inside",
        "absolute": str(source / "folder" / "inside"),
        "out": "../outside",
        "beside": "../source-beside/file",
        "broken": "nothing",
        "self": "self",
        "up": "..",
        "down": "folder",
        "to-pipe": "pipe",
    }
    for name, target in links.items():
        (source / name).symlink_to(target)
    found = reasons(source)
    assert {n: found[n.encode()] for n in links} == {
        "good": None,
        "again": None,
        "round": None,
        "absolute": None,
        "out": Reason.LINK_LEAVES_SOURCE,
        "beside": Reason.LINK_LEAVES_SOURCE,
        "broken": Reason.BROKEN_LINK,
        "self": Reason.BROKEN_LINK,
        "up": Reason.LINK_LEAVES_SOURCE,
        "down": Reason.LINK_TO_FOLDER,
        "to-pipe": Reason.SPECIAL_FILE,
    }
    assert listed(source)[b"good"].size_bytes == 5


def test_a_source_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_bytes(b"x")
    (tmp_path / "real" / "b").symlink_to("a")
    (tmp_path / "link").symlink_to("real")
    assert reasons(tmp_path / "link") == {b"a": None, b"b": None}


def test_pipes_and_sockets_are_named_and_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        found = reasons(tmp_path)
    assert found == {b"pipe": Reason.SPECIAL_FILE, b"socket": Reason.SPECIAL_FILE}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_one_entry(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0)
    assert reasons(tmp_path) == {b"locked": Reason.PERMISSION_DENIED}
    (tmp_path / "locked").chmod(0o700)


@pytest.mark.parametrize("name", ["gone", "file/below"])
def test_a_missing_source_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SourceError, match=rf"'s' of category 'plant'.*{name}.*Mount the drive"):
        list(list_source(Source("plant", "s", tmp_path / name)))


@pytest.fixture
def deep() -> Iterator[Path]:
    """1,100 folders in one another, more than Python calls, with a file in the last."""
    with in_memory() as root:
        folders = [f"{root}{'/d' * depth}" for depth in range(1, 1101)]
        for folder in folders:
            Path(folder).mkdir()
        file = Path(folders[-1], "file")
        file.write_bytes(b"x")
        yield root
        file.unlink()
        for folder in reversed(folders):
            Path(folder).rmdir()


def test_folders_may_be_nested_to_any_depth(deep: Path) -> None:
    assert list(listed(deep)) == [b"d/" * 1100 + b"file"]


def test_only_entries_that_the_ledger_does_not_know_are_new(tmp_path: Path) -> None:
    for n in range(9):
        (tmp_path / f"{n}").write_bytes(b"x")
    source = Source("plant", "s", tmp_path)
    entries = list(list_source(source))
    known = KnownFiles([entry.seen_key("s") for entry in entries[::2]])
    assert list(list_new(source, known)) == entries[1::2]
    assert list(list_new(source, KnownFiles([]))) == entries


def test_a_file_is_new_again_under_another_source_time_or_size(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x")
    source = Source("plant", "s", tmp_path)
    known = KnownFiles([entry.seen_key("s") for entry in list_source(source)])
    assert not list(list_new(source, known))
    assert list(list_new(Source("plant", "other", tmp_path), known))
    os.utime(path, ns=(1, 1))
    assert list(list_new(source, known))
