from hypothesis import given
from hypothesis import strategies as st

from naturalist.orchestration import groups

counts = st.integers(0, 400)
limits = st.integers(1, 100)


@given(counts, limits)
def test_every_id_is_in_exactly_one_group(count: int, most: int) -> None:
    ids = [f"{k:06d}" for k in range(0, 7 * count, 7)]
    cut = groups.cut(ids, most)
    assert all(sum(groups.is_in(group, one) for group in cut) == 1 for one in ids)


@given(counts, limits)
def test_groups_are_few_none_is_empty_and_sizes_differ_by_one_at_most(
    count: int, most: int
) -> None:
    ids = [f"{k:06d}" for k in range(count)]
    sizes = [sum(groups.is_in(group, one) for one in ids) for group in groups.cut(ids, most)]
    assert len(sizes) == min(count, most)
    assert not sizes or (min(sizes) > 0 and max(sizes) - min(sizes) <= 1)


def test_a_group_means_the_same_after_some_of_its_work_was_done() -> None:
    assert groups.cut(["000001-00000", "000001-00003", "000002-00000"], 2) == [
        "000001-00000..000001-00000",
        "000001-00003..000002-00000",
    ]
    assert groups.is_in("000001-00003..000002-00000", "000001-00004")
