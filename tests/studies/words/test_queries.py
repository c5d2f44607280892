import pytest

from naturalist.errors import ConfigError
from naturalist.studies.words.methods.paths import postings, tokens
from naturalist.studies.words.methods.queries import Term, parse

PHRASES = {"bird of prey", "water lily"}


def terms(text: str) -> list[Term]:
    return parse(text, lambda phrase: phrase in PHRASES)


@pytest.mark.parametrize("text", ["owl on snow", "owl and snow", "snow-free owl", "the owl, snow!"])
def test_linking_words_and_marks_are_left_out(text: str) -> None:
    words = {term.text for term in terms(text)}
    assert {"owl", "snow"} <= words
    assert not words & {"on", "and", "the"}


@pytest.mark.parametrize("text", ["owl not snow", "owl -snow", "owl without snow"])
def test_the_word_after_a_negation_is_excluded(text: str) -> None:
    assert terms(text) == [Term("owl"), Term("snow", excluded=True)]


def test_phrases_stay_together_with_and_without_quotes() -> None:
    assert terms('bird of prey "grey owl" water lily') == [
        Term("bird of prey"),
        Term("grey owl"),
        Term("water lily"),
    ]


def test_a_negated_phrase_is_excluded_and_what_follows_is_not() -> None:
    assert terms("tree -water lily forest")[1:] == [
        Term("water lily", excluded=True),
        Term("forest"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("owl2", [Term("owl2")]),
        ("Tulip_2024", [Term("tulip 2024")]),
        ('snow "tulip 2024" owl', [Term("snow"), Term("tulip 2024"), Term("owl")]),
        ("big snow owl2 tree", [Term("big"), Term("snow"), Term("owl2"), Term("tree")]),
        ("snow -owl2 tree", [Term("snow"), Term("owl2", excluded=True), Term("tree")]),
        ("snow not tulip-2024", [Term("snow"), Term("tulip 2024", excluded=True)]),
        ("red -cat", [Term("red"), Term("cat", excluded=True)]),
        ("the red cat", [Term("red cat")]),
        ("owl3", [Term("owl")]),
    ],
)
def test_the_name_of_a_concept_is_one_term_whatever_is_in_it(
    text: str, expected: list[Term]
) -> None:
    concepts = {"owl2", "tulip 2024", "red cat", "red"}
    assert parse(text, concepts.__contains__, concepts) == expected


@pytest.mark.parametrize("text", ["not owl", "", "on the", '""'])
def test_a_query_that_asks_for_nothing_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="what pictures should show"):
        terms(text)


def test_tokens_leave_out_numbering_and_file_words_and_keep_letters_of_all_scripts() -> None:
    found = tokens("snowOwls_2019/IMG_0042 (2).JPG")
    assert found == ["snow", "owls", "snow owls"]
    assert tokens("St. Bernard/rex.jpg.chip.jpg") == ["st", "bernard", "rex", "st bernard"]
    assert {"сова", "猫", "büffel"} <= set(tokens("Сова/猫/Büffel_12.png"))


def test_neighbours_of_one_folder_name_are_found_as_a_phrase_and_those_of_two_are_not() -> None:
    found = tokens("BLACK VULTURE/sea/horse.jpg")
    assert "black vulture" in found
    assert "sea horse" not in found


def test_postings_give_the_rows_of_each_token() -> None:
    found = postings([["owls/1.jpg"], ["cats/2.jpg"], ["owls/3.jpg", "night/4.jpg"]])
    assert found["owls"].tolist() == [0, 2]
    assert found["night"].tolist() == [2]
