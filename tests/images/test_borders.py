"""Plain borders are cut off; what is in the picture is left."""

import numpy as np
import pytest

from naturalist.images import resize, trim_border


def scene(height: int = 90, width: int = 128) -> np.ndarray:
    small = np.random.default_rng(4).integers(0, 256, (6, 8), dtype=np.uint8)
    return resize(small, width, height)


@pytest.mark.parametrize("shade", [0, 90, 255])
@pytest.mark.parametrize("sides", [(7, 7, 7, 7), (12, 12, 0, 0), (0, 5, 0, 9)])
def test_a_plain_border_is_cut_off_on_the_sides_that_have_one(shade, sides) -> None:
    top, bottom, left, right = sides
    framed = np.pad(scene(), ((top, bottom), (left, right)), constant_values=shade)
    noise = np.random.default_rng(1).integers(-6, 7, framed.shape)
    ringing = np.clip(framed.astype(np.int64) + noise, 0, 255).astype(np.uint8)
    height, width = trim_border(ringing).shape
    assert 0 < 90 - height <= 4
    assert 0 <= 128 - width <= 4


def test_a_picture_without_a_border_is_kept_whole() -> None:
    assert trim_border(scene()).shape == (90, 128)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (2, 2), (60, 60)])
def test_a_picture_of_one_shade_is_kept_whole(size) -> None:
    assert trim_border(np.full(size, 120, np.uint8)).shape == size


def test_a_small_thing_on_a_plain_ground_has_no_border() -> None:
    ground = np.full((100, 100), 255, np.uint8)
    ground[40:60, 40:60] = 30
    assert trim_border(ground).shape == (100, 100)
