"""Correlations find the way in which a copy lies over its original, and no other picture."""

import numpy as np

from naturalist.images import resize
from naturalist.studies.duplicates.methods.pixels import (
    LEAST_CORRELATION,
    SIDE,
    crop_correlations,
    frame_correlations,
)
from naturalist.studies.duplicates.methods.turning import UPRIGHT, Turn

BIG = 256


def scenes(count: int) -> np.ndarray:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (count, 9, 9), dtype=np.uint8)
    return np.array([resize(one, BIG, BIG) for one in small])


def seen(pictures) -> np.ndarray:
    return np.array([resize(np.ascontiguousarray(one), SIDE, SIDE) for one in pictures])


def cropped(pictures: np.ndarray, share: float) -> np.ndarray:
    cut = round(BIG * share)
    return seen([one[cut // 3 : BIG - cut + cut // 3, cut:] for one in pictures])


def test_a_crop_is_found_whichever_of_the_two_it_is_and_another_picture_is_not() -> None:
    whole = scenes(10)
    for share in (0.05, 0.1):
        for pair in ((seen(whole), cropped(whole, share)), (cropped(whole, share), seen(whole))):
            assert crop_correlations(*pair, [UPRIGHT]).min() >= LEAST_CORRELATION
    others = crop_correlations(seen(whole), cropped(whole[::-1], 0.05), [UPRIGHT])
    assert others.max() < LEAST_CORRELATION


def test_a_turned_picture_is_found_where_its_turn_is_asked_for() -> None:
    whole, turn = seen(scenes(10)), Turn(mirrored=True, quarters=1)
    # The second is turned until it lies as the first does.
    first = np.ascontiguousarray(turn.pixels(whole))
    assert frame_correlations(first, whole, [UPRIGHT, turn]).min() >= 0.999
    assert frame_correlations(first, whole, [UPRIGHT]).max() < LEAST_CORRELATION


def test_pictures_of_one_shade_are_like_nothing() -> None:
    plain = np.full((2, SIDE, SIDE), 200, np.uint8)
    plain[:, ::3] += 1
    assert frame_correlations(plain, plain, [UPRIGHT]).tolist() == [0, 0]
