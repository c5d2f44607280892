"""What a workspace remembers of its categories, compared with what is configured."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist import categories
from naturalist.categories import Categories, Category
from naturalist.errors import ConfigError
from naturalist.layout import Layout

PLANT = Category("plant", "plant", 0)
ANIMAL = Category("animal", "animal", 1)
BOTH = Categories((PLANT, ANIMAL))
NAMES = st.sampled_from(["plant", "animal", "flora", "human", "fauna"])


def reconcile(known: Categories, configured: dict[str, int], used: bool = True) -> Categories:
    return categories.reconcile(known, configured, lambda key: used, lambda key: f"some {key}")


def test_new_categories_are_remembered_with_their_name_as_key() -> None:
    now = reconcile(Categories(), {"plant": 0, "animal": 1})
    assert [(one.key, one.name, one.label) for one in now.known] == [
        ("plant", "plant", 0),
        ("animal", "animal", 1),
    ]


def test_a_category_that_left_the_configuration_is_named_with_what_can_be_done() -> None:
    with pytest.raises(ConfigError) as caught:
        reconcile(BOTH, {"plant": 0})
    assert "animal: some animal" in str(caught.value)
    assert "naturalist category retire animal" in str(caught.value)


def test_one_that_never_saw_a_file_may_leave() -> None:
    assert reconcile(BOTH, {"plant": 0}, used=False) == Categories((PLANT,))


def test_a_new_name_with_the_label_of_a_missing_one_is_proposed_as_a_rename() -> None:
    with pytest.raises(ConfigError, match="category rename plant flora"):
        reconcile(BOTH, {"flora": 0, "animal": 1})


def test_exchanged_labels_are_refused_with_the_command_that_exchanges_them() -> None:
    with pytest.raises(ConfigError, match="category relabel plant 1 animal 0"):
        reconcile(BOTH, {"plant": 1, "animal": 0})
    swapped = categories.relabelled(BOTH, {"plant": 1, "animal": 0})
    assert reconcile(swapped, {"plant": 1, "animal": 0}) == swapped


def test_two_categories_never_have_the_same_label() -> None:
    with pytest.raises(ConfigError, match="both have label 1"):
        categories.relabelled(BOTH, {"plant": 1})


def test_a_retired_category_may_stay_in_the_configuration_or_leave_it() -> None:
    retired = categories.retired(BOTH, "animal")
    assert reconcile(retired, {"plant": 0}) == retired
    assert reconcile(retired, {"plant": 0, "animal": 1}) == retired
    assert categories.restored(retired, "animal") == BOTH


def test_a_restored_category_needs_its_label_free() -> None:
    retired = categories.retired(BOTH, "animal")
    taken = reconcile(retired, {"plant": 0, "human": 1})
    with pytest.raises(ConfigError, match="relabel human"):
        categories.restored(taken, "animal")


def test_a_name_that_was_given_up_can_be_used_again_under_another_key() -> None:
    renamed = categories.renamed(BOTH, "plant", "flora")
    again = reconcile(renamed, {"flora": 0, "animal": 1, "plant": 2})
    assert {one.name: one.key for one in again.known} == {
        "flora": "plant",
        "animal": "animal",
        "plant": "plant-2",
    }


@given(st.lists(st.tuples(NAMES, NAMES), max_size=8))
def test_keys_never_change_and_names_stay_unique(steps: list[tuple[str, str]]) -> None:
    known = BOTH
    for old, new in steps:
        try:
            known = categories.renamed(known, old, new)
        except ConfigError:
            continue
    assert [one.key for one in known.known] == ["plant", "animal"]
    assert len({one.name for one in known.known}) == 2
    assert all(known.keys_by_any_name[one.name] == one.key for one in known.known)


def test_what_is_written_is_read_back(tmp_path) -> None:
    from naturalist import artifacts

    layout = Layout(tmp_path)
    artifacts.write_json(layout.marker, {"format": 1, "name": "x"})
    changed = categories.retired(categories.renamed(BOTH, "plant", "flora"), "animal")
    categories.write(layout, changed)
    assert categories.read(layout) == changed
    assert artifacts.read_json(layout.marker)["name"] == "x"


def test_a_workspace_of_an_older_version_has_the_categories_of_its_ledger(tmp_path) -> None:
    layout = Layout(tmp_path)
    for name in ("plant", "animal"):
        (layout.ledger / name).mkdir(parents=True)
    known = categories.read(layout)
    assert known.names == {"animal": "animal", "plant": "plant"}
    assert reconcile(known, {"plant": 5, "animal": 7}).named("plant").label == 5
    with pytest.raises(ConfigError):
        reconcile(known, {"plant": 5})


@pytest.mark.parametrize("label", [-1, 2**31, 10**22])
def test_a_label_that_no_table_can_hold_is_refused(label: int) -> None:
    with pytest.raises(ConfigError, match=f"{label} cannot be a label.*2,147,483,647"):
        categories.relabelled(BOTH, {"plant": label})


@pytest.mark.parametrize("text", ["-1", "2147483648", "1.5", "", "²", "9" * 5000])
def test_what_is_no_label_is_refused_as_it_was_written(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be a label"):
        categories.parse_label(text)


def test_the_largest_label_is_one() -> None:
    assert categories.parse_label(" 2147483647 ") == categories.MAX_LABEL


def test_who_takes_a_label_in_use_is_told_to_move_its_holder() -> None:
    with pytest.raises(ConfigError, match="relabel plant 1 animal N"):
        categories.relabelled(BOTH, {"plant": 1})
    with pytest.raises(ConfigError, match="relabel animal 0 plant N"):
        categories.relabelled(BOTH, {"animal": 0})


def test_only_the_last_rename_may_be_repeated() -> None:
    flora = categories.renamed(BOTH, "plant", "flora")
    assert categories.renamed(flora, "plant", "flora") == flora
    herbs = categories.renamed(flora, "flora", "herbs")
    with pytest.raises(ConfigError, match=r"no category 'plant'.*herbs \(earlier plant, flora\)"):
        categories.renamed(herbs, "plant", "herbs")


def test_a_rename_in_the_wrong_order_says_which_names_there_are() -> None:
    with pytest.raises(ConfigError, match="no category 'flora': choose one of plant, animal"):
        categories.renamed(BOTH, "flora", "plant")


def test_a_rename_to_the_same_name_is_a_mistake() -> None:
    with pytest.raises(ConfigError, match="both names are 'plant'"):
        categories.renamed(BOTH, "plant", "plant")
