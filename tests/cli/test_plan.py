"""The command `naturalist plan`."""

from pathlib import Path

import pytest
from tests.cli.conftest import Naturalist


@pytest.mark.parametrize("number", ["100e6", "100000000", "100_000_000", "100,000,000"])
def test_numbers_may_be_written_as_people_write_them(naturalist: Naturalist, number: str) -> None:
    ended = naturalist("plan", "--pictures", number, "--machines", "8", "--json")
    assert (ended.code, ended.json["requested"]["pictures"]) == (0, 10**8)


def test_people_read_times_sizes_costs_and_what_is_assumed(naturalist: Naturalist) -> None:
    ended = naturalist("plan", "--pictures", "1e6", "--cores", "4", "--machine-hour", "0.4")
    assert ended.code == 0
    for said in ("1,000,000 pictures", "extract", "tables, csv", "writing", "assumed:", "85%"):
        assert said in ended.out
    assert "machines cost nothing" not in ended.out


@pytest.mark.parametrize("number", ["many", "nan", "1e999", "1e300", "0"])
def test_what_is_no_number_of_pictures_is_refused(naturalist: Naturalist, number: str) -> None:
    ended = naturalist("plan", "--pictures", number)
    assert ended.code == 2
    assert "--pictures" in ended.err


def test_a_missing_file_of_rates_is_named(naturalist: Naturalist, tmp_path: Path) -> None:
    path = tmp_path / "none.toml"
    ended = naturalist("plan", "--pictures", "10", "--rates", str(path))
    assert ended.code == 2
    assert str(path) in ended.err


def test_a_rate_of_less_than_one_picture_a_second_is_not_rounded(naturalist: Naturalist) -> None:
    printed = naturalist("plan", "--pictures", "1e12").out
    compared = next(line for line in printed.splitlines() if line.startswith("compare"))
    assert "1.21/s in one process" in compared
