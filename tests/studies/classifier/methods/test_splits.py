import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from naturalist.studies.classifier.methods.splits import (
    can_be_left_out,
    leave_one_source_out,
    random_folds,
    random_split,
)

ROWS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from("abcd"), st.integers(0, 9)),
    min_size=1,
    max_size=60,
)


def arrays(rows):
    labels, sources, groups = zip(*rows, strict=True)
    return np.array(labels), np.array(sources), np.array(groups, np.int64)


@given(ROWS, st.integers(2, 6))
def test_a_group_is_never_divided_by_folds(rows, count):
    labels, _, groups = arrays(rows)
    fold = random_folds(labels, groups, count, seed=0)
    assert fold.min() >= 0
    assert fold.max() < count
    for group in np.unique(groups):
        assert len(np.unique(fold[groups == group])) == 1


@given(ROWS)
def test_leaving_a_source_out_leaves_no_row_of_it_and_no_near_duplicate_in_training(rows):
    labels, sources, groups = arrays(rows)
    tested = np.zeros(len(labels), bool)
    for fold in leave_one_source_out(labels, sources, groups):
        assert not (fold.train & fold.test).any()
        assert (sources[fold.test] == fold.name).all()
        assert not np.isin(groups[fold.train], groups[fold.test]).any()
        # What is tested was learnt without the source; what stays has nothing else to learn from.
        assert np.isin(labels[fold.test], labels[fold.train]).all()
        staying = fold.train & (sources == fold.name)
        copies = np.isin(groups, groups[(sources == fold.name) & can_be_left_out(labels, sources)])
        assert not np.isin(labels[staying], labels[(sources != fold.name) & ~copies]).any()
        tested |= fold.test
    assert not tested[~can_be_left_out(labels, sources)].any()


def test_a_random_split_takes_the_asked_share_of_every_category():
    labels = np.repeat([0, 1], [400, 100])
    fold = random_split(labels, np.arange(500), folds=5, seed=1)
    assert np.bincount(labels[fold.test]).tolist() == [80, 20]
    other = random_split(labels, np.arange(500), folds=5, seed=2)
    assert (fold.test != other.test).any()


def test_a_source_whose_copies_are_all_that_others_have_cannot_be_left_out():
    labels = np.array([0, 0, 0, 0, 1, 1])
    sources = np.array(["a", "a", "b", "b", "a", "b"])
    groups = np.array([0, 1, 0, 1, 2, 3])
    for fold in leave_one_source_out(labels, sources, groups):
        assert set(labels[fold.test].tolist()) == {1}
        assert (labels[fold.train] == 0).sum() == 4


def test_a_random_split_holds_out_no_category_as_a_whole():
    for seed in range(5):
        fold = random_split(np.array([0] * 20 + [1]), np.arange(21), seed=seed)
        assert not fold.test[20]


def test_the_only_source_of_a_category_cannot_be_left_out():
    labels = np.array([0, 0, 1, 1])
    sources = np.array(["a", "b", "a", "a"])
    assert can_be_left_out(labels, sources).tolist() == [True, True, False, False]
    folds = {fold.name: fold for fold in leave_one_source_out(labels, sources)}
    assert folds["a"].test.tolist() == [True, False, False, False]
    assert folds["a"].train.tolist() == [False, True, True, True]
