import numpy as np
import pytest

from naturalist.studies.words.methods.meanings import listed, meaning_of
from naturalist.studies.words.methods.nouns import Nouns, read_nouns


@pytest.fixture(scope="module")
def nouns() -> Nouns:
    return read_nouns()


@pytest.mark.parametrize(
    ("word", "base"),
    [("owls", "owl"), ("Butterflies", "butterfly"), ("mice", "mouse"), ("sea_lions", "sea lion")],
)
def test_plurals_and_underscores_are_understood(nouns: Nouns, word: str, base: str) -> None:
    assert nouns.base(word) == base


@pytest.mark.parametrize("noun", ["owl", "woman", "goose", "fox", "berry", "class", "sea horse"])
def test_the_forms_of_a_noun_are_all_words_that_mean_it(nouns: Nouns, noun: str) -> None:
    forms = nouns.forms(noun)
    assert noun in forms
    assert {nouns.base(form) for form in forms} == {noun}
    tried = [noun + ending for ending in ("s", "es", "ies", "men")] + [noun[:-1] + "ies"]
    irregular = ["women", "geese"]
    assert {one for one in [*tried, *irregular] if nouns.base(one) == noun} <= set(forms)


def test_a_made_up_word_is_no_noun(nouns: Nouns) -> None:
    assert nouns.base("xyzzyq") is None


def test_the_classes_below_a_word_are_kinds_of_it(nouns: Nouns) -> None:
    birds = nouns.classes_below(nouns.usual("bird"))
    assert len(birds) == 59
    names = {nouns.name(int(nouns.classes[k])) for k in birds}
    assert {"great grey owl", "flamingo", "hummingbird"} <= names
    assert "beagle" not in names


def test_every_kind_is_below_what_is_above_it(nouns: Nouns) -> None:
    for synset in nouns.classes[::97].tolist():
        assert all(nouns.below([int(one)])[synset] for one in np.flatnonzero(nouns.above([synset])))


def test_words_below_hold_what_paths_call_things(nouns: Nouns) -> None:
    kinds = nouns.words_below(nouns.usual("dog"))
    assert {"dog", "collie", "poodle"} <= kinds
    # As often a person of Dalmatia.
    assert not kinds & {"cat", "dalmatian"}


@pytest.mark.parametrize("word", ["rose", "octopus", "face", "forest", "bat", "snow"])
def test_words_without_a_class_have_none_whatever_their_rarer_senses_are(
    nouns: Nouns, word: str
) -> None:
    assert not meaning_of(nouns, word).has_classes


def test_a_rarer_sense_is_used_where_it_is_a_related_thing_and_said(nouns: Nouns) -> None:
    rooster = meaning_of(nouns, "rooster")
    assert listed(nouns, rooster.classes) == "cock"
    assert "only as cock" in rooster.note
    mouse = meaning_of(nouns, "mouse")
    assert not mouse.has_classes
    assert "electronic device" in mouse.note


def test_a_word_of_which_only_a_few_odd_kinds_are_classes_says_so(nouns: Nouns) -> None:
    person = meaning_of(nouns, "person")
    assert person.hardly
    assert "scuba diver" in person.note
