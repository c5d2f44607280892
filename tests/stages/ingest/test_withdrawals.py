"""A run that would take much out of the tables at once stops before it changes anything."""

from pathlib import Path

import pytest

import tiny
from naturalist import ledger
from naturalist.config import Config
from naturalist.errors import WithdrawalBudgetExceeded
from naturalist.pipeline import steps
from naturalist.stages.ingest.withdrawals import ALWAYS_ALLOWED

MANY = ALWAYS_ALLOWED + 5


def _accepted(config: Config) -> dict[str, int]:
    return {
        category: sum(one.accepted for one in ledger.counts(config.layout, category).values())
        for category in config.labels
    }


def _state(config: Config) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in config.layout.ledger.rglob("*.parquet")}


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, dict[str, Path]]:
    seeds = {"plant": range(MANY), "animal": range(100, 100 + MANY)}
    return tiny.make_sources(tmp_path / "in", seeds)


def _swapped(sources: dict[str, dict[str, Path]]) -> dict[str, dict[str, Path]]:
    return {"plant": sources["animal"], "animal": sources["plant"]}


def test_swapped_sources_stop_the_run_and_correcting_them_is_all_it_takes(
    tmp_path: Path, sources: dict[str, dict[str, Path]]
) -> None:
    config = tiny.collection(tmp_path, sources)
    tiny.ingest(config)
    before = _state(config)
    wrong = tiny.collection(tmp_path, _swapped(sources))
    with pytest.raises(WithdrawalBudgetExceeded, match=rf"{MANY} of {MANY} pictures of category"):
        tiny.ingest(wrong)
    assert _accepted(wrong) == {"plant": MANY, "animal": MANY}
    assert tiny.ingest(config).batches == []
    ledgers = {path: data for path, data in _state(config).items() if "/folders/" not in path}
    assert ledgers == {path: data for path, data in before.items() if "/folders/" not in path}


def test_a_person_may_say_that_they_shall_leave(
    tmp_path: Path, sources: dict[str, dict[str, Path]]
) -> None:
    tiny.ingest(tiny.collection(tmp_path, sources))
    wrong = tiny.collection(tmp_path, _swapped(sources))
    with tiny.job(wrong) as held:
        steps.ingest(held, accept_withdrawals=True)
    assert _accepted(wrong) == {"plant": 0, "animal": 0}


def test_a_larger_budget_lets_them_leave(
    tmp_path: Path, sources: dict[str, dict[str, Path]]
) -> None:
    tiny.ingest(tiny.collection(tmp_path, sources))
    tiny.ingest(tiny.collection(tmp_path, _swapped(sources), withdrawal_budget=1.0))
    assert _accepted(tiny.collection(tmp_path, sources)) == {"plant": 0, "animal": 0}


def test_batches_of_one_run_are_counted_together(
    tmp_path: Path, sources: dict[str, dict[str, Path]]
) -> None:
    tiny.ingest(tiny.collection(tmp_path, sources))
    small = {"ingest": {"files_per_batch": 10, "files_per_task": 10}}
    wrong = tiny.collection(tmp_path, _swapped(sources), **small)
    with pytest.raises(WithdrawalBudgetExceeded):
        tiny.ingest(wrong)
    assert _accepted(wrong)["plant"] + _accepted(wrong)["animal"] >= 2 * MANY - ALWAYS_ALLOWED


def test_removed_files_beyond_the_budget_retire_nothing(
    tmp_path: Path, sources: dict[str, dict[str, Path]]
) -> None:
    config = tiny.collection(tmp_path, sources, ingest={"removed": "retire"})
    tiny.ingest(config)
    for path in sorted(sources["plant"]["photos"].iterdir())[: ALWAYS_ALLOWED + 1]:
        path.unlink()
    with pytest.raises(WithdrawalBudgetExceeded, match="files were removed"):
        tiny.ingest(config)
    assert _accepted(config)["plant"] == MANY


def test_a_few_conflicts_are_no_mistake_in_a_path(
    tmp_path: Path, sources: dict[str, dict[str, Path]]
) -> None:
    config = tiny.collection(tmp_path, sources)
    tiny.ingest(config)
    for seed in range(3):
        tiny.write_picture(sources["animal"]["photos"] / f"again-{seed}.png", seed)
    tiny.ingest(config)
    assert _accepted(config) == {"plant": MANY - 3, "animal": MANY}
