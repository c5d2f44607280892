"""Searching by the classes of a network: what matches a word, and when nothing does."""

from pathlib import Path

import numpy as np
import pytest

from naturalist.features import open_features
from naturalist.progress import SILENT
from naturalist.studies.study import bring_up_to_date
from naturalist.studies.words.index import open_word_index
from naturalist.studies.words.methods.meanings import meaning_of
from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.methods.queries import Term
from naturalist.studies.words.methods.top_classes import Head
from naturalist.studies.words.search import Matches, prepared, search
from naturalist.studies.words.study import WordStudy
from studies.vector_tables import write_tables

OTHERS = 999


def found(folder: Path, word: str, probabilities: list[float], asked: list[Term]) -> Matches:
    """Search pictures that show a word with these probabilities, and all else equally little."""
    nouns = read_nouns()
    (known,) = meaning_of(nouns, word).classes
    weights = np.zeros((OTHERS + 1, 2), np.float32)
    weights[known, 0] = 1
    held = np.array(probabilities)
    vectors = np.stack([np.log(held * OTHERS / (1 - held)), np.ones(len(held))], 1)
    layout = write_tables(folder, {"plant": vectors.astype(np.float32)})
    files = open_features(layout.root)
    head = Head(weights, np.zeros(OTHERS + 1, np.float32))
    bring_up_to_date(WordStudy(files, layout, "tiny-1", lambda: head, SILENT))
    index = open_word_index(layout, "tiny-1")
    return search(index, prepared(nouns, asked, {}, classes=True), 20)


def test_pictures_that_hardly_show_a_word_are_left_out(tmp_path: Path) -> None:
    result = found(tmp_path, "owl", [0.005, 0.5, 0.02], [Term("owl")])
    assert result.rows == [1, 2]
    assert result.terms[0]["notes"] == []


def test_a_picture_that_shows_one_word_of_two_may_be_found(tmp_path: Path) -> None:
    result = found(tmp_path, "owl", [0.5, 0.002], [Term("owl"), Term("forest", True)])
    assert result.rows == [0]


@pytest.mark.parametrize(("best", "rows"), [(0.07, [0]), (0.004, [])])
def test_a_word_that_nothing_matches_is_told_as_such(
    tmp_path: Path, best: float, rows: list[int]
) -> None:
    result = found(tmp_path, "owl", [best, 0.003], [Term("owl")])
    assert result.rows == rows
    assert result.terms[0]["notes"][0].startswith(
        f"nothing matches 'owl': the best picture has probability {best:.2f}"
    )
