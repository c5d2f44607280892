"""Every kind of pixel becomes 8-bit RGB that looks like the picture."""

import numpy as np
import pytest
from PIL import Image
from tests.images.making import LIMITS, difference, encoded, photo, quarters

from naturalist.images import Pixels, decode
from naturalist.images.remarks import Doubt

RAMP = np.linspace(0.0, 1.0, 64 * 48).reshape(48, 64)
RAMP_RGB = np.repeat((RAMP * 255 + 0.5).astype(np.uint8)[:, :, None], 3, axis=2)


def read(data: bytes) -> Pixels:
    pixels = decode(data, LIMITS).pixels
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    return pixels


@pytest.mark.parametrize(
    ("values", "pillow_name"),
    [
        ((RAMP * 65535).astype(np.uint16), "PNG"),
        ((RAMP * 65535).astype(np.uint16), "TIFF"),
        ((RAMP * 65535).astype(np.int32), "TIFF"),
        ((RAMP * (2**31 - 1)).astype(np.int32), "TIFF"),
        ((RAMP * 255).astype(np.int32), "TIFF"),
        (RAMP.astype(np.float32), "TIFF"),
        ((RAMP * 255).astype(np.float32), "TIFF"),
        ((RAMP * 65535).astype(np.float32), "TIFF"),
        ((RAMP * 255).astype(np.uint8), "PNG"),
    ],
)
def test_greyscale_of_any_depth_keeps_its_shades(values: np.ndarray, pillow_name: str) -> None:
    pixels = read(encoded(Image.fromarray(values), pillow_name))
    assert difference(pixels, RAMP_RGB) <= 1.0


def test_floats_that_are_no_numbers_and_negative_ones_become_black() -> None:
    values = np.array([[np.nan, np.inf, -1.0, 0.5, 1.0]], np.float32)
    pixels = read(encoded(Image.fromarray(values), "TIFF"))
    assert pixels[0, :, 0].tolist() == [0, 0, 0, 128, 255]


@pytest.mark.parametrize("value", [0, 1, 65535])
def test_a_flat_sixteen_bit_picture_is_flat(value: int) -> None:
    pixels = read(encoded(Image.fromarray(np.full((3, 4), value, np.uint16)), "PNG"))
    assert np.unique(pixels).tolist() == [value // 257]


@pytest.mark.parametrize("pillow_name", ["JPEG", "TIFF"])
def test_cmyk_becomes_the_colours_it_stands_for(pillow_name: str) -> None:
    cmyk = Image.fromarray(quarters()).convert("CMYK")
    options = {"quality": 95, "subsampling": 0} if pillow_name == "JPEG" else {}
    assert difference(read(encoded(cmyk, pillow_name, **options)), quarters()) < 4


def test_a_cmyk_jpeg_is_reduced_while_decoding() -> None:
    data = encoded(photo(400, 300).convert("CMYK"), "JPEG")
    assert decode(data, LIMITS, longer=100).pixels.shape == (75, 100, 3)


def test_cielab_becomes_the_colours_it_stands_for() -> None:
    lab = Image.new("LAB", (8, 8), (136, 208, 195))  # L 53, a 80, b 67: the red of sRGB
    red = read(encoded(lab, "TIFF"))[4, 4].astype(int)
    assert abs(red - (255, 0, 0)).max() < 12


@pytest.mark.parametrize("pillow_name", ["PNG", "WEBP", "TIFF"])
def test_transparency_is_flattened_over_white(pillow_name: str) -> None:
    rgba = np.zeros((8, 8, 4), np.uint8)
    rgba[:, 4:] = (200, 100, 0, 255)
    rgba[4:, 4:, 3] = 128
    options = {"lossless": True, "exact": True} if pillow_name == "WEBP" else {}
    pixels = read(encoded(Image.fromarray(rgba), pillow_name, **options)).astype(int)
    assert pixels[0, 0].tolist() == [255, 255, 255]
    assert pixels[0, 7].tolist() == [200, 100, 0]
    assert abs(pixels[7, 7] - (227, 177, 127)).max() <= 1


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_a_transparent_colour_key_is_flattened_over_white(mode: str) -> None:
    image = Image.new(mode, (4, 4))
    key = (0, 0, 0) if mode == "RGB" else 0
    pixels = read(encoded(image, "PNG", transparency=key))
    assert np.unique(pixels).tolist() == [255]


def test_a_sixteen_bit_colour_key_is_flattened_over_white() -> None:
    values = np.array([[7, 257 * 100]], np.uint16)
    data = encoded(Image.fromarray(values), "PNG", transparency=7)
    assert read(data)[0, :, 0].tolist() == [255, 100]


def test_a_palette_gives_its_colours_and_not_its_indices() -> None:
    palette = Image.fromarray(quarters()).quantize(4)
    for pillow_name in ("PNG", "GIF", "BMP"):
        assert np.array_equal(read(encoded(palette, pillow_name)), quarters())


def test_one_bit_pictures_are_black_and_white() -> None:
    pixels = read(encoded(photo(64, 48).convert("1"), "PNG"))
    assert np.unique(pixels).tolist() == [0, 255]


@pytest.mark.parametrize(
    ("pillow_name", "mode"), [("PNG", "RGBA"), ("PNG", "LA"), ("WEBP", "RGBA"), ("TIFF", "RGBA")]
)
@pytest.mark.parametrize("opacity", [0, 1])
def test_a_picture_that_is_transparent_everywhere_leaves_a_remark(
    pillow_name: str, mode: str, opacity: int
) -> None:
    image = photo(40, 30).convert(mode)
    image.putalpha(0)
    image.putpixel((3, 3), (*image.getpixel((3, 3))[:-1], opacity))
    options = {"lossless": True, "exact": True} if pillow_name == "WEBP" else {}
    picture = decode(encoded(image, pillow_name, **options), LIMITS)
    assert picture.pixels.min() >= 254
    assert [remark.doubt for remark in picture.remarks] == [Doubt.TRANSPARENT] * (opacity == 0)
