"""Query engines read `latest` through the Delta log, from a folder and from a real S3 server."""

from collections.abc import Iterable
from typing import Any

import deltalake
import duckdb
import polars as pl
import pytest

from naturalist import snapshots
from naturalist.errors import StoreError
from naturalist.snapshots import File, delta, maintenance
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


def test_a_rollback_that_was_killed_once_latest_was_moved_is_completed_by_the_next_one(
    grown: PublishedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: Any) -> None:
        raise Killed

    store = grown.store
    with monkeypatch.context() as patched:
        patched.setattr(delta, "follow", kill)
        with pytest.raises(Killed):
            snapshots.roll_back(store, "000001", "labels were wrong")
    assert len(published_ids(grown)) < len(ids_by_polars(table_of(grown)))
    assert not snapshots.roll_back(store, "000001").changed
    assert ids_by_polars(table_of(grown)) == published_ids(grown)
    assert not snapshots.roll_back(store, "000001").changed
    done = [(entry["did"], entry["after"], entry["why"]) for entry in maintenance.read(store).log]
    assert done == [("rollback", "000001", "labels were wrong")]


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
    with pytest.raises(StoreError, match=r"does not list the tables.*publish --repair"):
        delta.follow(store, snapshot.id, snapshot.files)
    assert delta.repair(store, snapshot.id, snapshot.files) == 9  # 1 to 8 are missing
    check_sound(local)


def key_of(number: int) -> str:
    return f"{delta.LOG}{number:020d}.json"


def check_sound(made: PublishedCollection) -> None:
    """The log passes, and delta-rs reads the tables of `latest` from it."""
    snapshot = snapshots.read(made.store)
    assert delta.fault(made.store, snapshot.id, snapshot.files) == ""
    assert ids_by_polars(table_of(made)) == published_ids(made)


def log_of(made: PublishedCollection) -> dict[str, bytes]:
    return {info.key: made.store.get_bytes(info.key)[0] for info in made.store.list(delta.LOG)}


DAMAGES = {
    "garbage": b"\x00not json",
    "empty": b"",
    "cut": None,
    "missing": None,
}


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("kind", DAMAGES)
def test_a_damaged_commit_is_found_and_repaired_and_no_other_changes(
    grown_local: PublishedCollection, kind: str, number: int
) -> None:
    store, key = grown_local.store, key_of(number)
    before = log_of(grown_local)
    assert len(before) == 3
    if kind == "missing":
        store.delete([key])
    else:
        store.put_bytes(key, before[key][:-40] if kind == "cut" else DAMAGES[kind] or b"")
    snapshot = snapshots.read(store)
    expected = "publish again" if (kind, number) == ("missing", 2) else "publish --repair"
    assert expected in delta.fault(store, snapshot.id, snapshot.files)
    assert delta.repair(store, snapshot.id, snapshot.files) == 1
    check_sound(grown_local)
    after = log_of(grown_local)
    assert {one: after[one] for one in before if one != key} == {
        one: data for one, data in before.items() if one != key
    }
    assert delta.repair(store, snapshot.id, snapshot.files) == 0
    assert log_of(grown_local) == after


def test_commits_that_amount_to_other_tables_are_found_and_repaired(
    grown_local: PublishedCollection,
) -> None:
    store = grown_local.store
    lines = store.get_bytes(key_of(1))[0].splitlines(keepends=True)
    store.put_bytes(key_of(1), b"".join(line for line in lines if b'"add"' not in line))
    snapshot = snapshots.read(store)
    assert "amount to" in delta.fault(store, snapshot.id, snapshot.files)
    assert delta.repair(store, snapshot.id, snapshot.files) == 1
    check_sound(grown_local)


def test_an_ordinary_publish_repairs_a_gap_and_a_damaged_last_commit(
    grown_local: PublishedCollection,
) -> None:
    store = grown_local.store
    store.put_bytes(key_of(2), b"garbage")
    grown_local.add("plant", range(40, 43))
    check_sound(grown_local)
    store.delete([key_of(0)])
    grown_local.publish()
    check_sound(grown_local)


def test_a_commit_far_beyond_the_others_is_refused_with_the_way_out(
    local: PublishedCollection,
) -> None:
    store, snapshot = local.store, snapshots.read(local.store)
    store.put_bytes(f"{delta.LOG}{'9' * 20}.json", b"{}")
    with pytest.raises(StoreError, match="delete tables/_delta_log/"):
        delta.repair(store, snapshot.id, snapshot.files)
