"""Published collections of strangers: nothing of the user's is lost, and every size is bounded."""

import contextlib
import hashlib
import json
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import naturalist
from naturalist import consume, snapshots
from naturalist.consume.folder import MANIFEST
from naturalist.errors import ConfigError, NaturalistError, StorageFull, StoreError
from naturalist.schemas import table_schema
from naturalist.snapshots import maintenance, parquet
from published import PublishedCollection

TABLE = "tables/plant/image_df_1.parquet"
Change = Callable[[dict[str, Any]], None]


def rewrite(collection: PublishedCollection, change: Change | bytes) -> None:
    """Publish a snapshot as a stranger might have written it."""
    folder = Path(collection.url)
    pointer = json.loads((folder / "latest.json").read_text())
    if isinstance(change, bytes):
        data = change
    else:
        body = json.loads((folder / pointer["key"]).read_text())
        change(body)
        data = json.dumps(body).encode()
    (folder / pointer["key"]).write_bytes(data)
    pointer["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "latest.json").write_text(json.dumps(pointer))


def visible(folder: Path) -> list[Path]:
    """What a pull has put into a folder."""
    return [path for path in folder.glob("*") if not path.name.startswith(".")]


def put(collection: PublishedCollection, name: str, data: bytes, **said: Any) -> None:
    """Publish a file under a name, with what the snapshot says of it."""
    sha256 = hashlib.sha256(data).hexdigest()
    key = f"hostile/{sha256}{Path(name).suffix}"
    path = Path(collection.url) / key
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)

    def add(body: dict[str, Any]) -> None:
        entry = {"name": name, "key": key, "size_bytes": len(data), "sha256": sha256}
        body["files"] = [one for one in body["files"] if one["name"] != name] + [entry | said]

    rewrite(collection, add)


@pytest.mark.parametrize("name", ["notes.txt", "README.md", "tables/plant/image_df_1.parquet"])
def test_a_file_of_the_user_is_never_replaced(
    local: PublishedCollection, here: Path, name: str
) -> None:
    put(local, "notes.txt", b"of a stranger")
    mine = here / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    with pytest.raises(ConfigError, match="no earlier pull created it"):
        local.pull(here)
    assert mine.read_text() == "mine"
    assert [path for path in here.rglob("*.*") if path.is_file()] == [mine]


def test_a_description_that_the_user_wrote_is_never_replaced(
    local: PublishedCollection, here: Path
) -> None:
    here.mkdir()
    (here / "croissant.json").write_text("mine")
    with pytest.raises(ConfigError, match=r"croissant\.json would be replaced"):
        local.pull(here)
    assert (here / "croissant.json").read_text() == "mine"


def test_a_link_of_the_user_is_never_replaced(local: PublishedCollection, here: Path) -> None:
    here.mkdir()
    (here / "README.md").symlink_to("nowhere")
    with pytest.raises(ConfigError, match="would be replaced"):
        local.pull(here)
    assert (here / "README.md").is_symlink()


@pytest.mark.parametrize(
    "name",
    [".bashrc", ".git/hooks/pre-commit", "tables/.x/y.parquet", "naturalist.toml", "conftest.py"],
)
def test_names_that_are_never_published_are_refused(
    local: PublishedCollection, here: Path, name: str
) -> None:
    put(local, name, b"x")
    with pytest.raises(StoreError, match="nothing was changed"):
        local.pull(here, parts=("tables", ".git") if name.startswith(".git/") else ())
    assert visible(here) == []


def test_a_pull_that_is_killed_while_files_are_exchanged_knows_its_own_files_afterwards(
    local: PublishedCollection, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    replace, done = Path.replace, []

    def stop_after_two(path: Path, target: Path) -> Path:
        is_exchanged = "pull" in path.parts and "pull" not in target.parts
        if is_exchanged and len(done) == 2:
            raise Killed
        done.extend([target] * is_exchanged)
        return replace(path, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", stop_after_two)
        with pytest.raises(Killed):
            local.pull(here)
    assert not json.loads((here / MANIFEST).read_text())["complete"]
    local.add("plant", range(20, 25))
    local.pull(here)
    assert consume.check_pulled(here).passed


def test_a_size_that_no_drive_has_is_refused_before_anything_is_fetched(
    local: PublishedCollection, here: Path
) -> None:
    put(local, "notes.txt", b"x", size_bytes=10**18)
    with pytest.raises(StoreError, match=r"size_bytes is 1000000000000000000.*less than"):
        local.pull(here)
    put(local, "notes.txt", b"x", size_bytes=10**13)
    with pytest.raises(StorageFull, match="must be downloaded"):
        local.pull(here)


@pytest.mark.parametrize("said", [0, 999, 1001, 3_000_000])
def test_an_object_of_another_size_is_refused_and_no_more_of_it_is_kept(
    collection: PublishedCollection, here: Path, said: int
) -> None:
    victim = next(f for f in snapshots.read(collection.store).files if f.name == TABLE)
    path = here / "fetched"
    with pytest.raises(StoreError, match="does not have the"):
        collection.store.fetch(victim.key, path, victim.sha256, said)
    assert list(here.iterdir()) == []


def test_a_document_that_is_too_large_is_not_read(collection: PublishedCollection) -> None:
    with pytest.raises(StoreError, match="at most 10 are allowed"):
        collection.store.get_bytes(snapshots.LATEST, 10)


HOSTILE: dict[str, tuple[Change | bytes, str]] = {
    "nested": (b"[" * 200_000, "recursion limit"),
    "nested in a field": (b'{"format": 1, "x": ' + b"[" * 200_000, "recursion limit"),
    "not a number": (b'{"format": 1, "x": NaN}', "not JSON"),
    "a number for a name": (lambda b: b["files"][0].update(name=7), r"files\.0\.name is 7"),
    "a number for a key": (lambda b: b["files"][0].update(key=7), r"files\.0\.key is 7"),
    "a text for a size": (lambda b: b["files"][0].update(size_bytes="7"), r"size_bytes is '7'"),
    "a negative size": (lambda b: b["files"][0].update(size_bytes=-1), r"size_bytes is -1"),
    "a true size": (lambda b: b["files"][0].update(size_bytes=True), r"size_bytes is True"),
    "a huge size": (lambda b: b["files"][0].update(size_bytes=10**400), "size_bytes is 1000"),
    "no collection": (lambda b: b.pop("collection"), "collection: Field required"),
    "a list as backbone": (lambda b: b.update(backbone=[]), "backbone is list"),
    "no backbone": (lambda b: b.pop("backbone"), "does not name the backbone"),
    "no dim": (lambda b: b["backbone"].pop("dim"), r"backbone\.dim: Field required"),
    "a huge dim": (lambda b: b["backbone"].update(dim=10**9), r"backbone\.dim is 1000000000"),
    "a text as label": (lambda b: b["categories"][0].update(label="1"), "label is '1'"),
    "a hostile category": (lambda b: b["categories"][0].update(name="\x1b]0;x\x07"), r"name is "),
    "categories as text": (lambda b: b.update(categories="plant"), "categories is 'plant'"),
    "twice a name": (lambda b: b["files"].append(b["files"][0]), "is listed twice"),
    "a file as a folder": (
        lambda b: b["files"].append(b["files"][0] | {"name": f"{TABLE}/x"}),
        "is a file and the folder of",
    ),
    "a list as id": (lambda b: b.update(snapshot=[1]), "snapshot is list"),
    "a path as id": (lambda b: b.update(snapshot="../../x"), "snapshot is "),
    "files as a number": (lambda b: b.update(files=3), "files is 3"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_snapshot_is_refused_with_the_field_and_the_value(
    local: PublishedCollection, here: Path, kind: str
) -> None:
    change, said = HOSTILE[kind]
    rewrite(local, change)
    with pytest.raises(StoreError, match=said):
        local.pull(here)
    assert visible(here) == []


@pytest.mark.parametrize(
    "pointer",
    [b"[]", b"{}", b'{"key": 7}', b'{"snapshot": "000001", "key": "../x", "sha256": "0"}', b"\xff"],
)
def test_a_hostile_pointer_is_refused(local: PublishedCollection, pointer: bytes) -> None:
    (Path(local.url) / "latest.json").write_bytes(pointer)
    with pytest.raises(StoreError, match=r"latest\.json is not valid"):
        snapshots.read(local.store)


@pytest.mark.parametrize(
    "state",
    [
        b"[" * 100_000,
        b'{"format": 1, "prunes": "3", "lease": null, "log": []}',
        b'{"format": 1, "prunes": 0, "lease": {"by": 1, "token": "", "until_s": 0}, "log": []}',
        b'{"format": 1, "prunes": 0, "lease": {"by": "", "token": "", "until_s": "x"}, "log": []}',
        b'{"format": 1, "prunes": 0, "lease": null, "log": {}}',
    ],
)
def test_a_hostile_state_of_maintenance_is_refused(
    local: PublishedCollection, state: bytes
) -> None:
    local.store.put_bytes(maintenance.KEY, state)
    with pytest.raises(StoreError, match=r"maintenance\.json is not valid"):
        maintenance.read(local.store)


# Parquet


def table_bytes(rows: int = 10, dim: int = 4, groups: int = 1, **columns: pa.Array) -> bytes:
    """A table whose columns hold one value each, or those that are given."""
    schema = table_schema(dim)
    values = {
        "picID": pa.array(["plant_id_1"] * rows),
        "category_label": pa.array(np.zeros(rows, np.int32)),
        "source": pa.array(["photos"] * rows),
        "features": pa.FixedSizeListArray.from_arrays(
            pa.array(np.zeros(rows * dim, np.float32)), dim
        ),
    } | columns
    if columns:
        schema = None
    table = pa.table(values) if schema is None else pa.Table.from_pydict(values, schema)
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(buffer, table.schema, compression="zstd") as writer:
        for _ in range(groups):
            writer.write_table(table)
    return buffer.getvalue().to_pybytes()


HOSTILE_TABLES: dict[str, tuple[Callable[[], bytes], str]] = {
    "text": (lambda: b"no Parquet at all, but long enough", "begin and end"),
    "empty": (lambda: b"", "empty"),
    "too many rows": (lambda: table_bytes(100_000, 4, 11), "1,100,000 rows"),
    "a long text": (
        lambda: table_bytes(picID=pa.array(["x" * 5_000] * 10)),
        "a picID has 5,000 bytes",
    ),
    "missing values": (
        lambda: table_bytes(category_label=pa.array([None] * 10, pa.int32())),
        "10 values of category_label are missing",
    ),
    "no features": (lambda: table_bytes(features=pa.array([0] * 10)), "column features holds"),
    "lists without a size": (
        lambda: table_bytes(features=pa.array([[0.0]] * 10, pa.list_(pa.float32()))),
        "column features holds",
    ),
    "numbers for names": (lambda: table_bytes(picID=pa.array([1] * 10)), "column picID holds"),
    "a lying footer length": (
        lambda: table_bytes()[:-8] + struct.pack("<I", 2**31) + b"PAR1",
        "footer is said to have",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE_TABLES)
def test_a_hostile_table_is_refused_by_pull_or_load(
    local: PublishedCollection, here: Path, kind: str
) -> None:
    make, said = HOSTILE_TABLES[kind]
    put(local, TABLE, make())
    with pytest.raises(StoreError, match=said):
        naturalist.load(local.url, categories=["plant"]).numpy()
    if kind not in ("a long text", "missing values"):  # known only when rows are read
        with pytest.raises(StoreError, match=said):
            local.pull(here)
        assert visible(here) == []


def test_rows_that_take_too_much_room_once_they_are_read_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, table_bytes(10_000, 500))
    assert path.stat().st_size < 10_000
    with pytest.raises(StoreError, match="take more than 1,000,000 bytes once they are read"):
        parquet.check(path, "x", parquet.Bounds(decoded_bytes=1_000_000))
    parquet.check(path, "x", parquet.Bounds(decoded_bytes=21_000_000))


def test_a_page_that_holds_more_than_the_footer_says_is_refused(tmp_path: Path) -> None:
    values = np.random.default_rng(0).random(40_000).astype(np.float32)
    features = pa.FixedSizeListArray.from_arrays(pa.array(values), 4)
    data = bytearray(table_bytes(10_000, 4, features=features))
    chunk = pq.ParquetFile(pa.BufferReader(bytes(data))).metadata.row_group(0).column(3)
    start = chunk.dictionary_page_offset or chunk.data_page_offset
    # Of the page header: field 1 (type), then field 2 (uncompressed size) as a number of 7 bits a
    # byte; another number of as many bytes is written over it.
    assert data[start] == 0x15
    size_at = start + 3
    end = next(at for at in range(size_at, size_at + 5) if data[at] < 128)
    data[size_at:end] = b"\xfe" * (end - size_at)
    data[end] = 0x7E
    with pytest.raises(StoreError, match="hold more than the footer says"):
        parquet.check(write(tmp_path, bytes(data)), "x")


def write(folder: Path, data: bytes) -> Path:
    path = folder / "x.parquet"
    path.write_bytes(data)
    return path


def test_a_table_as_naturalist_writes_it_is_within_its_bounds(local: PublishedCollection) -> None:
    for path in Path(local.url).rglob("*.parquet"):
        parquet.check(path, path.name)


# fuzzing

SEED_TABLE = table_bytes(50, 4, 2)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 255)), min_size=1, max_size=8))
def test_whatever_bytes_are_changed_a_table_is_read_or_refused(
    changes: list[tuple[int, int]],
) -> None:
    data = bytearray(SEED_TABLE)
    for at, value in changes:
        data[at % len(data)] = value
    with (
        contextlib.suppress(StoreError),
        parquet.opened(bytes(data), "x", parquet.TABLE) as file,
    ):
        parquet.plain(file.read(), "x")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=5,
)
SNAPSHOT: dict[str, Any] = {
    "format": 1,
    "snapshot": "000001",
    "parent": None,
    "created_at": "2026-11-28T00:00:00+00:00",
    "made_by": "naturalist",
    "collection": "x",
    "categories": [{"name": "plant", "label": 0, "table_rows": 3}],
    "sources": [{"category": "plant", "name": "s", "pictures": 3, "origin": "", "licence": ""}],
    "backbone": {"name": "b", "dim": 4, "licence": ""},
    "files": [{"name": TABLE, "key": "k", "size_bytes": 3, "sha256": "0" * 64}],
}


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, inner in pairs:
        found.append((*path, key))
        if isinstance(inner, dict | list):
            found += places(inner, (*path, key))
    return found


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(places(SNAPSHOT)), JSON, st.booleans())
def test_whatever_is_in_a_field_a_snapshot_is_read_or_refused(
    place: tuple[Any, ...], value: Any, gone: bool
) -> None:
    body = json.loads(json.dumps(SNAPSHOT))
    holder = body
    for key in place[:-1]:
        holder = holder[key]
    if gone:
        del holder[place[-1]]
    else:
        holder[place[-1]] = value
    try:
        found = snapshots.parse("snapshots/000001.json", json.dumps(body).encode())
    except NaturalistError:
        return
    assert all(isinstance(label, int) for label in found.labels.values())
    assert all(0 <= file.size_bytes < 2**45 for file in found.files)
    assert consume.Selection().of(None, found) is not None  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_whatever_bytes_there_are_a_snapshot_is_read_or_refused(data: bytes, seed: int) -> None:
    whole = bytearray(json.dumps(SNAPSHOT).encode())
    for byte in data[:5]:
        whole[random.Random(seed).randrange(len(whole))] = byte
    for candidate in (data, bytes(whole)):
        with contextlib.suppress(StoreError):
            snapshots.parse("snapshots/000001.json", candidate)
