import numpy as np
import pytest

from naturalist.studies.words.methods.naming import Evidence, names_of
from naturalist.studies.words.methods.nouns import Nouns, read_nouns


@pytest.fixture(scope="module")
def nouns() -> Nouns:
    return read_nouns()


def evidence(
    *,
    tokens: dict[str, float] | None = None,
    categories: dict[str, float] | None = None,
    concepts: dict[str, float] | None = None,
    classes: np.ndarray | None = None,
    columns: dict[str, float] | None = None,
    pictures: int = 100,
) -> Evidence:
    return Evidence(
        pictures, tokens or {}, categories or {}, concepts or {}, classes, columns or {}
    )


def classes_of(nouns: Nouns, **shares: float) -> np.ndarray:
    """Mean probabilities: each word's share spread over its classes, the rest over all."""
    found = np.full(1000, max(0.0, 1 - sum(shares.values())) / 1000)
    for word, share in shares.items():
        own = nouns.classes_below(nouns.usual(word))
        found[own] += share / len(own)
    return found


def test_many_kinds_of_dog_are_named_dog_and_not_one_of_the_kinds(nouns: Nouns) -> None:
    group = evidence(classes=classes_of(nouns, dog=0.8))
    found = names_of(group, evidence(classes=classes_of(nouns, dog=0.05)), nouns)
    assert (found[0].text, found[0].by) == ("dog", "class")
    assert found[0].support > 0.7


def test_one_kind_is_named_itself(nouns: Nouns) -> None:
    group = evidence(classes=classes_of(nouns, flamingo=0.8))
    found = names_of(group, evidence(classes=classes_of(nouns, dog=0.3)), nouns)
    assert found[0].text == "flamingo"


def test_scattered_classes_that_the_network_only_guesses_give_no_name(nouns: Nouns) -> None:
    guesses = np.zeros(1000)
    # "neck brace", "Windsor tie" and "suit", as for faces.
    guesses[[678, 906, 834]] = (0.2, 0.15, 0.15)
    assert names_of(evidence(classes=guesses), evidence(classes=np.zeros(1000)), nouns) == []


@pytest.mark.parametrize("category", ["human", "people", "persons", "animals"])
def test_living_things_are_not_named_after_what_they_wear(nouns: Nouns, category: str) -> None:
    worn = classes_of(nouns, clothing=0.8)
    rest = evidence(categories={"plant": 1.0}, classes=np.zeros(1000))
    filed = evidence(categories={"boxes": 1.0}, classes=worn)
    assert names_of(filed, rest, nouns)[0].by == "class"
    found = names_of(evidence(categories={category: 1.0}, classes=worn), rest, nouns)
    assert [(one.text, one.by) for one in found] == [(category, "category")]


def test_living_things_keep_the_names_of_living_things(nouns: Nouns) -> None:
    group = evidence(categories={"animal": 1.0}, classes=classes_of(nouns, dog=0.8))
    rest = evidence(classes=classes_of(nouns, dog=0.05))
    assert names_of(group, rest, nouns)[0].text == "dog"


def test_a_word_of_most_paths_comes_before_what_classes_guess(nouns: Nouns) -> None:
    guesses = np.zeros(1000)
    guesses[678] = 0.55
    group = evidence(tokens={"faces": 0.9, "image": 0.2}, classes=guesses)
    found = names_of(group, evidence(tokens={"faces": 0.02}, classes=np.zeros(1000)), nouns)
    assert (found[0].text, found[0].by) == ("face", "path")


def test_a_word_that_is_as_frequent_elsewhere_is_no_name(nouns: Nouns) -> None:
    assert names_of(evidence(tokens={"picnic": 1.0}), evidence(tokens={"picnic": 0.9}), nouns) == []


def test_a_special_word_of_most_comes_before_a_broad_one_of_all(nouns: Nouns) -> None:
    group = evidence(tokens={"flowers": 1.0, "daisy": 0.8})
    rest = evidence(tokens={"flowers": 0.3, "daisy": 0.01})
    assert [one.text for one in names_of(group, rest, nouns)] == ["daisy", "flower"]


def test_a_concept_comes_first_and_a_category_last(nouns: Nouns) -> None:
    group = evidence(concepts={"snowy": 0.9}, tokens={"owl": 0.9}, categories={"animal": 1.0})
    rest = evidence(categories={"plant": 0.9, "animal": 0.1})
    assert [one.by for one in names_of(group, rest, nouns)] == ["concept", "path"]
    only = names_of(evidence(categories={"animal": 1.0}), rest, nouns)
    assert [(one.text, one.by) for one in only] == [("animal", "category")]


def test_two_pictures_are_too_few_for_a_name(nouns: Nouns) -> None:
    assert names_of(evidence(tokens={"owl": 1.0}, pictures=2), evidence(), nouns) == []


def test_a_value_of_a_column_names_what_has_it(nouns: Nouns) -> None:
    group = evidence(columns={"bubo": 0.9, "adult": 1.0})
    found = names_of(group, evidence(columns={"bubo": 0.01, "adult": 0.8}), nouns)
    assert [(one.text, one.by) for one in found] == [("bubo", "column")]
