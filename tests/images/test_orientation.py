"""Pictures come out upright, whatever their EXIF orientation and format."""

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.images.making import LIMITS, difference, encoded, quarters

from naturalist.images import Pixels, decode, read_header, readable_formats

LOSSLESS = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}}


def stored(orientation: int, pillow_name: str) -> bytes:
    """A file whose stored pixels are those of `quarters`, with an EXIF orientation."""
    image = Image.fromarray(quarters())
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, pillow_name, exif=exif, **LOSSLESS.get(pillow_name, {}))


def upright_by_pillow(orientation: int) -> Pixels:
    image = Image.fromarray(quarters())
    image.getexif()[0x0112] = orientation
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation_is_turned_upright(orientation: int, pillow_name: str) -> None:
    if pillow_name.lower() not in readable_formats():
        pytest.skip(f"Pillow has no {pillow_name} here")
    data, expected = stored(orientation, pillow_name), upright_by_pillow(orientation)
    picture = decode(data, LIMITS)
    assert picture.pixels.shape == expected.shape
    assert difference(picture.pixels, expected) < 4
    assert (picture.height, picture.width) == expected.shape[:2]
    header = read_header(data, LIMITS)
    assert (header.height, header.width) == expected.shape[:2]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_reduced_picture_is_upright_too(orientation: int) -> None:
    picture = decode(stored(orientation, "JPEG"), LIMITS, longer=30)
    expected = upright_by_pillow(orientation)[::2, ::2]
    assert picture.pixels.shape == expected.shape
    assert picture.pixels.flags.c_contiguous
    assert difference(picture.pixels, expected) < 8


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_a_senseless_orientation_is_ignored(orientation: int) -> None:
    assert decode(stored(orientation, "JPEG"), LIMITS).pixels.shape == (40, 60, 3)


def test_an_uncompressed_and_a_compressed_tiff_are_turned_alike() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain = encoded(Image.fromarray(quarters()), "TIFF", exif=exif)
    packed = encoded(Image.fromarray(quarters()), "TIFF", exif=exif, compression="tiff_lzw")
    assert np.array_equal(decode(plain, LIMITS).pixels, upright_by_pillow(6))
    assert np.array_equal(decode(packed, LIMITS).pixels, upright_by_pillow(6))
