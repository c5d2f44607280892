"""Listing snapshots, comparing them, and going back to an older one."""

from pathlib import Path

import pytest

import naturalist
from naturalist import snapshots
from naturalist.errors import Conflict, NotFound, StoreError
from naturalist.snapshots import maintenance, rollback
from naturalist.stores import Store, open_store
from published import PublishedCollection


def latest(collection: PublishedCollection) -> str:
    return snapshots.newest(collection.store)[0].id


def test_all_snapshots_are_listed_with_what_they_hold(grown: PublishedCollection) -> None:
    first, second, third = snapshots.summaries(grown.store)
    assert [(one.id, one.is_latest, one.table_rows) for one in (first, second, third)] == [
        ("000001", False, 16),
        ("000002", False, 21),
        ("000003", True, 24),
    ]
    assert 0 < first.size_bytes < second.size_bytes
    assert first.files < second.files
    assert first.made_by == f"naturalist {naturalist.__version__}"


def test_a_damaged_snapshot_is_listed_with_its_fault(grown: PublishedCollection) -> None:
    grown.store.put_bytes("snapshots/000001.json", b"{")
    first, *others = snapshots.summaries(grown.store)
    assert "not JSON" in str(first.fault)
    assert [other.fault for other in others] == [None, None]


def test_a_diff_names_what_came_went_and_changed(grown: PublishedCollection) -> None:
    before, after = (snapshots.read(grown.store, one) for one in ("000001", "000002"))
    found = snapshots.diff(before, after)
    added = {file.name for file in found.added}
    changed = {new.name for _, new in found.changed}
    assert {"tables/plant/image_df_3.parquet", "ledger/plant/000002.parquet"} <= added
    assert "tables/plant/image_df_2.parquet" in changed
    assert "tables/plant/image_df_1.parquet" not in added | changed
    assert found.removed == ()
    old, new = found.about["categories"]
    assert [(one["name"], one["table_rows"]) for one in old] == [("plant", 7), ("animal", 9)]
    assert [(one["name"], one["table_rows"]) for one in new] == [("plant", 12), ("animal", 9)]
    back = snapshots.diff(after, before)
    assert {file.name for file in back.removed} == added
    assert found.fetched_bytes > 0


def test_a_snapshot_does_not_differ_from_itself(local: PublishedCollection) -> None:
    one = snapshots.read(local.store)
    found = snapshots.diff(one, one)
    assert (found.added, found.removed, found.changed, found.about) == ((), (), (), {})


def test_after_a_rollback_readers_of_latest_see_the_older_snapshot(
    grown: PublishedCollection, here: Path
) -> None:
    done = snapshots.roll_back(grown.store, "000001", "labels were wrong")
    assert (done.before, done.after, done.changed) == ("000003", "000001", True)
    assert latest(grown) == "000001"
    assert grown.pull(here).snapshot == "000001"


def test_a_rollback_is_noted_in_the_store(grown: PublishedCollection) -> None:
    snapshots.roll_back(grown.store, "000001", "labels were wrong")
    entry = maintenance.read(grown.store).log[-1]
    assert entry["at"]
    assert {key: entry[key] for key in ("did", "before", "after", "why")} == {
        "did": "rollback",
        "before": "000003",
        "after": "000001",
        "why": "labels were wrong",
    }


def test_a_rollback_to_where_latest_is_holds_it_there(local: PublishedCollection) -> None:
    done = snapshots.roll_back(local.store, "000001", "wait for the review")
    assert (done.before, done.after, done.changed) == ("000001", "000001", True)
    hold = snapshots.hold_of(local.store)
    assert hold is not None
    assert (hold.snapshot, hold.since, hold.why) == (
        "000001",
        done.held_since,
        "wait for the review",
    )
    local.add("plant", [20])
    local.publish()
    assert latest(local) == "000001"
    snapshots.release(local.store)
    local.publish()
    assert latest(local) == "000002"


def test_a_rollback_to_where_latest_is_held_changes_nothing(local: PublishedCollection) -> None:
    first = snapshots.roll_back(local.store, "000001")
    before = local.store.head(snapshots.LATEST)
    again = snapshots.roll_back(local.store, "000001", "once more")
    assert (again.changed, again.held_since) == (False, first.held_since)
    assert local.store.head(snapshots.LATEST) == before
    assert len(maintenance.read(local.store).log) == 1


def test_a_rollback_that_meets_a_publisher_says_what_to_do(
    grown: PublishedCollection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_meanwhile(store: Store, _: object) -> None:
        store.put_bytes(snapshots.LATEST, store.get_bytes(snapshots.LATEST)[0] + b" ")

    monkeypatch.setattr(rollback, "_check_complete", publish_meanwhile)
    with pytest.raises(Conflict, match=r"someone published to .* at the same time.*same command"):
        snapshots.roll_back(grown.store, "000001")
    assert latest(grown) == "000003"


def test_one_can_roll_forward_again(grown: PublishedCollection) -> None:
    for wanted in ("000001", "000002", "000003"):
        assert snapshots.roll_back(grown.store, wanted).changed
        assert latest(grown) == wanted
        assert snapshots.hold_of(grown.store)
    snapshots.release(grown.store)
    assert latest(grown) == "000003"


def test_the_next_publish_after_a_rollback_takes_a_new_number(
    grown: PublishedCollection,
) -> None:
    snapshots.roll_back(grown.store, "000001")
    grown.publish()
    assert latest(grown) == "000001"  # held
    snapshots.release(grown.store)
    grown.publish()
    assert latest(grown) == "000004"
    assert snapshots.read(grown.store, "000004").about["parent"] == "000001"


def test_nobody_rolls_back_to_a_snapshot_that_is_not_complete(
    grown: PublishedCollection,
) -> None:
    only_old = snapshots.read(grown.store, "000001").files
    kept = {file.key for file in snapshots.read(grown.store).files}
    gone = next(file.key for file in only_old if file.key not in kept)
    grown.store.delete([gone])
    with pytest.raises(StoreError, match=r"not complete.*unchanged"):
        snapshots.roll_back(grown.store, "000001")
    assert latest(grown) == "000003"


def test_nobody_rolls_back_to_a_snapshot_that_is_not_there(local: PublishedCollection) -> None:
    with pytest.raises(NotFound):
        snapshots.roll_back(local.store, "000009")


def test_where_nothing_is_published_nothing_is_written(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "empty"))
    with pytest.raises(NotFound):
        snapshots.roll_back(store, "000001")
    with pytest.raises(NotFound):
        snapshots.prune(store, snapshots.PruneOptions())
    assert list(store.list()) == []


def test_nobody_rolls_back_while_another_holds_the_lease(grown: PublishedCollection) -> None:
    with maintenance.held(grown.store, "prune"), pytest.raises(Conflict, match="prune is running"):
        snapshots.roll_back(grown.store, "000001")
    assert latest(grown) == "000003"
