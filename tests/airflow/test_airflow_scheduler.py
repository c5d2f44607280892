"""Three days under a real scheduler; what happened is looked at by the tests below."""

import datetime as dt
import os
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.airflow.conftest import DAG_ID, QUICK, Home, by_hand, make_home
from tests.airflow.server import Json, Server, listening, running, wait_until
from tests.pipeline.collections_of_pictures import Ran, take

from naturalist.config import load_config
from naturalist.running import workspace

EACH = 18
CLEARED = "labelling.plant.label_group"
CONSUMER = "after_new_pictures"
ASSET = f"naturalist-{DAG_ID.removeprefix('naturalist_')}-snapshot"


@dataclass
class Day:
    """What one run left behind."""

    state: str
    instances: list[Json]
    tables: dict[str, str]
    by_hand: dict[str, str]
    report: Any
    snapshots: list[str]
    events: list[Json]

    def states(self, ending: str) -> list[str]:
        return [one["state"] for one in self.instances if one["task_id"].endswith(ending)]


@dataclass
class Story:
    """Three days, and what a person at the command line was told in the middle of the first."""

    days: dict[str, Day] = field(default_factory=dict)
    killed: list[str] = field(default_factory=list)
    told: Ran | None = None
    held_back: list[str] = field(default_factory=list)
    leftovers: list[str] = field(default_factory=list)
    heard: list[Json] = field(default_factory=list)
    consumed: list[list[str]] = field(default_factory=list)


def documented_consumer() -> str:
    """The DAG of the documentation, for the collection of these tests."""
    page = (Path(__file__).parents[2] / "docs" / "airflow.md").read_text()
    blocks = [part.partition("```")[0] for part in page.split("```python\n")[1:]]
    text = next(block for block in blocks if CONSUMER in block)
    return text.replace("naturalist-creatures-snapshot", ASSET)


def kill_one(server: Server, run: str) -> str:
    """Kill the process of a task that extracts features, while it does."""

    def victims() -> list[Json]:
        return [
            one
            for one in server.instances(DAG_ID, run)
            if one["task_id"].endswith("extract_group") and one["state"] == "running" and one["pid"]
        ]

    victim = wait_until("a task extracts features", victims)[0]
    os.kill(victim["pid"], signal.SIGKILL)
    return f"{victim['task_id']}[{victim['map_index']}]"


def held_back(server: Server, home: Home, run: str) -> list[str]:
    """Trigger two runs while a person writes; states of the tasks when the person is done."""
    config = load_config(home.collection.folder)
    with workspace.writing(config):
        server.trigger(DAG_ID, run)
        server.trigger(DAG_ID, "overlapping")

        def begun() -> bool:
            instances = server.instances(DAG_ID, run)
            return any(one["task_id"] == "begin" and one["pid"] for one in instances)

        wait_until("the first task has begun", begun)
        states = [one["state"] for one in server.instances(DAG_ID, run) if one["state"]]
        states += [one["state"] for one in server.instances(DAG_ID, "overlapping") if one["pid"]]
    return states


def finished(server: Server, home: Home, run: str, code: int = 0) -> Day:
    state = server.finish(DAG_ID, run)
    published = home.collection.published / "snapshots"
    return Day(
        state,
        server.instances(DAG_ID, run),
        home.collection.tables(),
        by_hand(home, code).tables(),
        server.xcom(DAG_ID, run, "end"),
        sorted(path.name for path in published.iterdir()),
        server.asset_events(),
    )


@pytest.fixture(scope="module")
def story(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Story:
    # Airflow makes up for a run that was due in the last 2.4 hours as soon as it may: at seven in
    # the morning and after it would take the work of the first day away.
    far = (dt.datetime.now(dt.UTC).hour + 12) % 24
    more = f'{QUICK}\nwebhook_connection = "chat"\nschedule = "0 {far} * * *"'
    home = make_home(tmp_path_factory.mktemp("scheduler"), photos, EACH, more=more)
    (home.dags / "consumer.py").write_text(documented_consumer())
    story = Story()
    with (
        listening() as (address, story.heard),
        running(home.home, home.dags, AIRFLOW_CONN_CHAT=address) as server,
    ):
        wait_until("the DAG is there", lambda: server.has_dag(DAG_ID))
        wait_until("the consumer is there", lambda: server.has_dag(CONSUMER))
        server.unpause(DAG_ID)
        server.unpause(CONSUMER)
        server.trigger(DAG_ID, "first")
        story.killed.append(kill_one(server, "first"))
        story.told = home.collection.call("run")
        story.days["first"] = finished(server, home, "first")
        take(photos, "plant", 7, home.sources["plant"]["photos"] / "second", skip=EACH)
        server.trigger(DAG_ID, "second")
        story.days["second"] = finished(server, home, "second")
        story.held_back = held_back(server, home, "empty")
        story.days["empty"] = finished(server, home, "empty")
        story.days["overlapping"] = finished(server, home, "overlapping")
        server.clear(DAG_ID, "second", CLEARED)
        story.days["cleared"] = finished(server, home, "second")
        story.leftovers = home.collection.leftovers()
        (home.sources["plant"]["photos"] / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not much")
        server.trigger(DAG_ID, "broken")
        story.days["broken"] = finished(server, home, "broken", code=3)
        wait_until("a message about the failed run", lambda: story.heard)
        wait_until("runs of the consumer", lambda: len(server.good_runs(CONSUMER)) == 2)
        story.consumed = [server.xcom(CONSUMER, run, "use") for run in server.good_runs(CONSUMER)]
    return story


@pytest.mark.parametrize("day", ["first", "second", "empty"])
def test_every_task_of_every_day_succeeds_or_has_nothing_to_do(story: Story, day: str) -> None:
    one = story.days[day]
    assert one.state == "success"
    assert {instance["state"] for instance in one.instances} <= {"success", "skipped"}
    for name in ("begin", "ingest", "plan", "standby", "end"):
        assert set(one.states(name)) == {"success"}


@pytest.mark.parametrize("day", ["first", "second", "empty"])
def test_tables_equal_those_of_the_command_line_byte_for_byte(story: Story, day: str) -> None:
    assert story.days[day].tables == story.days[day].by_hand
    assert len(story.days[day].tables) == 4


def test_a_killed_task_is_retried_and_nothing_is_missing(story: Story) -> None:
    tries = {
        f"{one['task_id']}[{one['map_index']}]": one["try_number"]
        for one in story.days["first"].instances
    }
    assert {name for name, count in tries.items() if count > 1} == set(story.killed)
    assert story.leftovers == []


def test_a_person_at_the_command_line_is_told_that_a_run_is_under_way(story: Story) -> None:
    assert story.told is not None
    assert story.told.code == 5
    assert f"{DAG_ID}/first" in story.told.err


def test_a_run_waits_for_a_person_who_writes_and_another_run_waits_for_that_one(
    story: Story,
) -> None:
    assert story.held_back == ["running"]
    assert story.days["overlapping"].state == "success"
    ends = [one["end_date"] for one in story.days["empty"].instances if one["end_date"]]
    begins = [one["start_date"] for one in story.days["overlapping"].instances if one["start_date"]]
    assert max(ends) <= min(begins)


def test_a_task_that_is_cleared_runs_again_and_changes_nothing(story: Story) -> None:
    second, cleared = story.days["second"], story.days["cleared"]
    assert cleared.state == "success"
    tries = {
        one["task_id"]: one["try_number"] - before["try_number"]
        for before, one in zip(second.instances, cleared.instances, strict=True)
    }
    assert tries[CLEARED] == tries["begin"] == tries["end"] == 1
    assert sum(tries.values()) == 3
    assert cleared.tables == story.days["empty"].tables
    assert cleared.snapshots == story.days["empty"].snapshots


def test_the_second_day_adds_what_is_new(story: Story) -> None:
    first, second = story.days["first"], story.days["second"]
    assert set(first.states("extract_group")) == {"success"}
    assert sorted(second.states("extract_group")) == ["skipped", "success"]
    changed = {name for name in first.tables if first.tables[name] != second.tables[name]}
    assert {name.partition("/")[0] for name in changed} == {"plant"}
    assert first.snapshots == ["000001.json"]
    assert second.snapshots == ["000001.json", "000002.json"]


def test_an_empty_day_succeeds_makes_nothing_and_starts_nobody_elses_dag(story: Story) -> None:
    second, empty = story.days["second"], story.days["empty"]
    assert empty.states("publish_snapshot") == ["skipped"]
    assert set(empty.states("_group")) == {"skipped"}
    assert empty.report is None
    assert empty.snapshots == second.snapshots
    assert [event["extra"] for event in empty.events] == [
        {"snapshot": "000001"},
        {"snapshot": "000002"},
    ]


def test_a_failed_day_publishes_nothing_ends_properly_and_sends_a_message(story: Story) -> None:
    broken, empty = story.days["broken"], story.days["empty"]
    assert broken.state == "failed"
    assert broken.states("pre_upload_standby") == ["failed"]
    assert set(broken.states("upload.plant")) == {"upstream_failed"}
    assert broken.states("end") == ["success"]
    assert broken.snapshots == empty.snapshots
    assert broken.tables == broken.by_hand
    # A failure that trying again does not fix is not tried again.
    assert {one["try_number"] for one in broken.instances if one["state"] == "failed"} == {1}
    assert [f"{DAG_ID} broken" in one["text"] for one in story.heard] == [True]


def test_runs_leave_a_report_each(story: Story) -> None:
    names = [Path(story.days[day].report).name for day in ("first", "second")]
    assert names == ["000001.json", "000002.json"]


def test_the_documented_consumer_runs_once_for_each_snapshot_and_hears_its_name(
    story: Story,
) -> None:
    assert story.consumed == [["000001"], ["000002"]]
