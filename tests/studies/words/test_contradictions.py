"""Queries that ask for what they leave out."""

import pytest

from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.methods.queries import Term
from naturalist.studies.words.search import contradictions, prepared


@pytest.mark.parametrize(
    ("asked", "excluded", "same"),
    [
        ("owl", "owls", True),
        ("xyzzyq", "Xyzzyq", True),
        ("dalmatian", "dog", False),
        ("owl", "bird", False),
        ("dog", "dalmatian", None),
        ("owl", "snow", None),
        ("xyzzyq", "dog", None),
    ],
)
def test_one_word_or_a_kind_of_it_contradicts_what_is_left_out(
    asked: str, excluded: str, same: bool | None
) -> None:
    searched = prepared(read_nouns(), [Term(asked), Term(excluded, True)], {}, classes=True)
    found = [is_same for _, _, is_same in contradictions(searched)]
    assert found == ([] if same is None else [same])
