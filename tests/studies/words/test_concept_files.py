import json
from pathlib import Path

import pytest

from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.studies.words import concept_files
from naturalist.studies.words.concept_files import SavedConcept


def saved(name: str, *yes: str) -> SavedConcept:
    return SavedConcept(name, "network", yes, (), (), "2024-01-01T00:00:00+00:00", None, "", 0.0)


def write_as_before(layout: Layout, name: str, stem: str) -> None:
    concept_files.write_concept(layout, saved("other"))
    text = json.loads(layout.concept("other").read_text()) | {"name": name}
    layout.concept(stem).write_text(json.dumps(text))
    layout.concept("other").unlink()


@pytest.mark.parametrize("name", ["red_cat", "Red Cat", "red-cat", "red - cat", "red  cat"])
def test_spellings_of_one_name_are_one_concept(tmp_path: Path, name: str) -> None:
    assert concept_files.checked_name(name) == "red cat"
    concept_files.write_concept(Layout(tmp_path), saved("red cat"))
    assert concept_files.read_concept(Layout(tmp_path), name).name == "red cat"


@pytest.mark.parametrize(("name", "stem"), [("red_cat", "red_cat"), ("red-cat", "red-cat")])
def test_a_concept_of_before_names_were_folded_is_found_and_dropped(
    tmp_path: Path, name: str, stem: str
) -> None:
    layout = Layout(tmp_path)
    write_as_before(layout, name, stem)
    layout.concept_members(stem).write_bytes(b"scores")
    assert list(concept_files.read_concepts(layout)) == ["red cat"]
    assert concept_files.read_concept(layout, name).name == "red cat"
    concept_files.remove_concept(layout, name)
    assert list(layout.concepts.iterdir()) == []


def test_what_is_made_now_counts_and_not_the_file_of_before(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    write_as_before(layout, "red-cat", "red-cat")
    concept_files.write_concept(layout, saved("red cat", "plant_id_1"))
    assert concept_files.read_concept(layout, "red-cat").yes == ("plant_id_1",)


@pytest.mark.parametrize("name", ["", "-", "../up", "a" * 65])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a concept"):
        concept_files.checked_name(name)
