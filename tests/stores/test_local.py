"""The folder store: what is particular to files."""

import os
import shutil
from pathlib import Path

import pytest

from naturalist.artifacts import sha256_file
from naturalist.errors import ConfigError, StorageFull, StoreError
from naturalist.stores import local, open_store
from naturalist.stores.local import LocalStore


def visible_files(root: Path) -> list[str]:
    return sorted(
        str(path.relative_to(root))
        for path in root.rglob("*")
        if path.is_file() and ".naturalist" not in path.parts
    )


def test_objects_are_plain_files_and_nothing_else_is_in_sight(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put_bytes("a/b.json", b"{}")
    store.put_bytes("c", b"x", if_absent=True)
    assert visible_files(tmp_path) == ["a/b.json", "c"]
    assert [info.key for info in store.list()] == ["a/b.json", "c"]


def test_reading_leaves_no_trace(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "nowhere")
    assert store.head("a") is None
    assert list(store.list()) == []
    assert not (tmp_path / "nowhere").exists()


def test_a_file_edited_behind_the_back_of_the_store_shows_its_new_digest(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    before = store.put_bytes("k", b"before").sha256
    (tmp_path / "k").write_bytes(b"after!!")
    info = store.head("k")
    assert info is not None
    assert info.sha256 == sha256_file(tmp_path / "k") != before


def test_bytes_that_rotted_are_found_when_fetched(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    store.put_bytes("k", b"good")
    path = tmp_path / "store" / "k"
    status = path.stat()
    path.write_bytes(b"evil")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(StoreError, match="corrupted"):
        store.fetch("k", tmp_path / "got")


def test_temporary_files_of_killed_writers_go_after_a_day(tmp_path: Path) -> None:
    hidden = tmp_path / ".naturalist"
    hidden.mkdir()
    for name, age_s in (("old.tmp", 2 * 86400), ("young.tmp", 60)):
        (hidden / name).touch()
        mtime_s = (hidden / name).stat().st_mtime - age_s
        os.utime(hidden / name, (mtime_s, mtime_s))
    LocalStore(tmp_path).put_bytes("k", b"x")
    assert sorted(path.name for path in hidden.iterdir()) == ["lock", "young.tmp"]


def test_a_key_below_an_object_is_a_clash(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put_bytes("a", b"x")
    store.put_bytes("b/c", b"x")
    for key in ("a/b", "b"):
        with pytest.raises(StoreError, match="clashes"):
            store.put_bytes(key, b"y")


def test_addresses_name_folders(tmp_path: Path) -> None:
    odd = tmp_path / "a b%20ü"
    open_store(str(odd)).put_bytes("k", b"x")
    assert open_store(odd.as_uri()).get_bytes("k")[0] == b"x"
    assert open_store(str(odd)).url == odd.as_uri()
    with pytest.raises(ConfigError, match="ftp"):
        open_store("ftp://host/x")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="locked"):
        LocalStore(tmp_path / "locked").put_bytes("k", b"x")


def test_a_full_drive_is_found_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(local.shutil, "disk_usage", lambda _path: usage._replace(free=9 << 10))
    with pytest.raises(StorageFull, match="only 9 kB are free"):
        LocalStore(tmp_path / "store").check_writable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["file", "file/below"])
def test_a_file_where_a_folder_is_to_be_is_named_before_anything_is_made(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file is a file: choose another folder in publish\.url"):
        LocalStore(tmp_path / place).check_writable()
