"""The pure heart of ingest: days of findings in, outcomes and ids out.

`World` plays the ledger: it keeps every row that was ever assigned and answers what the queries of
the ingest stage ask. The stages themselves, with files, are in test_batches.py.
"""

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.layout import pic_number
from naturalist.reasons import Reason
from naturalist.schemas import FINDINGS
from naturalist.stages.ingest.assign import Assigned, KnownPicture, Prior, assign, text_of

Row = dict[str, Any]
Finding = tuple[str, Row]
Place = tuple[str, str, bytes]
"""category, source, path"""


def finding(category: str, source: str, name: str, content: int, **changes: Any) -> Finding:
    """What examining a picture found; `content` stands for its bytes."""
    row: Row = dict.fromkeys(FINDINGS.names)
    row |= {
        "source": source,
        "path": name.encode(),
        "occurrence": 0,
        "kind": "picture",
        "size_bytes": 10,
        "mtime_ns": content,
        "sha256": hashlib.sha256(str(content).encode()).digest(),
        "format": "png",
        "seen_key": hashlib.blake2b(f"{source}/{name}/{content}".encode(), digest_size=16).digest(),
        "staged": False,
    }
    return category, row | changes


def refusal(category: str, source: str, name: str, content: int) -> Finding:
    return finding(category, source, name, content, kind="refused", reason=Reason.TRUNCATED.value)


@dataclass
class World:
    """A ledger in memory."""

    rows: list[Row] = field(default_factory=list)
    amended: dict[str, Row] = field(default_factory=dict)
    last_numbers: dict[str, int] = field(default_factory=dict)
    batch: int = 0

    def day(self, findings: Sequence[Finding]) -> Assigned:
        self.batch += 1
        listed = sorted(findings, key=lambda f: (f[0], f[1]["source"], f[1]["path"]))
        result = assign(listed, self.prior(), self.last_numbers, self.batch, lambda *_: "images")
        self.rows += [row for rows in result.rows.values() for row in rows]
        for rows in result.amendments.values():
            self.amended |= {row["pic_id"]: row for row in rows}
        self.last_numbers |= result.last_numbers
        return result

    def prior(self) -> Prior:
        by_file: dict[Any, list[Row]] = defaultdict(list)
        by_sha256: dict[bytes, list[KnownPicture]] = defaultdict(list)
        for row in self.rows:
            by_file[row["category"], row["source"], row["path"], row["occurrence"]].append(row)
            if row["outcome"] in ("accepted", "conflict"):
                known = KnownPicture(row["category"], row["source"], row["pic_id"], "text")
                by_sha256[row["sha256"]].append(known)
        return Prior(by_file, by_sha256)

    def outcome(self, row: Row) -> str:
        word: str = self.amended.get(row["pic_id"], row)["outcome"]
        return word

    def outcomes(self) -> dict[Place, str]:
        return {(r["category"], r["source"], r["path"]): self.outcome(r) for r in self.rows}

    def ids(self) -> dict[bytes, str]:
        return {r["sha256"]: r["pic_id"] for r in self.rows if r["pic_id"]}


places = st.tuples(
    st.sampled_from(["animal", "human", "plant"]),
    st.sampled_from(["a", "b"]),
    st.sampled_from([f"{n}.jpg" for n in range(6)]),
)
contents = st.integers(0, 5)
collections = st.dictionaries(places, st.tuples(contents, st.booleans()), max_size=24)


def findings_of(files: dict[tuple[str, str, str], tuple[int, bool]]) -> list[Finding]:
    return [
        (refusal if is_broken else finding)(*place, content if not is_broken else 100 + content)
        for place, (content, is_broken) in files.items()
    ]


@st.composite
def days(draw: st.DrawFn) -> tuple[list[Finding], list[list[Finding]]]:
    """Some files, and the same files as they may come in over several days, some again."""
    files = findings_of(draw(collections))
    count = draw(st.integers(1, 4))
    split: list[list[Finding]] = [[] for _ in range(count)]
    for one in files:
        first = draw(st.integers(0, count - 1))
        for day in range(first, count):
            if day == first or draw(st.booleans()):
                split[day].append(one)
    return files, [draw(st.permutations(day)) for day in split]


@given(days())
def test_every_finding_of_a_day_is_a_row_or_was_known(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    world = World()
    for day in drawn[1]:
        before = len(world.rows)
        result = world.day(day)
        known = sum(map(len, result.touched.values()))
        assert len(world.rows) - before + known == len(day)
    assert set(world.outcomes()) == {(c, r["source"], r["path"]) for c, r in drawn[0]}
    assert len(world.rows) == len(drawn[0])


@given(days())
def test_an_id_is_given_once_and_counts_up(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    world = World()
    for day in drawn[1]:
        world.day(day)
    for category in ("animal", "human", "plant"):
        ids = [r["pic_id"] for r in world.rows if r["pic_id"] and r["category"] == category]
        assert [pic_number(pic) for pic in ids] == list(range(1, len(ids) + 1))
        assert world.last_numbers.get(category, 0) == len(ids)


@given(days())
def test_equal_bytes_are_one_picture_in_one_category_and_a_conflict_in_two(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    files, split = drawn
    world = World()
    for day in split:
        world.day(day)
    for sha256 in {row["sha256"] for _, row in files if row["kind"] == "picture"}:
        mine = [row for row in world.rows if row["sha256"] == sha256]
        words = [world.outcome(row) for row in mine]
        if len({row["category"] for row in mine}) > 1:
            assert "accepted" not in words
            assert "conflict" in words
        else:
            assert sorted(words) == ["accepted"] + ["duplicate"] * (len(mine) - 1)
            same = {row["same_as"] for row in mine if row["outcome"] == "duplicate"}
            assert same <= {row["pic_id"] for row in mine}


@given(days())
def test_a_file_has_the_same_outcome_however_the_files_are_split_into_days(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    """Which of several equal files is the first, and so the accepted one, is a matter of days.

    So is whether a further file with bytes that are in two categories was a duplicate first.
    """
    files, split = drawn
    at_once, by_days = World(), World()
    at_once.day(files)
    for day in split:
        by_days.day(day)
    alike = {"accepted": "same", "duplicate": "same", "conflict": "conflict", "refused": "refused"}
    for place, word in at_once.outcomes().items():
        other = by_days.outcomes()[place]
        assert alike[word] == alike[other] or (word, other) == ("conflict", "duplicate")
    accepted = [{s for s, p in w.ids().items()} for w in (at_once, by_days)]
    assert accepted[0] <= accepted[1]


@given(days())
def test_seeing_everything_again_adds_nothing_but_keys(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    files, split = drawn
    world = World()
    for day in split:
        world.day(day)
    again = world.day([(c, row | {"seen_key": b"another time    "}) for c, row in files])
    assert not again.rows
    assert not again.amendments
    assert sum(map(len, again.touched.values())) == len(files)


@given(days())
def test_a_source_under_a_new_name_brings_duplicates_and_no_ids(
    drawn: tuple[list[Finding], list[list[Finding]]],
) -> None:
    files, split = drawn
    world = World()
    for day in split:
        world.day(day)
    ids = dict(world.last_numbers)
    again = world.day([(c, row | {"source": "renamed"}) for c, row in files])
    words = [row["outcome"] for rows in again.rows.values() for row in rows]
    assert len(words) == len(files)
    assert "accepted" not in words
    assert {c: n for c, n in world.last_numbers.items() if n} == {c: n for c, n in ids.items() if n}


def test_the_second_of_two_equal_files_is_a_duplicate_of_the_first() -> None:
    world = World()
    world.day([finding("plant", "a", "1.jpg", 7), finding("plant", "a", "0.jpg", 7)])
    assert [(r["path"], r["outcome"], r["pic_id"], r["same_as"]) for r in world.rows] == [
        (b"0.jpg", "accepted", "plant_id_1", None),
        (b"1.jpg", "duplicate", None, "plant_id_1"),
    ]


def test_a_conflict_names_the_other_categories_and_what_lies_there() -> None:
    world = World()
    world.day([finding(c, "a", "x.jpg", 7) for c in ("plant", "animal", "human")])
    plant = world.rows[-1]
    assert plant["outcome"] == "conflict"
    assert plant["same_as"] == "animal/a/x.jpg"
    assert plant["detail"] == "the same bytes are also in category animal, human"
    assert not world.last_numbers.get("plant")


def test_a_conflict_found_later_takes_out_the_picture_that_was_there_first() -> None:
    world = World()
    world.day([finding("plant", "a", "x.jpg", 7)])
    result = world.day([finding("animal", "b", "y.jpg", 7)])
    (amendment,) = result.amendments["plant"]
    assert (amendment["pic_id"], amendment["outcome"]) == ("plant_id_1", "conflict")
    assert amendment["same_as"] == "animal/b/y.jpg"
    assert world.outcomes() == {
        ("plant", "a", b"x.jpg"): "conflict",
        ("animal", "b", b"y.jpg"): "conflict",
    }


def test_a_file_whose_bytes_changed_is_seen_as_another_file() -> None:
    world = World()
    world.day([finding("plant", "a", "x.jpg", 7)])
    world.day([finding("plant", "a", "x.jpg", 8)])
    assert [row["pic_id"] for row in world.rows] == ["plant_id_1", "plant_id_2"]


def test_a_file_that_is_refused_for_another_reason_has_a_new_row() -> None:
    world = World()
    name, row = refusal("plant", "a", "x.jpg", 7)
    world.day([(name, row)])
    world.day([(name, row | {"reason": Reason.BROKEN_PIXELS.value})])
    assert [r["reason"] for r in world.rows] == ["truncated", "broken_pixels"]


def test_an_archive_that_is_broken_today_and_was_opened_yesterday_has_a_new_row() -> None:
    world = World()
    _, row = finding("plant", "a", "x.zip", 7, kind="unpacked", format=None)
    world.day([("plant", row)])
    broken = row | {"kind": "refused", "reason": Reason.ARCHIVE_BROKEN.value}
    world.day([("plant", broken)])
    assert [r["outcome"] for r in world.rows] == ["unpacked", "refused"]


def test_members_of_one_name_in_one_archive_are_told_apart_by_their_occurrence() -> None:
    world = World()
    first = finding("plant", "a", "x.zip\0y.jpg", 1, seen_key=None)
    second = finding("plant", "a", "x.zip\0y.jpg", 2, seen_key=None, occurrence=1)
    world.day([first, second])
    assert [row["pic_id"] for row in world.rows] == ["plant_id_1", "plant_id_2"]
    assert not world.day([first, second]).rows


@given(st.text().filter(lambda text: "\0" not in text and text.isprintable()))
def test_a_path_that_is_unicode_is_its_own_text(text: str) -> None:
    assert text_of(text.encode()) == text


@given(st.lists(st.binary(min_size=1), min_size=1, max_size=3))
def test_any_path_has_a_text_that_can_be_written_anywhere(parts: list[bytes]) -> None:
    assert text_of(b"\0".join(parts)).encode("utf-8")


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"caf\xe9.jpg", "caf\\xe9.jpg"),
        (b"a.zip\0b/c.jpg", "a.zip!/b/c.jpg"),
        ("ü\n".encode(), "ü\n"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
    ],
)
def test_bytes_that_are_no_text_are_shown_as_numbers(path: bytes, text: str) -> None:
    assert text_of(path) == text
