"""One search: candidates of several kinds, and what confirms each kind.

| candidates | asked for by | confirmed by |
|---|---|---|
| near hashes, upright | always | features; else pixels, with any invariant but mirror |
| near hashes, one of them turned | mirror, rotate | the same |
| near hashes, of what a border surrounds | border | the same |
| alike features | crop | pixels, laid over each other as a crop lies |
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from naturalist.numeric.reduction import fit_reduction
from naturalist.schemas import NEAR_DUPLICATE_PAIRS
from naturalist.studies.duplicates.methods import pixels
from naturalist.studies.duplicates.methods.entries import Entries, as_rows, make_entries
from naturalist.studies.duplicates.methods.grouping import Pairs, near_pairs, turned_pairs
from naturalist.studies.duplicates.methods.nearby import alike_pairs
from naturalist.studies.duplicates.methods.turning import UPRIGHT, Turn, turns
from naturalist.studies.duplicates.options import NearDuplicateOptions
from naturalist.studies.duplicates.reading import Opened

PAIRS_AT_ONCE = 100_000
"""Pairs whose vectors are in memory at once: 400 MB of them for 512 features, at most."""
PIXEL_PAIRS_AT_ONCE = 20_000
"""Pairs whose pixels are in memory at once: 80 MB, and as much for what borders surround."""
_AXES = 64

OnShare = Callable[[float], None]
Mask = NDArray[np.bool_]
Correlate = Callable[[pixels.Luma, pixels.Luma], NDArray[np.float32]]
Confirm = Callable[[Pairs, NDArray[np.float32]], Mask]


def find_pairs(
    opened: Opened, options: NearDuplicateOptions, old: int, on_share: OnShare
) -> pa.Table:
    """Near duplicates of which one is new, each pair once, schema NEAR_DUPLICATE_PAIRS.

    Args:
        opened: all pictures.
        options: what is near.
        old: how many pictures were compared before.
        on_share: told now and then which share is done.
    """
    crops = "crop" in options.invariant
    of_hashes = _shares(on_share, 0.0, 0.5 if crops else 1.0)
    by_hashes = _near_by_hashes(opened, options, old, of_hashes)
    tables = list(_confirmed(by_hashes, opened, partial(_same, opened, options)))
    if crops:
        by_features = _near_by_features(opened, options, old)
        tables += _confirmed(by_features, opened, partial(_cropped, opened, options))
    return _each_once(pa.concat_tables([NEAR_DUPLICATE_PAIRS.empty_table(), *tables]))


def _near_by_hashes(
    opened: Opened, options: NearDuplicateOptions, old: int, on_share: OnShare
) -> Iterator[Pairs]:
    """The pairs that hashes propose, upright ones first."""
    entries = _entries(opened, options, old)
    ways = turns(options.invariant)
    for number, turn in enumerate(ways):
        of_all = _shares(on_share, number / len(ways), (number + 1) / len(ways))
        distance = options.max_distance
        search = near_pairs if turn == UPRIGHT else partial(_turned, turn)
        for pairs in search(entries.hashes, distance, entries.old, of_all):
            yield as_rows(pairs, entries)


def _turned(
    turn: Turn, hashes: NDArray[np.uint64], distance: int, old: int, on_share: OnShare
) -> Iterator[Pairs]:
    return turned_pairs(hashes, turn, distance, old, on_share)


def _entries(opened: Opened, options: NearDuplicateOptions, old: int) -> Entries:
    if "border" not in options.invariant:
        nothing = np.zeros(len(opened.hashes), np.bool_)
        return make_entries(opened.hashes, opened.hashes, nothing, old)
    trimmed = opened.table["trimmed_hash"]
    has_border = pc.is_valid(trimmed).to_numpy()
    return make_entries(opened.hashes, pc.fill_null(trimmed, 0).to_numpy(), has_border, old)


def _near_by_features(opened: Opened, options: NearDuplicateOptions, old: int) -> Iterator[Pairs]:
    """The pairs of a new picture and one of those most like it."""
    reduction = fit_reduction(opened.vectors_by_part(), _AXES)
    reduced = np.concatenate([reduction(vectors) for vectors in opened.vectors_by_part()])
    first, second = alike_pairs(reduced, old, _farthest(options.min_cosine))
    distance = np.bitwise_count(opened.hashes[first] ^ opened.hashes[second])
    yield Pairs(first, second, distance.astype(np.int64))


def _farthest(min_cosine: float) -> float:
    """The distance of unit vectors with this cosine; on some of the axes they are nearer."""
    return math.sqrt(max(0.0, 2 - 2 * min_cosine))


def _confirmed(near: Iterable[Pairs], opened: Opened, confirm: Confirm) -> Iterator[pa.Table]:
    """Pairs that are confirmed, schema NEAR_DUPLICATE_PAIRS, as many at once as memory allows."""
    for pairs in _in_chunks(near):
        cosines = opened.cosines(pairs)
        keep = confirm(pairs, cosines)
        kept = pairs.where(keep)
        columns = [kept.first, kept.second, kept.distance.astype(np.int32), cosines[keep]]
        yield pa.Table.from_arrays(list(map(pa.array, columns)), schema=NEAR_DUPLICATE_PAIRS)


def _same(
    opened: Opened, options: NearDuplicateOptions, pairs: Pairs, cosines: NDArray[np.float32]
) -> Mask:
    """Whether features or, where they may be asked, pixels say that near hashes are no chance."""
    keep: Mask = cosines >= options.min_cosine
    if options.by_pixels:
        agree = partial(pixels.frame_correlations, ways=turns(options.invariant))
        trimmed = "border" in options.invariant
        keep[~keep] = _agree(opened, pairs.where(~keep), agree, trimmed=trimmed)
    return keep


def _cropped(
    opened: Opened, options: NearDuplicateOptions, pairs: Pairs, cosines: NDArray[np.float32]
) -> Mask:
    keep: Mask = cosines >= options.min_cosine
    # Features do not know a picture that was turned, so that no such pair is proposed.
    ways = [way for way in turns(options.invariant) if not way.quarters]
    agree = partial(pixels.crop_correlations, ways=ways)
    keep[keep] = _agree(opened, pairs.where(keep), agree, trimmed=False)
    return keep


def _agree(opened: Opened, pairs: Pairs, correlations: Correlate, *, trimmed: bool) -> Mask:
    """Whether the luma of each pair, whole or without its border, is the same."""
    result = np.zeros(len(pairs), np.bool_)
    for start in range(0, len(pairs), PIXEL_PAIRS_AT_ONCE):
        part = slice(start, start + PIXEL_PAIRS_AT_ONCE)
        first, second = pairs.first[part], pairs.second[part]
        expected, at = np.unique(np.concatenate([first, second]), return_inverse=True)
        one, other = at[: len(first)], at[len(first) :]
        kinds = opened.lumas(expected, trimmed=trimmed)
        for a, b in itertools.product(kinds, repeat=2):
            result[part] |= correlations(a[one], b[other]) >= pixels.LEAST_CORRELATION
    return result


def _each_once(pairs: pa.Table) -> pa.Table:
    """Pairs that several searches found count once, as the first of them found it."""
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    _, at = np.unique(np.stack([first, second]), axis=1, return_index=True)
    return pairs.take(pa.array(np.sort(at)))


def _in_chunks(pieces: Iterable[Pairs]) -> Iterator[Pairs]:
    held: list[Pairs] = []
    for piece in pieces:
        for start in range(0, len(piece), PAIRS_AT_ONCE):
            part = slice(start, start + PAIRS_AT_ONCE)
            held.append(Pairs(piece.first[part], piece.second[part], piece.distance[part]))
            if sum(map(len, held)) >= PAIRS_AT_ONCE:
                yield _joined(held)
                held = []
    if held:
        yield _joined(held)


def _joined(pieces: Sequence[Pairs]) -> Pairs:
    names = ("first", "second", "distance")
    return Pairs(*(np.concatenate([getattr(p, name) for p in pieces]) for name in names))


def _shares(on_share: OnShare, start: float, stop: float) -> OnShare:
    """Tells a part of the whole of its shares."""
    return lambda share: on_share(start + share * (stop - start))
