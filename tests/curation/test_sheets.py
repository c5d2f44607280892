"""No CSV file that people open has a cell that a spreadsheet would run."""

import csv
import io
import re
from pathlib import Path

import pytest

from naturalist.curation.decisions import Decision, read_decisions
from naturalist.curation.measured import write_decisions
from naturalist.curation.reviewing.marked import as_csv
from naturalist.curation.sheets import plain, write_sheet
from naturalist.errors import ConfigError
from naturalist.stages.ingest.resolve import Kind

HOSTILE = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")
SOURCE = Path(__file__).parents[2] / "src/naturalist"
WRITERS = {
    "curation/sheets.py": "guards every text",
    "studies/exporting.py": "guards every text and name of a column: no_formulas",
    "stages/tables.py": "only ids, labels and numbers; nothing of it comes from names or metadata",
}
"""Every module that writes CSV, and why none of its cells is run."""


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_that_a_spreadsheet_would_run_is_guarded_and_read_back_as_it_was(
    tmp_path: Path, text: str
) -> None:
    path = tmp_path / "sheet.csv"
    write_sheet(path, ("file", "bits"), [{"file": text, "bits": -3}, {"file": "a=1"}])
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [["file", "bits"], [f"'{text}", "-3"], ["a=1", ""]]
    assert plain(rows[1][0]) == text


@pytest.mark.parametrize("note", ["=1+1", "-1", "'quoted'", "plain"])
def test_a_note_comes_back_from_a_file_of_decisions(tmp_path: Path, note: str) -> None:
    path = tmp_path / "decisions.csv"
    assert write_decisions(path, [Decision(2, "plant_id_1", Kind.RETIRE, "", note)]) == 1
    assert f",'{note}" in path.read_text() if note[0] in "=-" else f",{note}" in path.read_text()
    (found,) = read_decisions(path, {})
    assert found.note == note


@pytest.mark.parametrize("note", HOSTILE)
def test_notes_of_reviewers_are_guarded(note: str) -> None:
    rows = [{"picID": "plant_id_1", "tags": ["a"], "note": note}]
    assert list(csv.reader(io.StringIO(as_csv(rows), newline="")))[1][2] == f"'{note}"


def test_a_file_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sheet.csv"
    path.write_text("mine")
    with pytest.raises(ConfigError, match="already exists"):
        write_sheet(path, ("a",), [])
    assert path.read_text() == "mine"


def test_no_other_module_writes_csv() -> None:
    writing = re.compile(r"csv\.(writer|DictWriter|write_csv|CSVWriter)\(|\bcsv_text\.lines\(")
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in SOURCE.rglob("*.py")
        if writing.search(path.read_text("utf-8"))
    }
    assert found == set(WRITERS)
