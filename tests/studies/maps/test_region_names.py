"""Names of a map's regions, as a file of them is read, whoever wrote it."""

from typing import Any

import pytest

from naturalist.studies.maps.region_names import MOST_NAMES, levels_of


def document(*entries: dict[str, Any], across: int = 4) -> dict[str, Any]:
    levels = [{"level": 0, "across": across}]
    return {"low": [0.0, 0.0], "high": [1.0, 2.0], "levels": levels, "entries": list(entries)}


def entry(*cell: int, name: str = "owl") -> dict[str, Any]:
    return {"level": 0, "cell": list(cell), "names": [{"name": name}, {"name": "bird"}]}


def test_neighbours_of_one_name_are_one_place() -> None:
    (level,) = levels_of(
        document(entry(0, 0), entry(3, 3), entry(1, 1), entry(2, 1, name="crane"), entry(0, 2)), 2
    )
    assert (level.across, level.low, level.high) == (4, (0.0, 0.0), (1.0, 2.0))
    assert [(one.name, set(one.cells)) for one in level.places] == [
        ("owl", {(0, 0), (1, 1), (0, 2)}),
        ("owl", {(3, 3)}),
        ("crane", {(2, 1)}),
    ]


@pytest.mark.parametrize(
    "damage",
    [
        {"low": None},
        {"high": [1.0, float("inf")]},
        {"low": [0.0]},
        {"levels": 3},
        {"levels": [{"level": 0, "across": 10**9}]},
        {"levels": [{"level": True, "across": "4"}]},
        {"levels": [None]},
        {"entries": {"0": 1}},
    ],
)
def test_a_document_of_another_form_has_no_names(damage: dict[str, Any]) -> None:
    assert levels_of(document(entry(0, 0)) | damage, 2) == []


@pytest.mark.parametrize(
    "odd",
    [
        {"cell": [0, 4]},
        {"cell": [0]},
        {"cell": [0, "1"]},
        {"names": []},
        {"names": [{"name": 3}]},
        {"names": ["owl"]},
        {"names": None},
    ],
)
def test_a_region_of_another_form_is_left_out(odd: dict[str, Any]) -> None:
    (level,) = levels_of(document(entry(1, 1), entry(0, 3) | odd), 2)
    assert [one.cells for one in level.places] == [((1, 1),)]


def test_a_document_of_a_stranger_shows_so_many_names_at_most() -> None:
    cells = [entry(k % 100, k // 100, name=f"{k:04}" * 50) for k in range(MOST_NAMES + 50)]
    (level,) = levels_of(document(*cells, across=100), 2)
    assert len(level.places) == MOST_NAMES
    assert max(len(one.name) for one in level.places) <= 100
