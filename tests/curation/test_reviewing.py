"""The journal of reviewers' decisions: what stands, undo and redo, several writers, torn lines."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import tiny

from naturalist import ledger
from naturalist.config import Config
from naturalist.curation.decisions import Decision
from naturalist.curation.review import review
from naturalist.curation.reviewing import people
from naturalist.curation.reviewing.applying import apply, pending_decisions, plan
from naturalist.curation.reviewing.history import (
    Change,
    Entry,
    History,
    Mark,
    NothingToUndo,
    Outdated,
)
from naturalist.curation.reviewing.journal import Journal
from naturalist.curation.reviewing.queues import items_of
from naturalist.errors import ConfigError, StorageFull, WorkspaceError
from naturalist.layout import Layout
from naturalist.progress import Silent
from naturalist.stages.ingest.resolve import Kind
from naturalist.stages.verify.review import check_review

KEYS = ("plant_id_1", "plant_id_2", "animal_id_1")
RETIRE, KEEP = ("retire", ""), ("keep", "")


def decide(
    journal: Journal, by: str, key: str, what: tuple[str, str], seen: str = "accepted"
) -> Entry:
    """One decision on the state as it is."""

    def make(history: History) -> Entry:
        versions = {key: history.of(key).version}
        request = f"{by}-{len(history)}"
        return history.decide(by, 1, request, {key: Change(what)}, versions, {key: seen})

    entry = journal.append(make)
    assert entry is not None
    return entry


def marks(history: History) -> dict[str, Mark]:
    return {key: history.of(key).mark for key in KEYS}


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["decide", "decide", "undo", "redo"]),
        st.sampled_from(["anna", "ben"]),
        st.sets(st.sampled_from(KEYS), min_size=1),
        st.sampled_from([RETIRE, KEEP, ("relabel", "animal")]),
    ),
    max_size=30,
)


@settings(max_examples=60, deadline=None)
@given(ACTS)
def test_undo_gives_back_what_was_and_redo_what_was_undone(
    acts: list[tuple[str, str, set[str], tuple[str, str]]],
) -> None:
    history = History()
    for kind, by, keys, what in acts:
        before = marks(history)
        versions = {key: history.of(key).version for key in keys}
        try:
            if kind == "decide":
                entry = history.decide(
                    by, 0, str(len(history)), dict.fromkeys(keys, Change(what)), versions, {}
                )
            else:
                entry = getattr(history, kind)(by, 0, str(len(history)))
        except (NothingToUndo, Outdated):
            assert kind != "decide"
            assert marks(history) == before
            continue
        history.add(entry)
        # Whoever undoes what was just done is where they were, and redoing brings it back.
        after = marks(history)
        if kind in ("decide", "redo"):
            history.add(history.undo(by, 0, f"u{len(history)}"))
            assert marks(history) == before
            history.add(history.redo(by, 0, f"r{len(history)}"))
        assert marks(history) == after
    for by in ("anna", "ben", "anna", "ben"):
        while True:
            try:
                history.add(history.undo(by, 0, f"u{len(history)}"))
            except (NothingToUndo, Outdated):
                break
    others = {e.by for e in history.entries}
    assert len(others) == 2 or marks(history) == dict.fromkeys(KEYS, Mark())
    again = History()
    for entry in history.entries:
        again.add(entry)
    assert dict(again.pictures()) == dict(history.pictures())


def test_a_decision_on_an_outdated_state_is_refused_and_says_what_changed(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    decide(journal, "anna", "plant_id_1", RETIRE)
    other = Journal(tmp_path / "journal.jsonl")
    change = {"plant_id_1": Change(KEEP)}
    with pytest.raises(Outdated, match="anna changed plant_id_1 since you looked: retire") as told:
        other.append(lambda h: h.decide("ben", 2, "x", change, {"plant_id_1": 0}, {}))
    assert told.value.now["plant_id_1"].by == "anna"
    assert len(Journal(tmp_path / "journal.jsonl").history()) == 1


def test_what_another_decided_later_is_not_undone(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    decide(journal, "anna", "plant_id_1", RETIRE)
    decide(journal, "ben", "plant_id_1", KEEP)
    with pytest.raises(Outdated, match="ben changed plant_id_1"):
        journal.append(lambda h: h.undo("anna", 3, "u"))
    journal.append(lambda h: h.undo("ben", 3, "u"))
    journal.append(lambda h: h.undo("anna", 4, "u"))
    assert journal.history().of("plant_id_1").mark == Mark()
    assert len(journal.history()) == 4


def test_tags_and_notes_leave_a_decision_its_author_and_an_undo_gives_it_back() -> None:
    history, key = History(), "plant_id_1"

    def say(by: str, change: Change, seen: str = "accepted") -> None:
        number, versions = len(history), {key: history.of(key).version}
        history.add(history.decide(by, number, f"r{number}", {key: change}, versions, {key: seen}))

    def author() -> tuple[str, int, str]:
        one = history.of(key)
        return one.author, one.decided_in, one.seen

    say("ben", Change(KEEP))
    say("anna", Change(tags=("blurry",)), "accepted again")
    say("anna", Change(note="out of focus"), "accepted again")
    assert author() == ("ben", 1, "accepted")
    assert history.of(key).by == "anna"
    history.add(history.undo("anna", 9, "u"))
    assert author() == ("ben", 1, "accepted")
    say("anna", Change(RETIRE))
    assert author()[:2] == ("anna", 5)
    history.add(history.undo("anna", 9, "v"))
    assert author()[:2] == ("ben", 6)
    say("anna", Change(KEEP))
    assert author()[0] == "anna"


def test_verify_names_each_damaged_line_of_the_journal_and_what_to_do(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert list(check_review(layout)) == []
    journal = Journal(layout.review_journal)
    for number in range(1, 6):
        decide(journal, "anna", f"plant_id_{number}", RETIRE)
    assert list(check_review(layout)) == []
    lines = layout.review_journal.read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"anna", b"anne")
    lines[3] = b"\xff" + lines[3]
    torn = b"0123 never finished"
    layout.review_journal.write_bytes(b"".join(lines) + torn)
    found = list(check_review(layout))
    # After bytes that are no text, the line that follows cannot be compared with anything.
    assert [one.detail.partition(" is damaged")[0] for one in found] == [
        "line 2",
        "line 4",
        "line 5",
    ]
    assert {(one.check, one.severity, one.file) for one in found} == {
        ("checksum", "hard", "review/journal.jsonl")
    }
    assert "head -n 1" in found[0].detail
    with pytest.raises(WorkspaceError, match="damaged at entry 2"):
        Journal(layout.review_journal).history()


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "review" / "journal.jsonl"

    def write(by: str) -> None:
        journal = Journal(path)
        for number in range(15):
            decide(journal, by, f"{by}_id_{number + 1}", RETIRE)

    threads = [threading.Thread(target=write, args=(by,)) for by in ("anna", "ben", "cleo")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = Journal(path).history()
    assert [entry.number for entry in history.entries] == list(range(1, 46))
    assert len(history.pending()) == 45


WRITER = """
import itertools, sys
from pathlib import Path
from naturalist.curation.reviewing.history import Change
from naturalist.curation.reviewing.journal import Journal
journal, by = Journal(Path(sys.argv[1])), sys.argv[2]
for number in itertools.count(1):
    change = {f"plant_id_{number}": Change(("retire", ""), note="x" * 3000)}
    entry = journal.append(lambda h: h.decide(by, 1, f"r{len(h)}", change, {k: h.of(k).version for k in change}, {}))
    print(entry.number, flush=True)
"""  # noqa: E501


def test_a_killed_writer_loses_nothing_that_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    acknowledged: set[int] = set()
    for by, lines in (("anna", 7), ("ben", 23)):
        words = [sys.executable, "-c", WRITER, str(path), by]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            told = [int(writer.stdout.readline()) for _ in range(lines)]
            writer.kill()
            told += [int(line) for line in writer.stdout if line.endswith("\n")]
        acknowledged |= {*told}
        history = Journal(path).history()
        assert acknowledged <= {entry.number for entry in history.entries}
        # At most one was written down and not acknowledged yet.
        assert len(history) - max(acknowledged) <= 1


@pytest.mark.parametrize("cut", [1, 20, 10_000])
def test_a_torn_last_line_is_left_out_and_written_over(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    decide(journal, "anna", "plant_id_1", RETIRE)
    whole = path.read_bytes()
    decide(journal, "anna", "plant_id_2", RETIRE)
    line = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + line[: min(cut, len(line) - 1)])
    after = Journal(path)
    assert [*after.history().pending()] == ["plant_id_1"]
    decide(after, "ben", "animal_id_1", KEEP)
    assert [*Journal(path).history().pending()] == ["plant_id_1", "animal_id_1"]


def test_damage_in_the_middle_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    decide(journal, "anna", "plant_id_1", RETIRE)
    decide(journal, "anna", "plant_id_2", RETIRE)
    path.write_bytes(path.read_bytes().replace(b"plant_id_1", b"plant_id_3", 1))
    with pytest.raises(WorkspaceError, match="damaged at entry 1"):
        Journal(path).history()
    with pytest.raises(WorkspaceError, match="damaged at entry 1"):
        decide(Journal(path), "anna", "plant_id_2", KEEP)


def test_a_full_drive_acknowledges_nothing_and_leaves_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    decide(journal, "anna", "plant_id_1", RETIRE)
    whole = path.read_bytes()

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(StorageFull, match="no space left"):
            decide(journal, "anna", "plant_id_2", RETIRE)
    assert path.read_bytes() == whole
    decide(journal, "anna", "plant_id_2", KEEP)
    assert len(Journal(path).history()) == 2


def test_tokens_are_kept_as_checksums_and_can_be_taken_away(tmp_path: Path) -> None:
    path = tmp_path / "review" / "reviewers.json"
    anna, ben = people.add(path, "anna"), people.add(path, "ben")
    assert people.who(path, anna) == "anna"
    assert people.who(path, ben) == "ben"
    assert people.who(path, "") is None
    text = path.read_text()
    assert anna not in text
    assert path.stat().st_mode & 0o077 == 0
    people.remove(path, "anna")
    assert people.who(path, anna) is None
    newer = people.add(path, "ben")
    assert people.who(path, ben) is None
    assert people.who(path, newer) == "ben"
    for name in ("", "ingest", "-x", "a\nb", "x" * 65):
        with pytest.raises(ConfigError):
            people.add(path, name)
    with pytest.raises(ConfigError, match="no reviewer 'anna'"):
        people.remove(path, "anna")


# applying


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Three plants and three animals with tables, and a conflict."""
    sources = tiny.make_sources(
        tmp_path / "in", {"plant": [1, 2, 3, 50], "animal": [11, 12, 13, 50]}
    )
    made = tiny.collection(tmp_path, sources)
    tiny.make_all(made)
    return made


def outcomes(config: Config) -> dict[str, str]:
    rows = tiny.ledger_rows(config)
    return {row["pic_id"]: row["outcome"] for row in rows if row["pic_id"]}


def test_decisions_are_applied_once_with_their_names_and_can_be_taken_back(config: Config) -> None:
    journal = Journal(config.layout.review_journal)
    decide(journal, "anna", "plant_id_1", RETIRE)
    decide(journal, "ben", "animal_id_1", ("relabel", "plant"))
    found = plan(config, journal.history(), "anna")
    assert found.by == {"anna": 1, "ben": 1}
    effect = {one.name: one for one in found.effect.categories}
    assert (effect["plant"].leave, effect["plant"].enter) == (1, 1)
    assert effect["plant"].tables == ("image_df_1",)
    assert found.effect.snapshot_bytes > 0
    assert outcomes(config)["plant_id_1"] == "accepted"
    apply(config, journal, "anna", Silent(), request="a1", upto=found.upto)
    assert outcomes(config)["plant_id_1"] == "refused"
    assert outcomes(config)["animal_id_1"] == "relabelled"
    with ledger.connect(config.layout) as connection:
        found_by = dict(connection.execute('SELECT pic_id, "by" FROM amendments').fetchall())
    assert (found_by["plant_id_1"], found_by["animal_id_1"]) == ("anna", "ben")
    assert journal.history().pending() == {}
    journal.append(lambda h: h.undo("anna", 5, "u"))
    assert journal.history().pending() == {"plant_id_1": KEEP}
    journal.append(lambda h: h.undo("ben", 6, "u"))
    apply(config, journal, "ben", Silent(), request="a2")
    assert outcomes(config)["plant_id_1"] == "accepted"
    assert outcomes(config)["animal_id_1"] == "accepted"
    assert journal.history().pending() == {}
    journal.append(lambda h: h.redo("anna", 7, "r"))
    apply(config, journal, "anna", Silent(), request="a3")
    assert outcomes(config)["plant_id_1"] == "refused"


def test_the_ledger_names_who_decided_whoever_tagged_the_picture_later(config: Config) -> None:
    journal = Journal(config.layout.review_journal)
    decide(journal, "ben", "plant_id_1", RETIRE)
    tags = {"plant_id_1": Change(tags=("blurry",), note="out of focus")}
    seen = {"plant_id_1": "accepted"}
    journal.append(lambda h: h.decide("anna", 2, "t", tags, {"plant_id_1": 1}, seen))
    found = plan(config, journal.history(), "anna")
    assert found.by == {"ben": 1}
    apply(config, journal, "anna", Silent(), request="a", upto=found.upto)
    with ledger.connect(config.layout) as connection:
        found_by = dict(connection.execute('SELECT pic_id, "by" FROM amendments').fetchall())
    assert found_by["plant_id_1"] == "ben"


def test_a_relabelled_picture_is_counted_once(config: Config) -> None:
    journal = Journal(config.layout.review_journal)
    decide(journal, "anna", "plant_id_1", RETIRE)
    decide(journal, "ben", "animal_id_1", ("relabel", "plant"))
    reviewed = apply(config, journal, "anna", Silent(), request="a")
    assert (reviewed.decided, reviewed.pictures, len(reviewed.new_ids)) == (2, 2, 1)


def test_a_kill_between_the_ledger_and_the_journal_is_mended_by_applying_again(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(config.layout.review_journal)
    decide(journal, "anna", "animal_id_1", ("relabel", "plant"))
    with monkeypatch.context() as patched:
        patched.setattr(Journal, "append", _killed)
        with pytest.raises(KeyboardInterrupt):
            apply(config, journal, "anna", Silent(), request="a1")
    after = Journal(config.layout.review_journal)
    assert [*after.history().pending()] == ["animal_id_1"]
    rows = len(tiny.ledger_rows(config))
    reviewed = apply(config, after, "anna", Silent(), request="a2")
    assert (reviewed.unchanged, reviewed.left_out) == (1, [])
    assert len(tiny.ledger_rows(config)) == rows
    assert after.history().pending() == {}


def _killed(*_: object) -> None:
    raise KeyboardInterrupt


def test_what_the_ledger_learnt_meanwhile_is_not_overwritten(config: Config) -> None:
    journal = Journal(config.layout.review_journal)
    decide(journal, "anna", "plant_id_1", ("relabel", "animal"))
    decide(journal, "anna", "plant_id_2", RETIRE)
    review(config, Silent(), [Decision(2, "plant_id_1", Kind.RETIRE)], "ben")
    reviewed = apply(config, journal, "anna", Silent(), request="a1")
    assert [one.key for one in reviewed.left_out] == ["plant_id_1"]
    assert (
        "was accepted when this was decided and is refused retired now" in reviewed.left_out[0].why
    )
    assert outcomes(config)["plant_id_1"] == "refused"
    assert outcomes(config)["plant_id_2"] == "refused"
    assert [one.key for one in pending_decisions(journal.history())] == ["plant_id_1"]


def test_later_decisions_are_not_applied_unseen(config: Config) -> None:
    journal = Journal(config.layout.review_journal)
    decide(journal, "anna", "plant_id_1", RETIRE)
    looked = plan(config, journal.history(), "anna").upto
    decide(journal, "ben", "plant_id_2", RETIRE)
    with pytest.raises(Outdated, match="ben made more decisions since you looked"):
        apply(config, journal, "anna", Silent(), request="a1", upto=looked)
    assert outcomes(config)["plant_id_1"] == "accepted"


def test_conflicts_are_asked_about_and_their_undo_is_refused_once_applied(config: Config) -> None:
    journal = Journal(config.layout.review_journal)
    (item,) = items_of(config, "conflicts")
    assert item.key.startswith("sha256:")
    found = plan(config, journal.history(), "anna")
    assert found.reviewed.decided == 0
    state = "animal conflict (plant/photos/0050.png), plant conflict (animal/photos/0050.png)"
    decide(journal, "anna", item.key, ("keep", "plant"), state)
    reviewed = apply(config, journal, "anna", Silent(), request="a1")
    assert reviewed.left_out == []
    assert items_of(config, "conflicts") == []
    with pytest.raises(NothingToUndo, match="was in conflict before"):
        journal.append(lambda h: h.undo("anna", 5, "u"))


def test_the_journal_is_plain_json_lines(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    decide(journal, "anna", "plant_id_1", RETIRE)
    _, _, text = (tmp_path / "journal.jsonl").read_text().partition(" ")
    assert json.loads(text)["marks"]["plant_id_1"]["decision"] == "retire"
