from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.ledger import KnownFiles, Outcome, SourceCounts, views
from naturalist.reasons import Reason
from naturalist.schemas import LEDGER
from tiny import amend, amendment, commit_rows, ledger_row

keys = st.binary(min_size=16, max_size=16)


def known(added: list[bytes]) -> KnownFiles:
    return KnownFiles(pa.chunked_array([pa.array(added, pa.binary(16))]))


@given(st.lists(keys, unique_by=lambda key: key[:8]), st.lists(keys))
def test_known_files_are_those_of_a_set(added: list[bytes], strange: list[bytes]) -> None:
    asked = [*strange, *added]
    expected = [key in set(added) for key in asked]
    assert KnownFiles(added).contains(asked) == expected
    assert known(added).contains(asked) == expected


near = st.builds(lambda a, b: bytes([a]) * 8 + bytes([b]) * 8, *[st.sampled_from([0, 1, 255])] * 2)


@given(st.lists(near), st.lists(near))
def test_no_file_is_ever_taken_for_a_known_one(added: list[bytes], asked: list[bytes]) -> None:
    found = KnownFiles(added).contains(asked)
    assert all(key in set(added) for key, is_known in zip(asked, found, strict=True) if is_known)


def test_keys_are_read_from_slices_of_arrays_too() -> None:
    added = [bytes([n]) * 16 for n in range(10)]
    sliced = pa.chunked_array([pa.array(added, pa.binary(16)).slice(3, 4)])
    assert KnownFiles(sliced).contains(added) == [3 <= n < 7 for n in range(10)]


def test_keys_of_members_are_passed_over_and_those_of_touched_files_count(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    commit_rows(layout, "plant", 1, [ledger_row("plant", 1), ledger_row("plant", 2, seen_key=None)])
    touched = pa.table({"seen_key": pa.array([b"t" * 16], pa.binary(16))})
    artifacts.write_parquet(layout.touched("plant") / "one.parquet", touched)
    first = ledger_row("plant", 1)["seen_key"]
    assert KnownFiles.load(layout, "plant").contains([first, b"t" * 16, b"x" * 16]) == [
        True,
        True,
        False,
    ]


def test_a_category_without_batches_knows_nothing(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert KnownFiles.load(layout, "plant").contains([b"x" * 16]) == [False]
    assert ledger.counts(layout, "plant") == {}
    assert ledger.categories(layout) == []
    assert ledger.last_batch(layout) == 0


reasons = st.sampled_from([r.value for r in Reason][:4])
some_counts = st.builds(
    SourceCounts,
    *[st.integers(0, 9)] * 4,
    st.dictionaries(reasons, st.integers(1, 9)),
)


@given(some_counts, some_counts, some_counts)
def test_counts_add_up_in_any_order(a: SourceCounts, b: SourceCounts, c: SourceCounts) -> None:
    assert (a + b) + c == c + (b + a)
    assert (a + b).seen == a.seen + b.seen
    assert a + SourceCounts() == a


@given(some_counts)
def test_seen_is_the_sum_of_the_outcomes(counts: SourceCounts) -> None:
    refused = sum(counts.refused.values())
    assert counts.seen == counts.accepted + counts.duplicate + counts.conflict + refused


outcomes = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from(list(Outcome)),
    reasons,
)


@given(st.lists(outcomes, max_size=30))
def test_rows_are_counted_by_source_outcome_and_reason(drawn: list[tuple[str, str, str]]) -> None:
    rows = [
        ledger_row("plant", n, source=s, outcome=o, reason=r if o == "refused" else None)
        for n, (s, o, r) in enumerate(drawn)
    ]
    counted = ledger.count_rows(pa.Table.from_pylist(rows, LEDGER))
    for source in ("a", "b"):
        mine = [(o, r) for s, o, r in drawn if s == source]
        one = counted.get(source, SourceCounts())
        tally = Counter(o for o, _ in mine)
        assert (one.accepted, one.duplicate) == (tally["accepted"], tally["duplicate"])
        assert (one.conflict, one.unpacked) == (tally["conflict"], tally["unpacked"])
        assert one.refused == Counter(r for o, r in mine if o == "refused")


@given(st.integers(0, 23), st.integers(1, 7))
def test_shards_cover_every_accepted_picture_once_in_order(accepted: int, size: int) -> None:
    rows = [ledger_row("plant", n) for n in range(1, accepted + 1)]
    rows += [ledger_row("plant", 99, outcome="duplicate", pic_id=None)]
    table = pa.Table.from_pylist(rows, LEDGER)
    empty = LEDGER.empty_table()
    shards = ledger.summarise(table, empty, "plant", 1, accepted, size)["shards"]
    covered = [n for shard in shards for n in range(shard["start"], shard["stop"])]
    assert covered == list(range(accepted))
    assert all(shard["stop"] - shard["start"] <= size for shard in shards)
    assert len({shard["fingerprint"] for shard in shards}) == len(shards)


def test_a_shard_gives_its_pictures_in_id_order(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    rows = [ledger_row("plant", n) for n in range(1, 6)]
    rows.insert(2, ledger_row("plant", 9, outcome="refused", reason="truncated", pic_id=None))
    summary = commit_rows(layout, "plant", 1, rows, shard_size=2)
    names = [
        ledger.shard_rows(layout, "plant", 1, shard)["pic_id"].to_pylist()
        for shard in summary.shards
    ]
    assert names == [["plant_id_1", "plant_id_2"], ["plant_id_3", "plant_id_4"], ["plant_id_5"]]


def test_a_row_of_a_batch_is_found_by_its_id_in_every_row_group(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    rows = [ledger_row("plant", n) for n in range(1, 6)]
    rows.insert(2, ledger_row("plant", 9, outcome="refused", reason="truncated", pic_id=None))
    commit_rows(layout, "plant", 1, rows, shard_size=2)
    path = layout.batch("plant", 1)
    table = pq.read_table(path, partitioning=None)
    pq.write_table(table, path, row_group_size=2)
    for expected in table.to_pylist():
        if expected["pic_id"] is not None:
            assert ledger.row_of(layout, "plant", 1, expected["pic_id"]) == expected
    assert ledger.row_of(layout, "plant", 1, "plant_id_77") is None


@pytest.fixture
def amended(tmp_path: Path) -> Layout:
    """Two pictures; the second was refused when it was extracted, then found to be a conflict."""
    layout = Layout(tmp_path)
    commit_rows(layout, "plant", 1, [ledger_row("plant", 1), ledger_row("plant", 2)])
    refusal = amendment("plant", 2, outcome="refused", reason="truncated", by="extract", at_ns=5)
    amend(layout, "plant", "000001-00000", [refusal])
    amend(layout, "plant", "000002-conflicts", [amendment("plant", 2, same_as="x", at_ns=9)])
    return layout


def test_the_latest_amendment_holds(amended: Layout) -> None:
    with ledger.connect(amended) as connection:
        query = "SELECT pic_id, outcome, reason, same_as FROM ledger ORDER BY pic_id"
        rows = ledger.query(connection, query).to_pylist()
    assert rows == [
        {"pic_id": "plant_id_1", "outcome": "accepted", "reason": None, "same_as": None},
        {"pic_id": "plant_id_2", "outcome": "conflict", "reason": None, "same_as": "x"},
    ]
    assert ledger.counts(amended, "plant") == {"photos": SourceCounts(accepted=1, conflict=1)}


def test_a_batch_is_counted_with_what_its_own_pictures_turned_out_to_be(amended: Layout) -> None:
    (summary,) = ledger.batches(amended, "plant")
    counts = ledger.batch_counts(amended, summary, since=1)
    assert counts == {"photos": SourceCounts(accepted=1, refused={"truncated": 1})}


def test_an_empty_ledger_can_be_asked(tmp_path: Path) -> None:
    with ledger.connect(Layout(tmp_path)) as connection:
        assert ledger.query(connection, "SELECT * FROM ledger").num_rows == 0


def test_a_workspace_whose_path_has_quotes_can_be_asked(tmp_path: Path) -> None:
    layout = Layout(tmp_path / 'it\'s a "path"; DROP TABLE')
    commit_rows(layout, "plant", 1, [ledger_row("plant", 1)])
    with ledger.connect(layout) as connection:
        assert ledger.query(connection, "SELECT * FROM ledger").num_rows == 1


@pytest.mark.parametrize("name", ["a[1]", "what?", "star*", "{a,b}", "category=x"])
def test_a_workspace_whose_path_looks_like_a_pattern_can_be_asked(
    tmp_path: Path, name: str
) -> None:
    layout = Layout(tmp_path / name)
    commit_rows(layout, "plant", 1, [ledger_row("plant", 1)])
    amend(layout, "plant", "000001-conflicts", [amendment("plant", 1)])
    with ledger.connect(layout) as connection:
        (row,) = ledger.query(connection, "SELECT outcome FROM ledger").to_pylist()
    assert row == {"outcome": "conflict"}


def test_many_small_files_are_read_once_and_answer_as_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path)

    def asked() -> list[dict[str, object]]:
        with ledger.connect(layout) as connection:
            return ledger.query(connection, "SELECT * FROM ledger ORDER BY ALL").to_pylist()

    monkeypatch.setattr(artifacts, "SETTLED_NS", 0)
    for number in range(1, 41):
        category = "plant" if number % 2 else "animal"
        same = {"path": b"again.png", "occurrence": 0}
        refused = ledger_row(
            category, 900, outcome="refused", reason="truncated", pic_id=None, batch=number, **same
        )
        rows = [ledger_row(category, number, batch=number), refused]
        commit_rows(layout, category, number, rows)
    amend(layout, "plant", "000001-conflicts", [amendment("plant", 1, same_as="x")])
    at_once = asked()
    path = layout.batch("plant", 1)
    whole = path.read_bytes()
    path.write_bytes(b"")
    assert asked() == at_once
    path.write_bytes(whole)
    monkeypatch.setattr(views, "_MANY_FILES", 1000)
    assert asked() == at_once
    # A refusal of each category is replaced by the next one of the same file.
    assert len(at_once) == 40 + 2
    monkeypatch.setattr(views, "_MANY_FILES", 30)
    monkeypatch.setattr(views, "_SMALL_BYTES", 1)
    artifacts.forget_folders()
    assert asked() == at_once
    monkeypatch.setattr(views, "_SMALL_BYTES", 1 << 20)
    commit_rows(layout, "plant", 41, [ledger_row("plant", 41, batch=41)])
    assert len(asked()) == len(at_once) + 1


outcomes = st.sampled_from(sorted(Outcome))


@settings(max_examples=30)
@given(st.data())
def test_accepted_rows_are_a_slice_of_those_accepted_however_rows_are_grouped(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "batch.parquet"
    for _ in range(2):  # the second file replaces the first under its name
        outcomes_drawn = data.draw(st.lists(outcomes, min_size=1, max_size=40))
        outcomes_drawn[data.draw(st.integers(0, len(outcomes_drawn) - 1))] = Outcome.ACCEPTED
        table = pa.table(
            {"outcome": pa.array(outcomes_drawn, pa.string()), "row": range(len(outcomes_drawn))}
        )
        artifacts.write_parquet(path, table, group_rows=data.draw(st.integers(1, 9)))
        accepted = [at for at, outcome in enumerate(outcomes_drawn) if outcome == Outcome.ACCEPTED]
        start = data.draw(st.integers(0, len(accepted) - 1))
        stop = data.draw(st.integers(start + 1, len(accepted)))
        columns = data.draw(st.sampled_from([["row"], ["row", "outcome"], None]))
        rows = ledger.accepted_rows(path, start, stop, columns)
        assert rows["row"].to_pylist() == accepted[start:stop]
        assert rows.column_names == (columns or table.column_names)
