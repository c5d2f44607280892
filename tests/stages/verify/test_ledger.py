from collections.abc import Iterator

import pytest

from naturalist.layout import Layout
from naturalist.stages.verify.ledger import check_ledger
from naturalist.stages.verify.verdicts import Verdict
from tiny import commit_rows, flip_byte, in_memory, ledger_row


@pytest.fixture
def layout() -> Iterator[Layout]:
    """Two batches of plants and one of animals."""
    with in_memory() as root:
        made = Layout(root)
        commit_rows(made, "plant", 1, [ledger_row("plant", 1)])
        commit_rows(made, "plant", 2, [ledger_row("plant", 2)])
        commit_rows(made, "animal", 1, [ledger_row("animal", 1)])
        yield made


def check(layout: Layout) -> list[Verdict]:
    return list(check_ledger(layout, ["plant", "animal"]))


def test_a_ledger_as_it_was_written_passes(layout: Layout) -> None:
    assert check(layout) == []


def test_a_category_without_a_ledger_passes(layout: Layout) -> None:
    assert list(check_ledger(layout, ["human"])) == []


def test_a_flipped_byte_is_found_wherever_it_is(layout: Layout) -> None:
    path = layout.batch("plant", 2)
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 20):
        flip_byte(path, at)
        (verdict,) = check(layout)
        assert (verdict.check, verdict.severity) == ("checksum", "hard")
        assert verdict.file == "ledger/plant/000002.parquet"
        path.write_bytes(whole)
    assert check(layout) == []


def test_a_missing_file_is_found(layout: Layout) -> None:
    layout.batch("animal", 1).unlink()
    assert [(v.check, v.file) for v in check(layout)] == [
        ("missing", "ledger/animal/000001.parquet")
    ]
