"""Loading tables from every kind of place, whole, in part, and a few rows at a time."""

import doctest
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

import naturalist
from naturalist import artifacts
from naturalist.consume import Arrays, Collection, batches, loading
from naturalist.consume.locations import TableFile
from naturalist.errors import ConfigError, MissingExtra, NotFound, StoreError
from naturalist.schemas import table_schema
from published import PublishedCollection

ROWS = 16


def expected(local: PublishedCollection, categories: Sequence[str] = ("animal", "plant")) -> Arrays:
    """The rows of the workspace's tables."""
    paths = [
        path
        for category in categories
        for path in sorted((local.workspace / "tables" / category).glob("*.parquet"))
    ]
    rows = [row for path in paths for row in pq.ParquetFile(path).read().to_pylist()]
    return Arrays(
        np.array([row["features"] for row in rows], np.float32),
        np.array([row["category_label"] for row in rows], np.int32),
        np.array([row["picID"] for row in rows]),
    )


def assert_same(found: Arrays, wanted: Arrays) -> None:
    assert found.pic_ids.tolist() == wanted.pic_ids.tolist()
    assert found.labels.tolist() == wanted.labels.tolist()
    assert found.labels.dtype == np.int32
    assert found.features.dtype == np.float32
    assert found.features.tobytes() == wanted.features.tobytes()


def test_a_collection_prints_as_one_line(local: PublishedCollection) -> None:
    found = naturalist.load(local.url)
    assert repr(found).startswith(f"Collection('{found.tables.url}', snapshot {found.snapshot}, ")
    assert repr(found).endswith("tables: animal, plant)")


@pytest.fixture(params=["published", "s3", "pulled", "pulled csv", "workspace"])
def loaded(request: pytest.FixtureRequest, local: PublishedCollection, here: Path) -> Collection:
    """The collection, loaded from every kind of place."""
    place = request.param
    if place == "s3":
        remote: PublishedCollection = request.getfixturevalue("on_s3")
        cache = request.getfixturevalue("cache")
        return naturalist.load(remote.url, options=remote.options, cache=cache)
    if place.startswith("pulled"):
        local.pull(here, formats=("csv",) if place.endswith("csv") else ("parquet",))
        return naturalist.load(here)
    return naturalist.load(local.workspace if place == "workspace" else local.url)


def test_every_place_gives_the_same_arrays(loaded: Collection, local: PublishedCollection) -> None:
    assert_same(loaded.numpy(), expected(local))
    assert (len(loaded), loaded.dim, loaded.labels) == (ROWS, 512, {"plant": 0, "animal": 1})


def test_every_place_gives_the_same_frames(loaded: Collection, local: PublishedCollection) -> None:
    wanted = expected(local)
    for frame in (loaded.polars(), loaded.pandas()):
        assert list(frame["picID"]) == wanted.pic_ids.tolist()
        assert np.array_equal(np.stack(list(frame["features"])), wanted.features)
    if "source" in loaded.columns:
        assert set(loaded.arrow()["source"].to_pylist()) == {"photos"}


def test_batches_in_order_are_the_rows_in_order(
    loaded: Collection, local: PublishedCollection
) -> None:
    found = list(loaded.batches(rows=3))
    assert [len(batch.labels) for batch in found] == [3, 3, 3, 3, 3, 1]
    assert_same(Arrays(*map(np.concatenate, zip(*found, strict=True))), expected(local))


def test_shuffled_batches_hold_every_row_once_with_its_own_label(
    loaded: Collection, local: PublishedCollection
) -> None:
    wanted = expected(local)
    rows = {
        str(pic): (int(label), features.tobytes())
        for features, label, pic in zip(*wanted, strict=True)
    }
    found = list(loaded.batches(rows=5, seed=1))
    assert [len(batch.labels) for batch in found] == [5, 5, 5, 1]
    seen = [
        (str(pic), (int(label), features.tobytes()))
        for batch in found
        for features, label, pic in zip(*batch, strict=True)
    ]
    assert len(seen) == ROWS
    assert dict(seen) == rows


def order(collection: Collection, seed: int) -> list[str]:
    return [str(pic) for batch in collection.batches(rows=4, seed=seed) for pic in batch.pic_ids]


def test_a_seed_gives_the_same_order_each_time_and_another_seed_another(
    local: PublishedCollection,
) -> None:
    collection = naturalist.load(local.url)
    assert order(collection, 1) == order(collection, 1)
    assert order(collection, 1) != order(collection, 2)


def test_batches_mix_categories_in_proportion(local: PublishedCollection) -> None:
    collection = naturalist.load(local.url)
    shares = [
        Counter(batch.labels.tolist())[0]
        for seed in range(60)
        for batch in list(collection.batches(rows=8, seed=seed))[:1]
    ]
    assert abs(np.mean(shares) - 8 * 7 / ROWS) < 0.5
    assert 0 < np.std(shares) < 2


def test_arrays_can_be_written_to(loaded: Collection) -> None:
    given_out = [loaded.numpy(), next(loaded.batches(4)), next(loaded.batches(4, seed=0))]
    assert all(array.flags.writeable for arrays in given_out for array in arrays)


def test_columns_and_categories_can_be_chosen(collection: PublishedCollection, cache: Path) -> None:
    loaded = naturalist.load(
        collection.url,
        columns=["features", "picID"],
        categories=["plant"],
        options=collection.options,
        cache=cache,
    )
    assert loaded.arrow().column_names == ["features", "picID"]
    assert loaded.labels == {"plant": 0}
    assert_same(loaded.numpy(), expected(collection, ["plant"]))


def test_a_loaded_collection_stays_what_it_was_when_a_newer_one_is_published(
    collection: PublishedCollection, cache: Path
) -> None:
    options = {"options": collection.options, "cache": cache}
    old = naturalist.load(collection.url, **options)
    wanted = expected(collection)
    collection.add("plant", range(20, 25))
    assert_same(old.numpy(), wanted)
    assert len(naturalist.load(collection.url, **options)) == ROWS + 5
    pinned = naturalist.load(collection.url, snapshot="000001", **options)
    assert_same(pinned.numpy(), wanted)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"columns": ["label"]}, "choose one of category_label"),
        ({"categories": ["tree"]}, "choose one of animal, plant"),
    ],
)
def test_what_there_is_not_cannot_be_chosen(
    local: PublishedCollection, chosen: dict[str, list[str]], said: str
) -> None:
    for place in (local.url, local.workspace):
        with pytest.raises(ConfigError, match=said):
            naturalist.load(place, **chosen)


def test_a_batch_has_rows(local: PublishedCollection) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        naturalist.load(local.url).batches(rows=0)


def test_a_collection_without_tables_is_empty(local: PublishedCollection) -> None:
    for table in (local.workspace / "tables").rglob("*.parquet"):
        table.unlink()
    empty = naturalist.load(local.workspace)
    assert (len(empty), empty.dim, empty.labels) == (0, 0, {})
    assert empty.arrow().column_names == list(empty.columns)
    assert empty.numpy().features.shape == (0, 0)
    assert list(empty.batches()) == list(empty.batches(seed=1)) == []


def test_a_place_without_a_collection_says_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"latest\.json.*pulled\.json.*workspace"):
        naturalist.load(tmp_path)


def test_a_workspace_has_no_snapshots(local: PublishedCollection) -> None:
    with pytest.raises(ConfigError, match="has no snapshots"):
        naturalist.load(local.workspace, snapshot="000001")


def test_a_pulled_folder_has_one_snapshot(local: PublishedCollection, here: Path) -> None:
    local.pull(here)
    assert naturalist.load(here, snapshot="000001").snapshot == "000001"
    with pytest.raises(ConfigError, match="holds snapshot 000001, not 000002"):
        naturalist.load(here, snapshot="000002")


def test_an_address_of_a_file_may_be_a_url(local: PublishedCollection) -> None:
    assert len(naturalist.load(Path(local.url).as_uri())) == ROWS


@pytest.mark.parametrize("place", ["published", "work", "here"])
def test_damaged_tables_are_refused_at_the_first_read(
    local: PublishedCollection, here: Path, place: str
) -> None:
    local.pull(here)
    folder = here if place == "here" else local.folder / place
    collection = naturalist.load(folder)
    path = collection.tables.files[0].path
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    for read in (collection.numpy, collection.arrow, lambda: next(collection.batches())):
        with pytest.raises(StoreError, match="its sha256 has changed"):
            read()


def test_fetched_tables_are_fetched_once_and_mended_when_damaged(
    on_s3: PublishedCollection, cache: Path
) -> None:
    load = lambda: naturalist.load(on_s3.url, options=on_s3.options, cache=cache)  # noqa: E731
    wanted = load().numpy()
    tables = sorted(cache.rglob("*.parquet"))
    stamps = {path: path.stat().st_mtime_ns for path in tables}
    assert len(tables) == 4
    assert_same(load().numpy(), wanted)
    assert {path: path.stat().st_mtime_ns for path in tables} == stamps
    tables[0].write_bytes(b"damaged")
    assert_same(load().numpy(), wanted)
    assert {p for p in tables if p.stat().st_mtime_ns != stamps[p]} == {tables[0]}


def test_the_cache_lies_where_the_desktop_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert loading.reading.cache_folder() == tmp_path / "naturalist" / "tables"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert loading.reading.cache_folder() == Path.home() / ".cache" / "naturalist" / "tables"


def test_a_collection_can_be_handed_to_another_process(loaded: Collection) -> None:
    again = pickle.loads(pickle.dumps(loaded))
    assert_same(again.numpy(), loaded.numpy())


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_are_the_whole_and_do_not_overlap(local: PublishedCollection, count: int) -> None:
    collection = naturalist.load(local.url)
    shares = [collection.share(index, count) for index in range(count)]
    pics = [str(pic) for one in shares for batch in one.batches() for pic in batch.pic_ids]
    assert sorted(pics) == sorted(expected(local).pic_ids.tolist())
    if count == 2:
        assert all(one.labels == {"plant": 0, "animal": 1} for one in shares)
        assert all({f.category for f in one.tables.files} == set(one.labels) for one in shares)


def test_pytorch_trains_on_it_with_several_workers(local: PublishedCollection) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch")
    collection = naturalist.load(local.url)
    dataset = collection.torch(rows=3, seed=0)
    loader = torch.utils.data.DataLoader(
        dataset, batch_size=None, num_workers=2, multiprocessing_context="fork"
    )
    orders = []
    for dataset.epoch in (0, 0, 1):
        batches = list(loader)
        assert batches[0][0].dtype == torch.float32
        assert batches[0][1].dtype == torch.int64
        orders.append(torch.cat([features for features, _ in batches]).numpy())
        assert sorted(torch.cat([labels for _, labels in batches]).tolist()) == [0] * 7 + [1] * 9
    rows = sorted(map(bytes, expected(local).features))
    assert all(sorted(map(bytes, order)) == rows for order in orders)
    assert np.array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


@pytest.mark.parametrize("package", ["polars", "pandas", "torch"])
def test_a_missing_package_is_named_with_its_extra(
    local: PublishedCollection, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    call: Callable[[], object] = getattr(naturalist.load(local.url), package)
    monkeypatch.delitem(sys.modules, "naturalist.consume.torch_data", raising=False)
    with pytest.raises(MissingExtra, match=rf"naturalist\[{package}\]"):
        call()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, naturalist; print(len({'numpy', 'pyarrow', 'boto3'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_a_name_that_the_package_does_not_have_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        naturalist.lode  # noqa: B018


def test_the_examples_in_docstrings_run(local: PublishedCollection) -> None:
    results = doctest.testmod(loading, extraglobs={"published": local.url})
    assert results.attempted > 5
    assert results.failed == 0


def write_table(path: Path, pic_ids: list[str], label: int) -> None:
    features = np.zeros((len(pic_ids), 2), np.float32).tolist()
    columns = [pic_ids, [label] * len(pic_ids), [""] * len(pic_ids), features]
    schema = table_schema(2)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
    artifacts.write_parquet(path, pa.Table.from_arrays(arrays, schema=schema))


@given(
    sizes=st.lists(st.lists(st.integers(0, 7), max_size=4), min_size=1, max_size=3),
    rows=st.integers(1, 9),
    seed=st.none() | st.integers(0, 5),
)
def test_whatever_the_tables_every_row_comes_once_in_batches_of_the_asked_size(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[list[int]],
    rows: int,
    seed: int | None,
) -> None:
    folder = tmp_path_factory.mktemp("tables")
    files = []
    for label, tables in enumerate(sizes):
        names = iter(f"c{label}_id_{n}" for n in range(1, 100))
        for k, count in enumerate(tables):
            path = folder / f"{label}-{k}.parquet"
            write_table(path, [next(names) for _ in range(count)], label)
            files.append(TableFile(path.name, f"c{label}", path, ""))
    wanted = [str(pic) for file in files for pic in batches.read_arrays(file).pic_ids]
    if seed is None:
        found = list(batches.in_order(lambda file: file, files, rows))
    else:
        found = list(batches.shuffled(files, rows, np.random.default_rng(seed)))
    pics = [str(pic) for batch in found for pic in batch.pic_ids]
    assert (pics if seed is None else sorted(pics)) == (wanted if seed is None else sorted(wanted))
    assert all(len(batch.labels) == rows for batch in found[:-1])
    assert all(
        pic.startswith(f"c{label}_")
        for batch in found
        for pic, label in zip(batch.pic_ids, batch.labels, strict=True)
    )
