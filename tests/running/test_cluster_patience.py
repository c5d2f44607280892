"""How long a run waits for a cluster, and what it says meanwhile; no cluster is needed for that."""

from typing import Any

import pytest

from naturalist.errors import ClusterError
from naturalist.progress import Silent
from naturalist.running import ray_executor


class Heard(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    now = {"s": 1000.0}
    monkeypatch.setattr(ray_executor.time, "monotonic", lambda: now["s"])
    return now


def look_each_second(shortage: Any, clock: dict[str, float], seconds: int) -> None:
    for _ in range(seconds):
        shortage.look({"CPU": 1.0}, {"CPU": 2.0, "GPU": 0.0})
        clock["s"] += 1


def test_what_no_node_has_is_said_at_once_and_every_minute_up_to_the_limit(
    clock: dict[str, float],
) -> None:
    heard = Heard()
    shortage = ray_executor._Shortage(150.0, heard)
    look_each_second(shortage, clock, 150)
    said = "a task asked for 2 CPUs, the cluster has 1; waiting, {} s of 150 s"
    assert heard.notes == [said.format(waited) for waited in (0, 60, 120)]
    with pytest.raises(ClusterError, match=r"for 151 s \(executor\.wait_s\).*work is kept"):
        look_each_second(shortage, clock, 2)


def test_what_comes_in_time_and_goes_again_is_waited_for_anew(clock: dict[str, float]) -> None:
    heard = Heard()
    shortage = ray_executor._Shortage(150.0, heard)
    look_each_second(shortage, clock, 100)
    shortage.look({"CPU": 2.0}, {"CPU": 2.0})
    look_each_second(shortage, clock, 100)
    assert [note.partition("waiting, ")[2] for note in heard.notes] == [
        "0 s of 150 s",
        "60 s of 150 s",
        "0 s of 150 s",
        "60 s of 150 s",
    ]


def test_a_silent_head_is_said_once_and_ends_the_run_in_words() -> None:
    heard = Heard()
    head = ray_executor._Head(heard)
    for silent_s in (0, 5, 11, 12, 39):
        head.look(silent_s)
    assert heard.notes == ["the head of the Ray cluster does not answer; waiting up to 40 s"]
    head.look(0)
    head.look(11)
    assert len(heard.notes) == 2
    with pytest.raises(ClusterError, match=r"has been silent for 41 s.*finished work is kept"):
        head.look(41)
