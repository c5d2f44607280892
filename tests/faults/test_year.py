"""A year of daily runs, with kills and all that people do to a collection, loses nothing.

Ten, 60 and 365 days, by
`pytest tests/faults/test_year.py --long`.
"""

import json
import random
from pathlib import Path

import pytest

from faults.forking import run_forked
from faults.living import (
    ACTS,
    BACKBONES,
    ON,
    PUBLISHED,
    Collection,
    must,
    old_program,
    pictures,
    write_config,
)
from faults.starts import COLLECTION
from faults.year import CATEGORIES, Sources, days
from tiny import in_memory

SHORT_DAYS = 10
SEASON_DAYS = 60
YEAR_DAYS = 365
WORKSPACE = f"{COLLECTION}/work"
_IDS_EVERY = 30


@pytest.mark.long
def test_ten_days_with_all_that_happens_in_a_year_lose_nothing() -> None:
    with in_memory() as folder:
        live_and_compare(folder, SHORT_DAYS, seed=0)


@pytest.mark.long
def test_a_season_loses_nothing() -> None:
    with in_memory() as folder:
        live_and_compare(folder, SEASON_DAYS, seed=2)


@pytest.mark.long
def test_a_year_loses_nothing() -> None:
    with in_memory() as folder:
        live_and_compare(folder, YEAR_DAYS, seed=1)


def live_and_compare(folder: Path, count: int, seed: int) -> None:
    """Live through so many days, and compare what is there with what must be."""
    collection = begin(folder / "lived", seed)
    for day in days(count, collection.rng):
        collection.live(day)
        if day.number % _IDS_EVERY == 0:
            collection.note_ids()
            print(f"day {day.number}: {len(collection.ids)} ids, {collection.kills} kills")
    collection.note_ids()
    print(f"{count} days, {collection.kills} kills, {collection.done}")
    assert set(collection.done) == set(ACTS)
    check_all(collection)
    found = pictures(collection.folder / WORKSPACE, collection.folder)
    labels = {digest: CATEGORIES[name] for digest, name in collection.sources.expected().items()}
    assert {digest: label for digest, (label, _) in found.items()} == labels
    must(run_forked(["pull", PUBLISHED, "pulled", "-q"], collection.folder))
    assert pictures(collection.folder / "pulled", collection.folder) == found
    assert undisturbed(collection, folder / "undisturbed") == found


def begin(folder: Path, seed: int) -> Collection:
    """A collection on the day before its first."""
    rng = random.Random(seed)
    write_config(folder, BACKBONES[0])
    for category in CATEGORIES:
        (folder / "sources" / category).mkdir(parents=True)
    older = old_program(folder / "older")
    return Collection(folder, rng, older, Sources(folder / "sources", rng))


def check_all(collection: Collection) -> None:
    """Everything that can be derived again is, and what is published is whole."""
    ended = must(run_forked(["verify", "--deep", "--json", *ON], collection.folder))
    report = json.loads(ended.out)
    assert report["passed"], report
    assert report["errors"] == []
    must(run_forked(["verify", PUBLISHED, "-q"], collection.folder))


def undisturbed(collection: Collection, folder: Path) -> "dict[bytes, tuple[int, bytes]]":
    """What one run makes of all pictures that must be there."""
    collection.sources.write_all(folder / "sources")
    write_config(folder, BACKBONES[1])
    must(run_forked(["run", *ON], folder))
    return pictures(folder / WORKSPACE, folder)
