import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from naturalist.studies.duplicates.methods import grouping as near_duplicates
from naturalist.studies.duplicates.methods.grouping import (
    Limits,
    components,
    near_pairs,
    row_cosines,
)
from naturalist.studies.duplicates.options import NearDuplicateOptions


def some_hashes(count, seed=0):
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def flipped(hashes, bits, seed=1):
    """Copies of hashes that each differ in so many bits, at random places."""
    rng = np.random.default_rng(seed)
    where = np.array([rng.choice(64, bits, replace=False) for _ in hashes], np.uint64)
    masks = np.bitwise_or.reduce(np.uint64(1) << where.reshape(len(hashes), bits), axis=1)
    return hashes ^ masks if bits else hashes.copy()


def crowd(count=3000, seed=2):
    """Hashes of which many are near each other: copies with 0 to 10 bits flipped, and copies of
    copies."""
    parts = [some_hashes(count, seed)]
    for bits in range(11):
        parts.append(flipped(parts[-1][:50], bits, seed + bits))
    return np.concatenate(parts)


def as_set(pieces):
    found = [
        (int(a), int(b), int(d))
        for pairs in pieces
        for a, b, d in zip(pairs.first, pairs.second, pairs.distance, strict=True)
    ]
    assert len(found) == len(set(found)), "a pair came twice"
    return set(found)


def each_with_each(hashes, max_distance):
    distance = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    first, second = np.nonzero(np.triu(distance <= max_distance, 1))
    return {(int(a), int(b), int(distance[a, b])) for a, b in zip(first, second, strict=True)}


def search_by_blocks(monkeypatch, blocks):
    monkeypatch.setattr(
        near_duplicates, "_cost_of_blocks", lambda _n, m, _r: -1.0 if m == blocks else 1e99
    )


@pytest.mark.parametrize(("max_distance", "blocks"), [(3, 6), (8, 9), (8, 11), (10, 13), (1, 2)])
def test_a_search_by_blocks_finds_the_pairs_of_a_full_comparison_each_once(
    max_distance, blocks, monkeypatch
):
    hashes = crowd()
    search_by_blocks(monkeypatch, blocks)
    assert as_set(near_pairs(hashes, max_distance)) == each_with_each(hashes, max_distance)


def test_few_hashes_are_compared_each_with_each_and_give_the_same_pairs():
    hashes = crowd(200)
    assert as_set(near_pairs(hashes, 8)) == each_with_each(hashes, 8)


@settings(max_examples=30)
# Of more than 16 equal hashes not all are compared with a near one (`Limits.members`).
@given(st.lists(st.integers(0, 2**64 - 1), max_size=30, unique=True), st.integers(0, 15), st.data())
def test_the_old_and_the_new_pairs_are_all_the_pairs(values, max_distance, data):
    # Flipping few bits of few hashes makes near ones likely.
    near = data.draw(st.lists(st.integers(0, 63), max_size=len(values)))
    values += [value ^ (1 << bit) for value, bit in zip(values, near, strict=False)]
    hashes = np.array(values, np.uint64)
    old = data.draw(st.integers(0, len(hashes)))
    before = as_set(near_pairs(hashes[:old], max_distance))
    since = as_set(near_pairs(hashes, max_distance, old))
    assert not before & since
    assert before | since == each_with_each(hashes, max_distance)


def test_old_pairs_are_left_out_of_a_search_by_blocks_too(monkeypatch):
    hashes = crowd()
    search_by_blocks(monkeypatch, 10)
    wanted = {pair for pair in each_with_each(hashes, 8) if pair[1] >= 3100}
    assert as_set(near_pairs(hashes, 8, old=3100)) == wanted


@pytest.mark.parametrize("count", [200, 3000])
def test_the_share_that_is_done_rises_to_all_of_it(count, monkeypatch):
    search_by_blocks(monkeypatch, 11)
    shares = []
    for _ in near_pairs(crowd(count), 8, on_share=shares.append):
        pass
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1


def test_a_crowd_with_one_hash_costs_what_its_limits_say():
    hashes = np.zeros(5000, np.uint64)
    found = as_set(near_pairs(hashes, 8))
    assert len(found) < 5000 * Limits.same_hash
    pairs = np.array(sorted(found))
    assert not components(5000, pairs[:, 0], pairs[:, 1]).any()


@settings(max_examples=50)
@given(st.integers(1, 40), st.data())
def test_components_are_those_of_a_walk_from_edge_to_edge(count, data):
    rows = st.integers(0, count - 1)
    edges = data.draw(st.lists(st.tuples(rows, rows), max_size=60))
    expected = list(range(count))
    for _ in range(count):
        for a, b in edges:
            expected[a] = expected[b] = min(expected[a], expected[b])
    first, second = (np.array([edge[i] for edge in edges], np.int64) for i in (0, 1))
    assert components(count, first, second).tolist() == expected


def test_a_vector_of_zeros_is_like_no_other():
    one, other = np.zeros((1, 4), np.float32), np.ones((1, 4), np.float32)
    assert row_cosines(one, other).tolist() == [0.0]
    assert row_cosines(one, one).tolist() == [0.0]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"max_distance": 16}, "max_distance"), ({"min_cosine": 1.5}, "min_cosine")],
)
def test_options_out_of_range_are_refused_by_name(options, named):
    with pytest.raises(ValueError, match=named):
        NearDuplicateOptions(**options)
