"""Near-duplicate pictures: perceptual hashes propose pairs, feature vectors confirm them.

Two pictures are near duplicates if their 64-bit hashes differ in at most `max_distance` bits and
the cosine of their vectors is at least `min_cosine`. Groups are the connected components of these
pairs. Pairs of hashes are found without comparing each with each: of `m` blocks that the 64 bits
are cut into, two hashes that differ in `r` bits have `m - r` blocks in common at least, so they
meet when hashes are sorted by every choice of `m - r` blocks. Source: G. S. Manku, A. Jain,
A. Das Sarma, Detecting Near-Duplicates for Web Crawling (WWW 2007), section 3. The search is exact;
`Limits` says where crowds are cut short.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from naturalist.studies.duplicates.methods.turning import Hashes, Turn
from naturalist.studies.duplicates.options import MOST_DISTANCE

Vectors = NDArray[np.float32]
Indices = NDArray[np.int64]

HASH_BITS = 64
_MIX = np.uint64(0x9E3779B97F4A7C15)
_CELLS = 1 << 22
"""Hash pairs that are compared at once."""


class Limits:
    """Where crowds of pictures are cut short, so that a thousand blank pictures cost thousands."""

    same_hash = 64
    """Of pictures with one hash, each is compared with so many before it."""
    members = 16
    """Of pictures with one hash, so many are compared with those of a hash near it."""
    bucket = 4096
    """Of hashes with the same blocks, each is compared with so many after it."""


@dataclass(frozen=True)
class Pairs:
    """Pairs of rows, `first` < `second`, int64 (P,) each, and the bits that differ, int64 (P,)."""

    first: Indices
    second: Indices
    distance: Indices

    def __len__(self) -> int:
        """Number of pairs."""
        return len(self.first)

    def where(self, keep: NDArray[np.bool_]) -> "Pairs":
        """The pairs that a mask (P,) keeps."""
        return Pairs(self.first[keep], self.second[keep], self.distance[keep])


def near_pairs(
    hashes: Hashes,
    max_distance: int,
    old: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> Iterator[Pairs]:
    """Find the pairs whose hashes differ in at most `max_distance` bits, each once, in pieces.

    Args:
        hashes: uint64 (N,).
        max_distance: 0 to 15.
        old: pairs among the first `old` rows are left out: they were found before.
        on_share: told now and then which share of the search is done.
    """
    order = np.argsort(hashes, kind="stable")
    result, starts = np.unique(hashes[order], return_index=True)
    counts = np.diff(np.append(starts, len(hashes)))
    yield from _equal_hashes(hashes, order, old)
    is_new = np.maximum.reduceat(order, starts) >= old if len(result) else np.empty(0, bool)
    for one, other, distance in _near_hashes(result, max_distance, is_new, on_share):
        pairs = _members(order, starts, counts, one, other, distance)
        fresh = pairs.where(pairs.second >= old)
        if len(fresh):
            yield fresh


def turned_pairs(
    hashes: Hashes,
    turn: Turn,
    max_distance: int,
    old: int = 0,
    on_share: Callable[[float], None] = lambda share: None,
) -> Iterator[Pairs]:
    """Find the pairs that are near when the second of the two is turned, and only then.

    The other arguments and the result are those of `near_pairs`.
    """
    count = len(hashes)
    together = np.concatenate([hashes, turn.hashes(hashes[old:])])
    for pairs in near_pairs(together, max_distance, count, on_share):
        second = pairs.second - count + old
        # A pair of two new rows is met twice, each of them turned: once by each of two turns that
        # undo each other.
        keep = (pairs.first < second) & (pairs.second >= count)
        first, second = pairs.first[keep], second[keep]
        upright = np.bitwise_count(hashes[first] ^ hashes[second])
        yield Pairs(first, second, pairs.distance[keep]).where(upright > max_distance)


def row_cosines(one: Vectors, other: Vectors) -> NDArray[np.float32]:
    """Cosine of each row of `one` with the same row of `other`: float32 (P, d) twice to (P,)."""
    products = np.einsum("ij,ij->i", one, other, dtype=np.float64)
    lengths = np.linalg.norm(one, axis=1).astype(np.float64) * np.linalg.norm(other, axis=1)
    there = lengths > 0
    result = np.divide(products, lengths, out=np.zeros_like(products), where=there)
    cosine: Vectors = result.astype(np.float32)
    return cosine


def components(count: int, first: Indices, second: Indices) -> Indices:
    """Connected components of a graph of `count` rows: for each row the least of its component.

    Rows take the least label of their neighbours and jump to the label of their label until
    nothing changes. Source: Y. Shiloach, U. Vishkin, An O(log n) parallel connectivity algorithm
    (1982).
    """
    labels = np.arange(count, dtype=np.int64)
    while True:
        least = np.minimum(labels[first], labels[second])
        before = labels.copy()
        np.minimum.at(labels, before[first], least)
        np.minimum.at(labels, before[second], least)
        while not np.array_equal(labels, jumped := labels[labels]):
            labels = jumped
        if np.array_equal(labels, before):
            return labels


def _equal_hashes(hashes: Hashes, order: Indices, old: int) -> Iterator[Pairs]:
    """Pairs of rows with the same hash; `order` sorts by hash, then row."""
    ordered = hashes[order]
    for at, step in _runs(ordered, Limits.same_hash):
        pairs = Pairs(order[at], order[at + step], np.zeros(len(at), np.int64))
        fresh = pairs.where(pairs.second >= old)
        if len(fresh):
            yield fresh


def _runs(keys: Hashes, most: int) -> Iterator[tuple[Indices, int]]:
    """Places of sorted keys, and a step, such that the key `step` places further on is equal."""
    at = np.arange(len(keys) - 1, dtype=np.int64)
    for step in range(1, most + 1):
        at = at[at + step < len(keys)]
        at = at[keys[at] == keys[at + step]]
        if not len(at):
            return
        yield at, step


def _members(
    order: Indices,
    starts: Indices,
    counts: Indices,
    one: Indices,
    other: Indices,
    distance: Indices,
) -> Pairs:
    """Rows that have the hashes `one` and `other` (indices of distinct hashes), each with each."""
    wide, high = (np.minimum(counts[side], Limits.members) for side in (one, other))
    which = np.repeat(np.arange(len(one)), wide * high)
    within = np.arange(len(which)) - np.repeat(np.cumsum(wide * high) - wide * high, wide * high)
    a = order[starts[one[which]] + within // high[which]]
    b = order[starts[other[which]] + within % high[which]]
    return Pairs(np.minimum(a, b), np.maximum(a, b), distance[which])


_HashPairs = tuple[Indices, Indices, Indices]


def _near_hashes(
    hashes: Hashes,
    max_distance: int,
    is_new: NDArray[np.bool_],
    on_share: Callable[[float], None],
) -> Iterator[_HashPairs]:
    """Pairs of distinct hashes with at least one that is new, by the way that costs least."""
    new = np.flatnonzero(is_new)
    if not max_distance or not len(new):
        return
    blocks = min(
        range(max_distance + 1, MOST_DISTANCE + 2),
        key=lambda m: _cost_of_blocks(len(hashes), m, max_distance),
    )
    if len(new) * len(hashes) <= _cost_of_blocks(len(hashes), blocks, max_distance):
        pieces = _each_with_each(hashes, max_distance, new, is_new)
    else:
        pieces = _by_blocks(hashes, max_distance, blocks, is_new)
    for share, piece in pieces:
        yield piece
        on_share(share)


def _cost_of_blocks(count: int, blocks: int, max_distance: int) -> float:
    """About how many comparisons of two hashes take as long as a search by blocks."""
    common = blocks - max_distance
    bits = HASH_BITS * common / blocks
    sort_and_cut, look_at_pair = 40, 10
    of_one = count * sort_and_cut + count * count / 2 / 2**bits * look_at_pair
    return math.comb(blocks, common) * of_one


def _each_with_each(
    hashes: Hashes, max_distance: int, new: Indices, is_new: NDArray[np.bool_]
) -> Iterator[tuple[float, _HashPairs]]:
    rows = max(1, _CELLS // len(hashes))
    for start in range(0, len(new), rows):
        mine = new[start : start + rows]
        distance = np.bitwise_count(hashes[mine, None] ^ hashes[None, :])
        at, other = np.nonzero(distance <= max_distance)
        one = mine[at]
        # Of two new ones the lower meets the higher.
        keep = (one != other) & (~is_new[other] | (one < other))
        result = one[keep], other[keep], distance[at[keep], other[keep]].astype(np.int64)
        yield (start + len(mine)) / len(new), result


def _by_blocks(
    hashes: Hashes, max_distance: int, blocks: int, is_new: NDArray[np.bool_]
) -> Iterator[tuple[float, _HashPairs]]:
    masks = _block_masks(blocks)
    choices = list(combinations(range(blocks), blocks - max_distance))
    first_choice = _first_choices(blocks, choices)
    index_bits = np.uint64(max(1, (len(hashes) - 1).bit_length()))
    places = np.arange(len(hashes), dtype=np.uint64)
    for number, choice in enumerate(choices):
        mask = np.bitwise_or.reduce(masks[list(choice)])
        # Key and place in one number: sorting plain numbers is several times as fast as argsort.
        keys = ((hashes & mask) * _MIX) >> index_bits
        packed = np.sort((keys << index_bits) | places)
        order = (packed & ((np.uint64(1) << index_bits) - np.uint64(1))).astype(np.int64)
        for at, step in _runs(packed >> index_bits, Limits.bucket):
            one, other = order[at], order[at + step]
            differing = hashes[one] ^ hashes[other]
            distance = np.bitwise_count(differing)
            keep = (distance <= max_distance) & (is_new[one] | is_new[other])
            one, other, differing = one[keep], other[keep], differing[keep]
            # A pair meets under many choices; it counts under the first of them.
            mine = first_choice[_equal_blocks(differing, masks)] == number
            result = one[mine], other[mine], distance[keep][mine].astype(np.int64)
            yield number / len(choices), result


def _block_masks(blocks: int) -> Hashes:
    edges = [HASH_BITS * i // blocks for i in range(blocks + 1)]
    masks = [(1 << stop) - (1 << start) for start, stop in pairwise(edges)]
    return np.array(masks, np.uint64)


def _equal_blocks(differing: Hashes, masks: Hashes) -> Indices:
    """Bit b says whether two hashes, given by their exclusive or, have block b in common."""
    result = np.zeros(len(differing), np.int64)
    for bit, mask in enumerate(masks):
        result |= ((differing & mask) == 0).astype(np.int64) << bit
    return result


def _first_choices(blocks: int, choices: list[tuple[int, ...]]) -> Indices:
    """For each set of blocks in common the first choice of blocks that is in it; -1 if none."""
    expected = np.array([sum(1 << block for block in choice) for choice in choices], np.int64)
    sets = np.arange(1 << blocks, dtype=np.int64)
    first = np.full(len(sets), -1, np.int64)
    for number in range(len(choices) - 1, -1, -1):
        first[(sets & expected[number]) == expected[number]] = number
    return first
