from pathlib import Path

import pytest

from naturalist.curation.decisions import Decision, read_decisions
from naturalist.errors import ConfigError
from naturalist.stages.ingest.resolve import Kind

CATEGORIES = {"animal": "animal", "plant": "plant"}
DIGEST = "sha256:" + "0a" * 32


def _read(tmp_path: Path, text: str) -> list[Decision]:
    path = tmp_path / "decisions.csv"
    path.write_text(text, "utf-8")
    return read_decisions(path, CATEGORIES)


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_decisions_are_read_with_their_lines_whatever_the_other_columns(
    tmp_path: Path, delimiter: str
) -> None:
    lines = ["picID,decision,category,note,question", "plant_id_7,relabel,animal,a bee,label"]
    lines += ["plant_id_8,,,,label", f"{DIGEST},keep,plant,,conflict", "plant_id_9,retire,,,"]
    text = "\ufeff" + "\r\n".join(lines).replace(",", delimiter)
    assert _read(tmp_path, text) == [
        Decision(2, "plant_id_7", Kind.RELABEL, "animal", "a bee"),
        Decision(4, DIGEST, Kind.KEEP, "plant", ""),
        Decision(5, "plant_id_9", Kind.RETIRE, "", ""),
    ]


def test_category_and_note_may_be_missing(tmp_path: Path) -> None:
    (decision,) = _read(tmp_path, "decision,picID\nkeep,plant_id_1\n")
    assert decision == Decision(2, "plant_id_1", Kind.KEEP)
    assert decision.sha256 is None
    assert Decision(2, DIGEST, Kind.KEEP).sha256 == bytes([10]) * 32


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("plant_id_7,delete,,", "line 3: decision 'delete': choose one of keep, relabel, retire"),
        ("plant_id_7,relabel,fungus,", "line 3: category 'fungus': choose one of animal, plant"),
        ("plant_id_7,relabel,,", "line 3: relabel needs a category"),
        ("plant_id_7,keep,animal,", "write relabel to change the category"),
        ("sha256:12,retire,,", "64 hexadecimal digits"),
        (",retire,,", "line 3: no picID"),
        ("plant_id_7,retire", "more or fewer values"),
        ("plant_id_7,retire,,,,", "more or fewer values"),
        ('plant_id_7,retire,,"a"b', "no CSV"),
    ],
)
def test_a_bad_line_is_named_with_what_is_allowed(tmp_path: Path, line: str, said: str) -> None:
    text = f"picID,decision,category,note\nplant_id_1,keep,,\n{line}\n"
    with pytest.raises(ConfigError, match="nothing was changed") as caught:
        _read(tmp_path, text)
    assert said in str(caught.value)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    lines = "".join(f"plant_id_{k},what,,\n" for k in range(30))
    with pytest.raises(ConfigError, match=r"line 2: .*line 3: .*and 10 more"):
        _read(tmp_path, f"picID,decision,category,note\n{lines}")


@pytest.mark.parametrize("text", ["", "name,decision\nplant_id_1,keep\n", "picID\nplant_id_1\n"])
def test_a_file_without_the_columns_says_which_there_are(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="the columns are picID, decision, category, note"):
        _read(tmp_path, text)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.csv"):
        read_decisions(tmp_path / "none.csv", CATEGORIES)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.csv"):
        read_decisions(tmp_path / "binary.csv", CATEGORIES)
