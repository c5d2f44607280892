"""PNG with few or many bits: every sample counts, and the key of transparency is compared whole."""

import struct

import numpy as np
import pytest
from tests.images.making import LIMITS, photo, png_file

from naturalist.errors import PictureError
from naturalist.images import Doubt, decode
from naturalist.reasons import Reason

RGB = np.asarray(photo(45, 31))
GREY = RGB[:, :, 1]
OPACITY = np.broadcast_to(np.linspace(0, 255, 45).astype(np.uint8), (31, 45))
GREY_TYPE, RGB_TYPE, GREY_ALPHA, RGBA = 0, 2, 4, 6


def deep(picture: np.ndarray, white: int = 65535) -> np.ndarray:
    samples = np.rint(picture / 255.0 * white).astype(np.uint16)
    return samples if samples.ndim == 3 else samples[:, :, None]


def check(data: bytes, expected: np.ndarray) -> tuple[Doubt, ...]:
    picture = decode(data, LIMITS)
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    assert picture.pixels.shape == (31, 45, 3)
    assert np.abs(picture.pixels - expected.astype(float)).max() <= 1
    return tuple(remark.doubt for remark in picture.remarks)


@pytest.mark.parametrize("adam7", [False, True])
@pytest.mark.parametrize("kind", [GREY_TYPE, RGB_TYPE, GREY_ALPHA, RGBA])
def test_sixteen_bits_of_every_kind_are_rounded_and_flattened_over_white(
    kind: int, adam7: bool
) -> None:
    colours = GREY[:, :, None] if kind in (GREY_TYPE, GREY_ALPHA) else RGB
    samples, expected = deep(colours), colours.astype(float)
    if kind in (GREY_ALPHA, RGBA):
        samples = np.concatenate([samples, deep(OPACITY)], axis=2)
        expected = colours * (OPACITY[..., None] / 255.0) + 255.0 - OPACITY[..., None]
    assert check(png_file(samples, kind, 16, {}, adam7=adam7), expected) == ()


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_significant_bits_say_what_is_white_where_samples_were_not_scaled(bits: int) -> None:
    for kind, picture in ((GREY_TYPE, GREY), (RGB_TYPE, RGB)):
        stated = {b"sBIT": bytes([bits]) * (3 if kind == RGB_TYPE else 1)}
        low = png_file(deep(picture, 2**bits - 1), kind, 16, stated, adam7=False)
        assert check(low, picture) == ()
        scaled = png_file(deep(picture), kind, 16, stated, adam7=False)
        assert check(scaled, picture) == ()


def test_few_of_many_bits_without_a_mark_leave_a_remark() -> None:
    data = png_file(deep(RGB, 4095), RGB_TYPE, 16, {}, adam7=False)
    assert check(data, RGB / 16.0) == (Doubt.UNUSED_RANGE,)


def test_only_the_whole_sixteen_bit_key_is_transparent() -> None:
    samples = deep(RGB)
    samples[3, 4] = (1000, 2000, 3000)
    samples[3, 5] = (1001, 2000, 3000)
    key = {b"tRNS": struct.pack(">3H", 1000, 2000, 3000)}
    pixels = decode(png_file(samples, RGB_TYPE, 16, key, adam7=False), LIMITS).pixels
    assert pixels[3, 4].tolist() == [255, 255, 255]
    assert pixels[3, 5].tolist() == [4, 8, 12]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_a_transparent_grey_of_few_bits_is_white(bits: int) -> None:
    samples = (GREY >> (8 - bits))[:, :, None]
    expected = np.rint(samples.astype(int) * 255 / (2**bits - 1))
    assert check(png_file(samples, GREY_TYPE, bits, {}, adam7=False), expected) == ()
    expected[samples == 1] = 255
    key = {b"tRNS": struct.pack(">H", 1)}
    assert check(png_file(samples, GREY_TYPE, bits, key, adam7=False), expected) == ()


@pytest.mark.parametrize("share", [0.5, 0.9])
def test_a_deep_png_cut_short_is_truncated(share: float) -> None:
    data = png_file(deep(RGB), RGB_TYPE, 16, {}, adam7=False)
    with pytest.raises(PictureError) as caught:
        decode(data[: int(len(data) * share)], LIMITS)
    assert caught.value.reason is Reason.TRUNCATED
