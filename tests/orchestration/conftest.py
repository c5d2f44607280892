import pytest

from naturalist.orchestration import tasks
from naturalist.running.executors import InlineExecutor


@pytest.fixture(autouse=True)
def _in_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starting workers takes seconds; `tests/airflow` does it with the real ones."""
    monkeypatch.setattr(tasks, "ProcessExecutor", lambda *_: InlineExecutor())
