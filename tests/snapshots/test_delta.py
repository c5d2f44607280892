"""Query engines read `latest` through the Delta log, from a folder and from a real S3 server."""

from collections.abc import Iterable
from typing import Any

import deltalake
import duckdb
import polars as pl
import pytest

from naturalist import snapshots
from naturalist.errors import StoreError
from naturalist.snapshots import File, delta
from naturalist.stores import Store
from published import PublishedCollection


def table_of(made: PublishedCollection) -> deltalake.DeltaTable:
    """The published tables, opened by delta-rs with nothing but address and credentials."""
    options = {}
    if made.url.startswith("s3://"):
        options = {"aws_endpoint_url": str(made.options.endpoint_url), "aws_allow_http": "true"}
        options["aws_region"] = made.options.region or "us-east-1"
    return deltalake.DeltaTable(f"{made.url}/tables", storage_options=options)


def ids_by_polars(table: deltalake.DeltaTable) -> list[str]:
    found: list[str] = pl.scan_delta(table).select("picID").collect()["picID"].to_list()
    return sorted(found)


def published_ids(made: PublishedCollection) -> list[str]:
    files = [f for f in snapshots.read(made.store).files if delta.is_table(f.name)]
    return sorted(ids_in(made.store, files))


def ids_in(store: Store, files: Iterable[File]) -> list[str]:
    found: list[str] = []
    for file in files:
        found += pl.read_parquet(store.get_bytes(file.key)[0])["picID"].to_list()
    return found


def test_engines_read_the_latest_snapshot_in_place_and_follow_it(
    collection: PublishedCollection,
) -> None:
    table = table_of(collection)
    assert ids_by_polars(table) == published_ids(collection)
    rows = table.to_pyarrow_dataset()
    query = "SELECT picID, len(features) FROM rows WHERE category_label = 1 ORDER BY picID"
    found: list[Any] = duckdb.execute(query).fetchall()
    assert (len(found), found[0][0], rows.schema.names[-1]) == (9, "animal_id_1", "features")
    assert {length for _, length in found} == {
        snapshots.read(collection.store).about["backbone"]["dim"]
    }

    collection.add("plant", range(20, 25))
    now = table_of(collection)
    assert (table.version(), now.version(), len(ids_by_polars(now))) == (0, 1, 21)
    assert ids_by_polars(now) == published_ids(collection)
    assert len(ids_by_polars(table)) == 16  # who had it open still reads the older state


def test_it_follows_a_rollback_and_a_publish_with_nothing_new_repairs_it(
    grown_local: PublishedCollection,
) -> None:
    store = grown_local.store
    snapshots.roll_back(store, "000001")
    assert ids_by_polars(table_of(grown_local)) == published_ids(grown_local)
    newest = max(info.key for info in store.list(delta.LOG))
    store.delete([newest])  # as if the process had been killed before it
    snapshot = snapshots.read(store)
    assert delta.follow(store, "000003", snapshot.files) is False
    assert delta.follow(store, snapshot.id, snapshot.files)
    assert not delta.follow(store, snapshot.id, snapshot.files)
    assert ids_by_polars(table_of(grown_local)) == published_ids(grown_local)


def test_no_other_program_may_write_or_clean_up(local: PublishedCollection) -> None:
    before = {info.key for info in local.store.list()}
    table = table_of(local)
    with pytest.raises(Exception, match=r"(?i)feature"):
        table.delete()
    with pytest.raises(Exception, match=r"(?i)feature"):
        table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)
    assert {info.key for info in local.store.list()} == before


def test_a_log_of_somebody_else_is_refused(local: PublishedCollection) -> None:
    store, snapshot = local.store, snapshots.read(local.store)
    store.put_bytes(f"{delta.LOG}{9:020d}.json", b'{"commitInfo": {}}\n')
    with pytest.raises(StoreError, match="does not list the tables"):
        delta.follow(store, snapshot.id, snapshot.files)
