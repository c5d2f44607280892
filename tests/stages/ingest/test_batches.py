"""The ingest stage with real files in this process: what holds after any number of days."""

import hashlib
import itertools
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist import ledger
from naturalist.config import Config
from naturalist.errors import SourceError
from naturalist.ledger import SourceCounts
from tiny import (
    Row,
    Sources,
    collection,
    in_memory,
    ingest,
    ledger_rows,
    make_sources,
    picture,
    picture_path,
    write_picture,
)

Places = tuple[str, str, str]
"""category, source, name"""


def check_ledger(config: Config) -> None:
    """What holds at every moment."""
    rows = ledger_rows(config)
    for category in config.labels:
        mine = [row for row in rows if row["category"] == category]
        for source, counts in ledger.counts(config.layout, category).items():
            words = Counter(row["outcome"] for row in mine if row["source"] == source)
            refused = Counter(
                r["reason"] for r in mine if r["source"] == source and r["outcome"] == "refused"
            )
            assert counts == SourceCounts(
                words["accepted"],
                words["duplicate"],
                words["conflict"],
                words["unpacked"],
                dict(sorted(refused.items())),
            )
            assert counts.seen == sum(words.values()) - words["unpacked"]
    ids = [row["pic_id"] for row in rows if row["pic_id"]]
    assert len(ids) == len(set(ids))
    contents = [row["sha256"] for row in rows if row["outcome"] == "accepted"]
    assert len(contents) == len(set(contents))
    for row in rows:
        if row["outcome"] == "accepted":
            data = picture_path(config.layout, Path(), row).read_bytes()
            assert hashlib.sha256(data).digest() == row["sha256"]


def state(config: Config) -> dict[tuple[str, str, bytes, bytes], tuple[str, str | None]]:
    return {
        (r["category"], r["source"], r["path"], r["sha256"] or b""): (r["outcome"], r["pic_id"])
        for r in ledger_rows(config)
    }


def ids(config: Config) -> dict[Any, str]:
    return {file: pic for file, (_, pic) in state(config).items() if pic}


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that is removed at once: there is one for each example."""
    with in_memory() as root:
        yield root


contents = {
    "picture": picture,
    "text": lambda seed: f"a note {seed}".encode(),
    "half": lambda seed: picture(seed)[:30],
    "empty": lambda seed: b"",
}
place = st.tuples(
    st.sampled_from(["animal", "plant"]), st.sampled_from(["a", "b"]), st.integers(0, 4)
)
content = st.tuples(st.sampled_from([*contents, "picture", "picture"]), st.integers(0, 6))
deed = st.one_of(
    st.tuples(st.just("write"), place, content),
    st.tuples(st.just("remove"), place, content),
    st.tuples(st.just("touch"), place, content),
)


moments = itertools.count(10**18)


def do(root: Path, what: str, where: tuple[str, str, int], made_of: tuple[str, int]) -> None:
    category, source, number = where
    path = root / category / source / ("deep" if number % 2 else "") / f"{number}.jpg"
    if what == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        # A new file, as a copying program makes it: what was linked elsewhere stays.
        path.unlink(missing_ok=True)
        path.write_bytes(contents[made_of[0]](made_of[1]))
    elif path.exists() and what == "remove":
        path.unlink()
    elif path.exists():
        os.utime(path, ns=(next(moments),) * 2)


def two_by_two(root: Path) -> Sources:
    for category in ("animal", "plant"):
        for source in ("a", "b"):
            (root / category / source).mkdir(parents=True)
    return {c: {s: root / c / s for s in ("a", "b")} for c in ("animal", "plant")}


@given(st.lists(st.lists(deed, min_size=1, max_size=12), min_size=1, max_size=3))
@settings(max_examples=8)
def test_every_file_is_accounted_for_and_no_id_changes_whatever_the_days_bring(
    days: list[list[tuple[str, tuple[str, str, int], tuple[str, int]]]],
) -> None:
    with in_memory() as root:
        config = collection(root, two_by_two(root), ingest={"files_per_batch": 3})
        before: dict[Any, str] = {}
        for deeds in days:
            for one in deeds:
                do(root, *one)
            ingest(config)
            check_ledger(config)
            on_disk = {
                (s.category, s.name, os.fsencode(p.relative_to(s.path)))
                for s in config.sources
                for p in s.path.rglob("*.jpg")
            }
            assert on_disk <= {file[:3] for file in state(config)}
            assert before.items() <= ids(config).items()
            before = ids(config)
        assert ingest(config).batches == []
        assert ingest(config, rescan=True).batches == []


seeds = {"animal": [1, 2, 3, 3, 4], "plant": [5, 6, 7]}


def test_ids_and_outcomes_do_not_depend_on_the_order_of_the_sources(folder: Path) -> None:
    sources = two_by_two(folder)
    for n, (category, source) in enumerate([("animal", "a"), ("animal", "b"), ("plant", "b")]):
        for k in range(4):
            write_picture(sources[category][source] / f"{k}.png", 2 * n + k)
    backwards = {
        category: dict(reversed(by_name.items())) for category, by_name in reversed(sources.items())
    }
    one, other = collection(folder / "1", sources), collection(folder / "2", backwards)
    ingest(one)
    ingest(other)
    assert state(one) == state(other)


def test_cutting_the_work_otherwise_changes_no_outcome_and_no_id(folder: Path) -> None:
    sources = make_sources(folder, {"animal": range(1, 12), "plant": range(20, 25)})
    whole = collection(folder / "1", sources)
    small = collection(folder / "2", sources, ingest={"files_per_batch": 2, "files_per_task": 1})
    assert len(ingest(whole).batches) == 1
    assert len(ingest(small).batches) == 8
    assert state(whole) == state(small)


def test_a_source_that_is_taken_out_and_put_back_changes_nothing(folder: Path) -> None:
    sources = two_by_two(folder)
    for source in ("a", "b"):
        write_picture(sources["plant"][source] / "x.png", ord(source))
    ingest(collection(folder, sources))
    before = state(collection(folder, sources))
    without = {"animal": sources["animal"], "plant": {"b": sources["plant"]["b"]}}
    assert ingest(collection(folder, without)).batches == []
    assert ingest(collection(folder, sources)).batches == []
    assert state(collection(folder, sources)) == before


def test_a_source_that_moved_to_another_drive_is_known_by_its_name(folder: Path) -> None:
    sources = make_sources(folder, seeds)
    ingest(collection(folder, sources))
    before = state(collection(folder, sources))
    shutil.copytree(sources["plant"]["photos"], folder / "moved")  # keeps the times
    moved = {**sources, "plant": {"photos": folder / "moved"}}
    assert ingest(collection(folder, moved)).batches == []
    assert state(collection(folder, moved)) == before


def test_a_missing_source_stops_the_run_before_anything_is_written(folder: Path) -> None:
    sources = make_sources(folder, seeds)
    shutil.rmtree(sources["plant"]["photos"])
    config = collection(folder, sources)
    with pytest.raises(SourceError, match="'photos' of category 'plant'"):
        ingest(config)
    assert ledger_rows(config) == []


def counts_of(config: Config, category: str) -> Mapping[str, SourceCounts]:
    return ledger.counts(config.layout, category)


def test_a_refused_file_that_was_mended_is_counted_once(folder: Path) -> None:
    sources = make_sources(folder, seeds)
    broken = sources["plant"]["photos"] / "broken.png"
    broken.write_bytes(picture(99)[:30])
    config = collection(folder, sources)
    ingest(config)
    refused = counts_of(config, "plant")["photos"].refused
    assert sum(refused.values()) == 1
    broken.write_bytes(picture(99))
    ingest(config)
    assert counts_of(config, "plant") == {"photos": SourceCounts(accepted=4)}
    check_ledger(config)


def test_a_run_reports_what_it_added_and_not_what_that_replaced(folder: Path) -> None:
    sources = make_sources(folder, seeds)
    broken = sources["plant"]["photos"] / "broken.png"
    broken.write_bytes(picture(99)[:30])
    config = collection(folder, sources)
    ingest(config)
    broken.write_bytes(picture(99))
    assert ingest(config).counts == {"plant": {"photos": SourceCounts(accepted=1)}}


def find(config: Config, name: bytes) -> Row:
    (row,) = [row for row in ledger_rows(config) if row["path"] == name]
    return row


def test_the_ledger_keeps_the_exact_bytes_of_every_path(folder: Path) -> None:
    sources = make_sources(folder, seeds)
    names = [b"caf\xe9.png", b"\xff\xfe", b"new\nline.png", "日本.png".encode(), b"a;b\"c'.png"]
    for n, name in enumerate(names):
        path = Path(os.fsdecode(os.fsencode(sources["plant"]["photos"]) + b"/" + name))
        path.write_bytes(picture(50 + n))
    config = collection(folder, sources)
    ingest(config)
    assert [find(config, name)["outcome"] for name in names] == ["accepted"] * len(names)
    check_ledger(config)
