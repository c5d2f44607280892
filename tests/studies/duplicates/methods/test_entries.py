"""Two hashes a picture where there is a border, old pictures first."""

import numpy as np

from naturalist.studies.duplicates.methods.entries import as_rows, make_entries
from naturalist.studies.duplicates.methods.grouping import Pairs, near_pairs


def test_entries_of_old_pictures_come_first_and_know_their_picture() -> None:
    hashes, trimmed = np.arange(5, dtype=np.uint64), np.arange(50, 55, dtype=np.uint64)
    made = make_entries(hashes, trimmed, np.array([0, 1, 0, 0, 1], bool), old=2)
    assert made.hashes.tolist() == [0, 1, 51, 2, 3, 4, 54]
    assert made.rows.tolist() == [0, 1, 1, 2, 3, 4, 4]
    assert made.old == 3


def test_a_framed_picture_meets_the_one_in_the_frame_and_never_itself() -> None:
    rng = np.random.default_rng(2)
    hashes = rng.integers(0, 2**64, 40, dtype=np.uint64)
    trimmed = hashes.copy()
    trimmed[7] = hashes[3]
    made = make_entries(hashes, trimmed, np.isin(np.arange(40), [5, 7]), old=0)
    held = [as_rows(pairs, made) for pairs in near_pairs(made.hashes, 4)]
    assert [pair for one in held for pair in zip(one.first, one.second, strict=True)] == [(3, 7)]
    assert isinstance(held[0], Pairs)
