"""Both ways of resizing give the same bits, close to those of Pillow."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from PIL import Image
from tests.images.making import difference, photo

from naturalist.images import convolution
from naturalist.images.convolution import by_numpy, by_simd, convolve

needs_simd = pytest.mark.skipif(
    convolution.simd is None, reason="cykooz-resizer has no wheel for this machine"
)
sides = st.integers(1, 260)


@needs_simd
@given(sides, sides, sides, sides, st.sampled_from([1, 3]), st.integers(0, 2**32))
@example(20_000, 3, 128, 1, 3, 0)
@example(1, 1, 128, 128, 3, 0)
def test_a_machine_without_vector_instructions_gets_the_same_bits(
    width: int, height: int, to_width: int, to_height: int, channels: int, seed: int
) -> None:
    shape = (height, width, 3) if channels == 3 else (height, width)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    plain, fast = (way(pixels, to_width, to_height) for way in (by_numpy, by_simd))
    assert plain.shape == fast.shape == (to_height, to_width, *shape[2:])
    assert (plain == fast).all()


def test_without_the_package_numpy_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.asarray(photo())
    usual = convolve(pixels, 50, 40)
    monkeypatch.setattr(convolution, "simd", None)
    assert (convolve(pixels, 50, 40) == usual).all()


def test_a_photo_is_resized_as_pillow_does_it() -> None:
    pixels = np.asarray(photo())
    pillow = Image.fromarray(pixels).resize((77, 51), Image.Resampling.BILINEAR)
    assert difference(convolve(pixels, 77, 51), np.asarray(pillow)) < 0.5
