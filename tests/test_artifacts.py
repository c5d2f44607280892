import json
import os
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from naturalist import artifacts, small_files
from naturalist.artifacts import Receipt
from naturalist.errors import StorageFull, WorkspaceError
from naturalist.layout import receipt_path

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class Interrupted(Exception):
    pass


def write_half(path: Path) -> None:
    with artifacts.atomic(path) as temporary:
        temporary.write_bytes(b"half of the n")
        raise Interrupted


def test_a_file_whose_writing_fails_keeps_its_old_bytes_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    artifacts.write_bytes(path, b"old")
    with pytest.raises(Interrupted):
        write_half(path)
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["a.bin"]


def test_nothing_is_at_the_path_before_the_file_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "a.bin"
    with artifacts.atomic(path) as temporary:
        temporary.write_bytes(b"whole")
        assert not path.exists()
        assert temporary.parent == path.parent
    assert path.read_bytes() == b"whole"
    assert listing(path.parent) == ["a.bin"]


@pytest.mark.parametrize("length", [1, 100, 250, 255])
def test_a_name_as_long_as_the_file_system_allows_can_be_written(
    tmp_path: Path, length: int
) -> None:
    path = tmp_path / ("n" * length)
    artifacts.write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def fill_the_drive() -> None:
    with artifacts.storage_errors("table 7"), Path("/dev/full").open("wb", 0) as full:
        full.write(b"x")


def test_a_full_drive_is_told_from_other_trouble() -> None:
    with pytest.raises(StorageFull, match=r"table 7.*run the same command again"):
        fill_the_drive()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(WorkspaceError, match=r"file/a\.json"):
        artifacts.write_json(tmp_path / "file" / "a.json", {})


@given(value=json_values)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_reads_back_as_it_was_written(tmp_path: Path, value: object) -> None:
    artifacts.write_json(tmp_path / "value.json", value)
    assert artifacts.read_json(tmp_path / "value.json") == value


def test_a_json_file_that_is_not_there_reads_as_none(tmp_path: Path) -> None:
    assert artifacts.read_json(tmp_path / "a.json") is None


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b'{"a": 1} and more'])
def test_a_json_file_that_is_damaged_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.json").write_bytes(data)
    with pytest.raises(WorkspaceError, match=r"a\.json is damaged"):
        artifacts.read_json(tmp_path / "a.json")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "part.parquet"
    artifacts.write_parquet(path, pa.table({"n": [1, 2, 3]}))
    digest = {path.name: artifacts.sha256_file(path)}
    artifacts.write_receipt(path, Receipt("f1", 3, digest, facts={"numbers": [1, 3]}))
    return path


def test_an_artifact_is_done_only_with_the_fingerprint_of_its_receipt(artifact: Path) -> None:
    assert artifacts.is_done(artifact, "f1")
    assert not artifacts.is_done(artifact, "f2")


def test_an_artifact_without_its_receipt_is_not_done(artifact: Path) -> None:
    artifact.with_suffix(".json").unlink()
    assert not artifacts.is_done(artifact, "f1")


def test_a_receipt_without_its_artifact_counts_for_nothing(artifact: Path) -> None:
    artifact.unlink()
    assert artifacts.read_receipt(artifact) is None
    assert not artifacts.is_done(artifact, "f1")


def test_a_receipt_vouches_for_all_its_files(artifact: Path) -> None:
    beside = artifact.with_suffix(".csv")
    beside.write_bytes(b"x")
    both = {p.name: artifacts.sha256_file(p) for p in (artifact, beside)}
    artifacts.write_receipt(artifact, Receipt("f1", 3, both))
    assert artifacts.is_done(artifact, "f1")
    beside.unlink()
    assert not artifacts.is_done(artifact, "f1")


def test_a_receipt_reads_back_whole(artifact: Path) -> None:
    receipt = artifacts.read_receipt(artifact)
    assert receipt is not None
    assert (receipt.fingerprint, receipt.rows) == ("f1", 3)
    assert receipt.facts == {"numbers": [1, 3]}
    assert receipt.sha256 == {"part.parquet": artifacts.sha256_file(artifact)}


@given(json_values, json_values)
def test_fingerprints_are_equal_exactly_when_the_values_are(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (artifacts.fingerprint(one) == artifacts.fingerprint(other)) == same


def test_a_fingerprint_tells_how_values_are_divided_into_parts() -> None:
    assert artifacts.fingerprint("ab", "c") != artifacts.fingerprint("a", "bc")
    assert artifacts.fingerprint(["a"], "b") != artifacts.fingerprint("a", ["b"])


@pytest.mark.parametrize("rows", [0, 1, 25_000])
def test_the_same_table_gives_the_same_bytes_however_it_is_chunked(
    tmp_path: Path, rows: int
) -> None:
    names = [f"plant_id_{n}" for n in range(rows)]
    table = pa.table({"name": names, "x": np.arange(rows, dtype=np.float32)})
    chunks = [table.slice(at, 700) for at in range(0, rows, 700)]
    chunked = pa.concat_tables(chunks) if chunks else table
    artifacts.write_parquet(tmp_path / "a", table, metadata={"k": "v"})
    artifacts.write_parquet(tmp_path / "b", chunked, metadata={"k": "v"})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert pq.read_table(tmp_path / "a").equals(table)


def test_only_temporary_files_are_swept(tmp_path: Path) -> None:
    kept = ["a.parquet", "b.tmp", ".hidden", "deep/c.json", ".tmp.json"]
    swept = [".a.parquet.12-ab.tmp", "deep/.c.json.1-2.tmp"]
    for name in (*kept, *swept):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    assert artifacts.remove_temporaries(tmp_path) == len(swept)
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == sorted(kept)


def test_sweeping_a_folder_that_is_not_there_does_nothing(tmp_path: Path) -> None:
    assert artifacts.remove_temporaries(tmp_path / "nowhere") == 0


def settled(folder: Path) -> Path:
    """The folder, as if nothing had changed in it for long."""
    os.utime(folder, ns=(10**18, 10**18))
    return folder


def test_what_was_read_out_of_a_folder_is_kept_until_a_file_appears_or_goes(tmp_path: Path) -> None:
    memo = artifacts.FolderMemo[list[str]]()

    def names() -> list[str]:
        return memo.get("names", [tmp_path], lambda: sorted(p.name for p in tmp_path.iterdir()))

    artifacts.write_bytes(tmp_path / "a", b"1")
    settled(tmp_path)
    first = names()
    assert names() is first
    artifacts.write_bytes(tmp_path / "b", b"1")
    assert names() == ["a", "b"]
    settled(tmp_path)
    assert names() is names()
    (tmp_path / "a").unlink()
    assert names() == ["b"]


def test_a_folder_that_was_not_there_is_read_once_it_is(tmp_path: Path) -> None:
    memo, folder = artifacts.FolderMemo[bool](), tmp_path / "none"
    assert not memo.get("key", [folder], folder.exists)
    folder.mkdir()
    settled(folder)
    assert memo.get("key", [folder], folder.exists)


def test_a_folder_that_has_just_changed_is_read_every_time(tmp_path: Path) -> None:
    memo = artifacts.FolderMemo[object]()
    # Later than just now, however long a test takes.
    soon_ns = time.time_ns() + 3_600_000_000_000
    os.utime(tmp_path, ns=(soon_ns, soon_ns))
    first = memo.get("key", [tmp_path], object)
    assert memo.get("key", [tmp_path], object) is not first


def test_folders_that_others_may_have_written_into_are_read_again_when_told(tmp_path: Path) -> None:
    memo = artifacts.FolderMemo[object]()
    settled(tmp_path)
    first = memo.get("key", [tmp_path], object)
    assert memo.get("key", [tmp_path], object) is first
    artifacts.forget_folders()
    assert memo.get("key", [tmp_path], object) is not first


def test_a_file_that_did_not_change_is_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "SETTLED_NS", 0)
    path, memo = tmp_path / "1.json", artifacts.FileMemo[str]()
    path.write_text("old")
    reads: list[str] = []

    def ask() -> str:
        def read() -> str:
            reads.append(path.read_text())
            return reads[-1]

        return memo.get(path, read)

    assert [ask(), ask()] == ["old", "old"]
    assert len(reads) == 1
    state = path.stat()
    path.write_text("odd")
    # The time of its content is put back; that of its inode cannot be.
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert ask() == "odd"
    other = tmp_path / "2.json"
    other.write_text("new")
    other.replace(path)
    assert ask() == "new"
    path.unlink()
    with pytest.raises(FileNotFoundError):
        ask()


def test_a_file_that_changed_a_moment_ago_is_read_again(tmp_path: Path) -> None:
    path, memo = tmp_path / "1.json", artifacts.FileMemo[str]()
    path.write_text("old")
    counts = iter("abc")
    assert [memo.get(path, lambda: next(counts)) for _ in range(3)] == ["a", "b", "c"]


def test_a_receipt_that_is_damaged_after_it_was_read_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small_files, "SETTLED_NS", 0)
    path = tmp_path / "1.parquet"
    path.write_bytes(b"rows")
    artifacts.write_receipt(path, Receipt("made from", 1, {path.name: "00"}))
    assert [artifacts.is_done(path, "made from") for _ in range(2)] == [True, True]
    receipt = receipt_path(path)
    receipt.write_bytes(receipt.read_bytes().replace(b"made from", b"made frog"))
    assert not artifacts.is_done(path, "made from")
    receipt.write_bytes(b"{")
    with pytest.raises(WorkspaceError, match="is damaged"):
        artifacts.is_done(path, "made from")
