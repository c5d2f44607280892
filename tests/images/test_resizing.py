"""Resizing keeps the aspect, averages what it shrinks, and never loses a side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.images.making import difference, photo, quarters

from naturalist.images import letterbox, resize, shrink

sides = st.integers(1, 300)


def flat(width: int, height: int, value: int = 200) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_resizing_averages_fine_texture_instead_of_sampling_it() -> None:
    stripes = flat(256, 256, 0)
    stripes[:, ::2] = 255
    shrunk = resize(stripes, 32, 32)
    assert abs(shrunk[:, 2:-2].astype(int) - 127).max() <= 2


def test_a_picture_of_the_right_size_is_not_touched() -> None:
    pixels = quarters()
    assert resize(pixels, 60, 40) is pixels
    assert shrink(pixels, 60) is pixels


@given(width=sides, height=sides, side=st.integers(1, 200))
def test_shrinking_never_enlarges_and_never_loses_a_side(
    width: int, height: int, side: int
) -> None:
    got_height, got_width = shrink(flat(width, height), side).shape[:2]
    assert max(got_width, got_height) == min(side, max(width, height))
    assert min(got_width, got_height) >= 1


@given(width=sides, height=sides, side=st.integers(1, 200))
def test_a_letterbox_holds_the_whole_picture_in_the_middle_of_black(
    width: int, height: int, side: int
) -> None:
    canvas = letterbox(flat(width, height), side)
    assert canvas.shape == (side, side, 3)
    assert canvas.dtype == np.uint8
    assert canvas.flags.c_contiguous
    assert np.unique(canvas).tolist() in ([200], [0, 200])
    for axis, picture_side in ((0, height), (1, width)):
        lit = np.flatnonzero(canvas.any(axis=(1 - axis, 2)))
        before, after = int(lit[0]), side - 1 - int(lit[-1])
        assert after - before in (0, 1)
        assert abs(lit.size - picture_side * side / max(width, height)) <= 1


def test_an_extreme_picture_keeps_a_line_of_pixels() -> None:
    canvas = letterbox(flat(20_000, 2), 128)
    assert canvas.shape == (128, 128, 3)
    assert np.flatnonzero(canvas.any(axis=(1, 2))).tolist() == [63]


def test_a_letterboxed_photo_looks_like_the_photo() -> None:
    pixels = np.asarray(photo(300, 300))
    assert difference(letterbox(pixels, 100), np.asarray(photo(100, 100))) < 6


@pytest.mark.parametrize("size", [(1, 1), (7, 300), (300, 7)])
def test_tiny_pictures_can_be_enlarged(size: tuple[int, int]) -> None:
    assert letterbox(flat(2, 1), size[0]).shape == (size[0], size[0], 3)
    assert resize(flat(2, 1), *size).shape == (size[1], size[0], 3)
