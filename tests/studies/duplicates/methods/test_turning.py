"""Hashes of turned pictures follow from hashes, and turned pixels go the same way."""

import numpy as np
import pytest

from naturalist.images import hash_of_luma, resize
from naturalist.studies.duplicates.methods.turning import UPRIGHT, Turn, turns

EVERY = turns(["mirror", "rotate"])


def scenes(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(5)
    return [resize(rng.integers(0, 256, (7, 7), dtype=np.uint8), 64, 64) for _ in range(count)]


@pytest.mark.parametrize("turn", EVERY, ids=str)
def test_the_hash_of_a_turned_picture_follows_from_the_hash(turn: Turn) -> None:
    own = np.array([hash_of_luma(scene) for scene in scenes(20)], np.uint64)
    turned = np.array([hash_of_luma(turn.pixels(scene)) for scene in scenes(20)], np.uint64)
    off = np.bitwise_count(turn.hashes(own) ^ turned)
    assert np.median(off) <= 8, "the median that frequencies are compared with is nearly zero"
    assert off.max() < 16, "32 bits differ by chance"
    if turn != UPRIGHT:
        assert np.bitwise_count(own ^ turned).min() > 8


def test_there_are_eight_ways_a_picture_can_lie_in() -> None:
    hashes = np.random.default_rng(1).integers(0, 2**64, 50, dtype=np.uint64)
    assert len(EVERY) == 8
    assert len({tuple(turn.hashes(hashes).tolist()) for turn in EVERY}) == 8
    four = Turn(mirrored=False, quarters=4)
    assert np.array_equal(four.hashes(hashes), hashes)


def test_only_what_is_asked_for_is_turned() -> None:
    assert turns([]) == turns(["crop"]) == [UPRIGHT]
    assert turns(["mirror"]) == [UPRIGHT, Turn(mirrored=True, quarters=0)]
    assert [turn.quarters for turn in turns(["rotate"])] == [0, 1, 2, 3]
