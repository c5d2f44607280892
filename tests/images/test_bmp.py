"""BMP with bit fields gives its colours whatever the masks, and empty opacity means nothing."""

import struct

import numpy as np
import pytest
from tests.images.making import LIMITS, photo

from naturalist.errors import PictureError
from naturalist.images import Header, decode, read_header
from naturalist.reasons import Reason

RGB = np.asarray(photo(83, 61))
OPACITY = np.broadcast_to(np.linspace(0, 255, 83).astype(np.uint8), (61, 83))
FLAT = RGB * (OPACITY[..., None] / 255.0) + 255.0 - OPACITY[..., None]
BGRA, RGBA = (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF, 0xFF00, 0xFF0000, 0xFF000000)
HIGH_COLOUR, DEEP = (0xF800, 0x7E0, 0x1F, 0), (0x3FF00000, 0xFFC00, 0x3FF, 0)
ONE_BIT, FOUR_BITS = (0x7C00, 0x3E0, 0x1F, 0x8000), (0xF00, 0xF0, 0xF, 0xF000)
SHORT_HEADER = 40


def bmp_file(
    bits: int, masks: tuple[int, ...], opacity: np.ndarray, header_bytes: int, *, top_down: bool
) -> bytes:
    height, width = RGB.shape[:2]
    words = np.zeros((height, width), np.uint32)
    for samples, mask in zip(np.dstack([RGB, opacity]).transpose(2, 0, 1), masks, strict=True):
        if mask:
            shift = (mask & -mask).bit_length() - 1
            words |= np.rint(samples / 255.0 * (mask >> shift)).astype(np.uint32) << shift
    rows = np.ascontiguousarray(words.astype(f"<u{bits // 8}")).view(np.uint8)
    padded = np.pad(rows.reshape(height, -1), ((0, 0), (0, -width * bits // 8 % 4)))
    body = (padded if top_down else padded[::-1]).tobytes()
    head = struct.pack(
        "<IiiHHIIiiII", header_bytes, width, -height if top_down else height, 1, bits, 3,
        len(body), 2835, 2835, 0, 0,
    )  # fmt: skip
    head += struct.pack("<3I", *masks[:3])
    if header_bytes >= 56:
        head += struct.pack("<I", masks[3])
    head = head.ljust(header_bytes, b"\0")
    start = 14 + len(head)
    return struct.pack("<2sIHHI", b"BM", start + len(body), 0, 0, start) + head + body


def check(data: bytes, expected: np.ndarray, within: float) -> None:
    assert read_header(data, LIMITS) == Header("bmp", 83, 61)
    assert np.abs(decode(data, LIMITS).pixels - expected.astype(float)).max() <= within


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("header_bytes", [SHORT_HEADER, 52, 56, 108, 124])
def test_any_masks_give_their_colours(header_bytes: int, top_down: bool) -> None:
    opaque = np.full_like(OPACITY, 255)
    for bits, masks, within in ((32, BGRA, 1), (32, DEEP, 1), (16, HIGH_COLOUR, 5)):
        data = bmp_file(bits, masks, opaque, header_bytes, top_down=top_down)
        check(data, RGB, within)


@pytest.mark.parametrize("header_bytes", [56, 108, 124])
def test_opacity_counts_unless_it_is_zero_everywhere(header_bytes: int) -> None:
    empty = np.zeros_like(OPACITY)
    for masks in (BGRA, RGBA):
        check(bmp_file(32, masks, OPACITY, header_bytes, top_down=False), FLAT, 1.5)
        check(bmp_file(32, masks, empty, header_bytes, top_down=False), RGB, 1)
    for masks, within in ((ONE_BIT, 5), (FOUR_BITS, 9)):
        check(bmp_file(16, masks, empty, header_bytes, top_down=False), RGB, within)


def test_rows_that_are_missing_make_it_truncated() -> None:
    data = bmp_file(32, BGRA, OPACITY, 124, top_down=False)
    with pytest.raises(PictureError) as caught:
        decode(data[:-200], LIMITS)
    assert caught.value.reason is Reason.TRUNCATED


def test_a_mask_that_is_no_run_of_bits_is_refused() -> None:
    data = bmp_file(32, BGRA, OPACITY, 124, top_down=False)
    broken = data.replace(struct.pack("<I", 0xFF0000), struct.pack("<I", 0xFF0001), 1)
    with pytest.raises(PictureError) as caught:
        decode(broken, LIMITS)
    assert caught.value.reason is Reason.BROKEN_HEADER
