"""What benchmarks/dashboard_load.py asks of a dashboard is there."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from dashboard.studied import studied_collection

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import dashboard_load

    yield dashboard_load
    for name in ("dashboard_load", "processes", "machine"):
        sys.modules.pop(name, None)


def test_each_question_of_the_load_is_answered_and_has_a_line_in_the_table(
    load: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)  # the browser has tests of its own
    studied_collection(tmp_path)
    found = load.measure(tmp_path, os.environ, 2, 1.0)
    assert {name: one["status"] for name, one in found["alone"].items()} == dict.fromkeys(
        load.QUESTIONS, 200
    )
    asked = found["together"]["by_question"].values()
    assert sum(one["answers"] for one in asked) == found["together"]["answers"]
    assert not sum(one["errors"] for one in asked)
    assert found["resident_mib"] > found["own_mib"] > 0
    lines = load.table(found).splitlines()
    assert [line.split(" | ")[0] for line in lines[4:]] == [f"| {name}" for name in load.QUESTIONS]
