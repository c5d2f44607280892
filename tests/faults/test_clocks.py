"""A clock that is set back, or that goes back during a run, and a time zone that changes.

A clock that is a year ahead, and then right, is a clock that was set back by a year. What was said
later holds, whatever the clock says; leases of the wrong time block nobody.
"""

import datetime as dt
import shutil
import time
import zoneinfo
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import tiny
from faults.outcomes import Outcome, of_run
from faults.starts import COLLECTION, ON_COLLECTION, config_of, make_collection, make_sources
from faults.striking import run_here
from naturalist import artifacts
from naturalist.config import load_config
from naturalist.dashboard.cron import next_run
from naturalist.layout import Layout
from naturalist.running import lock
from naturalist.snapshots import maintenance
from naturalist.stores import open_store

YEAR_S = 365 * 24 * 3600
RUN = ["run", *ON_COLLECTION]
now_s, now_ns = time.time, time.time_ns
Patch = pytest.MonkeyPatch


@contextmanager
def clock(ahead_s: Callable[[], float]) -> Iterator[None]:
    """Whoever asks for the time gets one that is so many seconds ahead."""
    with Patch.context() as patch:
        patch.setattr(time, "time", lambda: now_s() + ahead_s())
        patch.setattr(time, "time_ns", lambda: now_ns() + int(ahead_s() * 1e9))
        yield


def do(folder: Path, *arguments: str) -> str:
    """A command that must end well."""
    artifacts.forget_folders()
    ended = run_here([*arguments], folder)
    assert ended.code == 0, ended.err
    return ended.out


def decide(folder: Path, *lines: str) -> None:
    """Apply decisions."""
    (folder / "decisions.csv").write_text("\n".join(("picID,decision", *lines)))
    do(folder, "review", "decisions.csv", "--by", "anna", *ON_COLLECTION)


def outcome_of(folder: Path, pic: str) -> tuple[str, str | None]:
    """What the ledger says of a picture."""
    (row,) = (row for row in tiny.ledger_rows(config_of(folder)) if row["pic_id"] == pic)
    return row["outcome"], row["reason"]


def test_what_is_said_after_the_clock_was_set_back_holds(tmp_path: Path) -> None:
    make_collection(tmp_path, ingest={"removed": "retire"}, withdrawal_budget=1.0)
    with clock(lambda: YEAR_S):
        decide(tmp_path, *(f"plant_id_{n},retire" for n in range(1, 4)))
        decide(tmp_path, *(f"plant_id_{n},keep" for n in range(1, 4)))
    do(tmp_path, "takedown", "plant_id_1", "--why", "asked for", "-c", COLLECTION)
    decide(tmp_path, "plant_id_2,retire")
    (tmp_path / "sources/plant/0002.png").unlink()
    do(tmp_path, *RUN)
    assert outcome_of(tmp_path, "plant_id_1") == ("refused", "taken_down")
    assert outcome_of(tmp_path, "plant_id_2") == ("refused", "retired")
    assert outcome_of(tmp_path, "plant_id_3") == ("refused", "removed_from_source")
    do(tmp_path, "verify", *ON_COLLECTION)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Outcome]:
    """A collection that nothing was made of, and what a run makes of it."""
    start = tmp_path_factory.mktemp("clocks") / "start"
    make_sources(start, "copy")
    folder = Path(shutil.copytree(start, start.with_name("undisturbed")))
    tiny.make_all(config_of(folder))
    return start, of_run(folder)


def test_a_run_whose_clock_goes_back_while_it_works_ends_as_any(
    expected: tuple[Path, Outcome], tmp_path: Path
) -> None:
    start, outcome = expected
    folder = Path(shutil.copytree(start, tmp_path / "folder"))
    hours = iter(range(0, -(10**9), -3600))
    with clock(lambda: float(next(hours))):
        do(folder, *RUN)
    assert of_run(folder) == outcome
    published = open_store(str(folder / "published"))
    before = {info.key for info in published.list()}
    do(folder, *RUN)
    assert {info.key for info in published.list()} == before


@pytest.mark.parametrize("zones", [("Pacific/Auckland", "America/Los_Angeles")])
def test_a_time_zone_that_changes_between_two_runs_changes_nothing(
    expected: tuple[Path, Outcome], tmp_path: Path, zones: tuple[str, str], monkeypatch: Patch
) -> None:
    start, outcome = expected
    folder = Path(shutil.copytree(start, tmp_path / "folder"))
    for zone in zones:
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        do(folder, *RUN)
        assert of_run(folder) == outcome
    monkeypatch.delenv("TZ")
    time.tzset()


def test_the_day_of_a_source_is_that_of_the_configured_time_zone(
    tmp_path: Path, monkeypatch: Patch
) -> None:
    """Wherever the machine thinks that it is: at no moment do these two zones have the same day."""
    zones = ("Pacific/Kiritimati", "Pacific/Pago_Pago")
    for machine in zones:
        monkeypatch.setenv("TZ", machine)
        time.tzset()
        for zone in zones:
            before = dt.datetime.now(zoneinfo.ZoneInfo(zone)).date()
            folder = tmp_path / machine / zone
            (folder / "in" / str(before)).mkdir(parents=True)
            sources = {"plant": {"photos": folder / "in/{ds}"}}
            tiny.config_file(folder, sources, airflow={"time_zone": zone})
            (found,) = load_config(folder).sources
            after = dt.datetime.now(zoneinfo.ZoneInfo(zone)).date()
            assert str(found.path).endswith((str(before), str(after)))
    monkeypatch.delenv("TZ")
    time.tzset()


@pytest.mark.parametrize(
    ("evening", "hours"),
    [("2026-03-28", 23), ("2026-03-29", 24), ("2026-10-24", 25), ("2026-10-25", 24)],
)
def test_seven_in_the_morning_comes_once_a_day_when_clocks_change(evening: str, hours: int) -> None:
    pytest.importorskip("cronsim")
    zone = zoneinfo.ZoneInfo("Europe/Athens")
    seven = dt.datetime.fromisoformat(f"{evening}T07:00").replace(tzinfo=zone)
    due = next_run("0 7 * * *", seven)
    assert due is not None
    assert (due.hour, due.minute) == (7, 0)
    assert due.timestamp() - seven.timestamp() == hours * 3600


def test_a_lease_of_a_clock_that_was_ahead_blocks_nobody(tmp_path: Path) -> None:
    store, layout = open_store(str(tmp_path / "published")), Layout(tmp_path / "work")
    layout.root.mkdir()
    with clock(lambda: YEAR_S):
        maintenance.held(store, "prune", prunes=True).__enter__()
        with lock.held(layout, lock.Claim("dag/ahead")):
            pass
    with maintenance.held(store, "prune", prunes=True) as lease:
        lease.renew()
    with lock.held(layout, lock.Claim("dag/right")):
        assert lock.is_locked(layout)
