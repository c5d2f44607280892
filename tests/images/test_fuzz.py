"""Whatever the bytes, reading a picture gives a picture or a PictureError, quietly."""

import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.images.making import encoded, photo

from naturalist.errors import PictureError
from naturalist.images import PictureLimits, decode, previews, read_header, readable_formats

LIMITS = PictureLimits(max_pixels=4_000_000, max_whole_pixels=1_000_000)
"""Low, so that a mutated size costs neither memory nor time."""


@functools.cache
def seeds() -> dict[str, bytes]:
    """One small real photo in many formats, with and without metadata."""
    image = photo(48, 32)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a cat"
    made = {
        "jpeg": encoded(image, "JPEG", exif=exif),
        "progressive jpeg": encoded(image, "JPEG", progressive=True, subsampling="4:2:2"),
        "cmyk jpeg": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG", exif=exif),
        "palette png": encoded(image.quantize(16), "PNG", transparency=3),
        "gif": encoded(image, "GIF"),
        "animated gif": encoded(image, "GIF", save_all=True, append_images=[photo(40, 20)]),
        "webp": encoded(image, "WEBP", exif=exif),
        "lossless webp": encoded(image.convert("RGBA"), "WEBP", lossless=True),
        "bmp": encoded(image, "BMP"),
        "tiff": encoded(image, "TIFF", exif=exif),
        "packed tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "float tiff": encoded(image.convert("F"), "TIFF"),
    }
    if "avif" in readable_formats():
        made["avif"] = encoded(image, "AVIF", speed=10)
    if "jpeg2000" in readable_formats():
        made["jpeg2000"] = encoded(image, "JPEG2000")
    return made


def check(data: bytes, longer: int) -> None:
    """A header or a reason; a picture with previews or a reason; and the two agree."""
    try:
        header = read_header(data, LIMITS)
    except PictureError:
        header = None
    try:
        picture = decode(data, LIMITS, longer=longer)
    except PictureError:
        return
    assert header is not None
    assert (header.format, header.width, header.height) == (
        picture.format,
        picture.width,
        picture.height,
    )
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape[2] == 3
    assert min(picture.pixels.shape) > 0
    previews(picture.pixels)


mutations = st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), max_size=6)


@pytest.mark.parametrize("kind", seeds())
@given(changes=mutations, keep=st.floats(0, 1), cut=st.booleans(), longer=st.sampled_from([0, 20]))
def test_a_mutated_or_cut_picture_is_read_or_refused(
    kind: str, changes: list[tuple[int, int]], keep: float, cut: bool, longer: int
) -> None:
    data = bytearray(seeds()[kind])
    for place, value in changes:
        data[place % len(data)] = value
    check(bytes(data[: int(len(data) * keep)] if cut else data), longer)


@pytest.mark.parametrize("kind", seeds())
@given(changes=mutations)
def test_a_picture_with_a_mutated_head_is_read_or_refused(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(seeds()[kind])
    for place, value in changes:
        data[place % min(64, len(data))] = value
    check(bytes(data), 0)


@given(start=st.sampled_from(sorted(seeds().values())), rest=st.binary(max_size=300))
def test_a_picture_that_goes_on_as_noise_is_read_or_refused(start: bytes, rest: bytes) -> None:
    check(start[:16] + rest, 0)
    check(start[:64] + rest, 0)
