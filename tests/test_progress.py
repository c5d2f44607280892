"""Stages of progress always end, and nobody opens one by hand."""

import ast
from pathlib import Path

import pytest

import naturalist
from naturalist.cli.progress import counted
from naturalist.progress import Silent, stage, uncounted_stage

PACKAGE = Path(naturalist.__file__).parent


class Listening(Silent):
    """Progress that remembers everything."""

    def __init__(self) -> None:
        self.heard: list[tuple[object, ...]] = []

    def begin(self, stage: str, total: int | None, unit: str) -> None:
        self.heard.append(("begin", stage, total, unit))

    def advance(self, amount: int) -> None:
        self.heard.append(("advance", amount))

    def end(self) -> None:
        self.heard.append(("end",))


def test_a_stage_ends_when_its_work_fails() -> None:
    listening = Listening()

    def work() -> None:
        with stage(listening, "work", 3, "rows") as advance:
            advance(2)
            raise KeyError

    with pytest.raises(KeyError):
        work()
    assert listening.heard == [("begin", "work", 3, "rows"), ("advance", 2), ("end",)]


def test_a_stage_may_learn_its_total_from_the_work_and_count_in_larger_units() -> None:
    listening = Listening()
    with uncounted_stage(listening, "pull", "kB", 1000) as (begin, advance):
        begin(2_500)
        for amount in (600, 600, 1_300):
            advance(amount)
    counted = [("advance", 0), ("advance", 1), ("advance", 1)]
    assert listening.heard == [("begin", "pull", 2, "kB"), *counted, ("end",)]


def test_a_stage_that_fails_before_its_total_is_known_was_none() -> None:
    listening = Listening()
    with pytest.raises(KeyError), uncounted_stage(listening, "pull", "kB"):
        raise KeyError
    assert listening.heard == []


@pytest.mark.parametrize(
    ("done", "total", "unit", "said"),
    [
        (1, 1, "models", "1 model"),
        (0, 1, "queries", "0 of 1 query"),
        (1, 2, "passes", "1 of 2 passes"),
        (1, None, "searches", "1 search"),
        (1, 1, "MB", "1 MB"),
        (2_000, 2_000, "zoom levels", "2,000 zoom levels"),
    ],
)
def test_one_unit_is_told_in_the_singular(
    done: int, total: int | None, unit: str, said: str
) -> None:
    assert counted(done, total, unit, 0) == said


def test_only_the_contexts_of_this_module_begin_and_end_stages() -> None:
    by_hand = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "progress.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("begin", "end")
        and ast.unparse(node.func.value).rpartition(".")[2] in ("progress", "watch", "watcher")
    ]
    assert by_hand == []
