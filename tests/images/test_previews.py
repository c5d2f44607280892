"""Thumbnails are small plain JPEGs; hashes and quality follow what the eye sees."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageFilter
from tests.images.making import LIMITS, difference, encoded, photo

from naturalist.images import (
    THUMBNAIL_SIDE,
    Pixels,
    decode,
    hamming,
    perceptual_hash,
    previews,
    previews_of,
    quality,
    resize,
    shrink,
    thumbnail,
)

NEAR = 8
"""Bits by which copies of a photo differ at most."""

small_pictures = hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)))


def pixels_of(image: Image.Image) -> Pixels:
    return np.asarray(image.convert("RGB"))


def test_a_thumbnail_is_a_small_jpeg_without_metadata() -> None:
    pixels = pixels_of(photo(451, 300))
    data = thumbnail(pixels)
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (128, 85))
        assert not image.getexif()
        assert "icc_profile" not in image.info
        assert difference(np.asarray(image), shrink(pixels, THUMBNAIL_SIDE)) < 5


def test_a_thumbnail_is_never_enlarged() -> None:
    assert decode(thumbnail(pixels_of(photo(30, 20))), LIMITS).pixels.shape == (20, 30, 3)
    assert decode(thumbnail(pixels_of(photo(300, 200)), 50), LIMITS).pixels.shape == (33, 50, 3)


@given(small_pictures)
def test_any_pixels_have_previews_and_finite_quality(pixels: Pixels) -> None:
    made = previews(pixels)
    assert 0 <= made.perceptual_hash < 2**64
    values = np.array([made.quality.blur, made.quality.brightness, made.quality.contrast])
    assert np.isfinite(values.astype(np.float32)).all()
    assert (values >= 0).all()
    assert max(made.quality.brightness, made.quality.contrast) <= 1


@pytest.mark.parametrize("size", [(451, 300), (190, 140), (150, 100), (60, 40)])
def test_shared_work_gives_the_same_as_one_by_one(size: tuple[int, int]) -> None:
    pixels = pixels_of(photo(*size))
    made = previews(pixels)
    assert made.thumbnail == thumbnail(pixels)
    assert made.perceptual_hash == perceptual_hash(pixels)
    assert made.quality == quality(pixels)


def test_many_pictures_have_the_previews_of_each() -> None:
    pictures = [pixels_of(photo(*size)) for size in ((451, 300), (60, 40), (190, 140))]
    assert previews_of(pictures) == [previews(pixels) for pixels in pictures]
    assert previews_of([]) == []


@given(hnp.arrays(np.uint8, (1, 64, 3)))
def test_luma_is_rounded_as_pillow_rounds_it(pixels: Pixels) -> None:
    for at in range(pixels.shape[1]):
        one = pixels[:, at : at + 1]
        luma = int(np.asarray(Image.fromarray(one).convert("L"))[0, 0])
        assert quality(one).brightness == luma / 255


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_picture_of_one_colour_hashes_to_zero_and_has_no_contrast(value: int) -> None:
    pixels = np.full((50, 70, 3), value, np.uint8)
    assert perceptual_hash(pixels) == 0
    measured = quality(pixels)
    assert (measured.blur, measured.contrast) == (0.0, 0.0)
    assert measured.brightness == pytest.approx(value / 255)


def test_copies_of_a_photo_have_near_hashes_and_other_photos_far_ones(mess: Path) -> None:
    folder = mess / "generated"
    names = ("near-dup-small.jpg", "plain.webp", "progressive.jpg", "palette-alpha.png")
    original = decode((folder / "photo_without_extension").read_bytes(), LIMITS, longer=128)
    first = perceptual_hash(original.pixels)
    for name in names:
        copy = decode((folder / name).read_bytes(), LIMITS, longer=128)
        assert hamming(first, perceptual_hash(copy.pixels)) <= NEAR
    assert hamming(first, perceptual_hash(pixels_of(photo()))) > 2 * NEAR


def test_a_hash_survives_recompression_resizing_and_brightening() -> None:
    image = photo(451, 300)
    first = perceptual_hash(pixels_of(image))
    recompressed = decode(encoded(image, "JPEG", quality=30), LIMITS).pixels
    assert hamming(first, perceptual_hash(recompressed)) <= NEAR
    assert hamming(first, perceptual_hash(resize(pixels_of(image), 150, 100))) <= NEAR
    brighter = pixels_of(image.point(lambda value: min(255, round(value * 1.2))))
    assert hamming(first, perceptual_hash(brighter)) <= NEAR
    mirrored = pixels_of(image)[:, ::-1]
    assert hamming(first, perceptual_hash(mirrored)) > NEAR


def test_hamming_counts_the_bits_that_differ() -> None:
    assert hamming(0, 0) == 0
    assert hamming(0b1011, 0b0001) == 2
    assert hamming(0, 2**64 - 1) == 64


def test_the_more_a_photo_is_blurred_the_lower_its_blur_measure() -> None:
    image = photo(451, 300)
    blurred = [image.filter(ImageFilter.GaussianBlur(radius)) for radius in (0, 1, 2, 4, 8)]
    measures = [quality(pixels_of(each)).blur for each in blurred]
    assert measures == sorted(measures, reverse=True)
    assert measures[0] > 20 * measures[-1]


def test_brightness_and_contrast_are_those_of_the_luma() -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    measured = quality(pixels)
    assert measured.brightness == pytest.approx(0.5)
    assert measured.contrast == pytest.approx(0.5)


def test_quality_hardly_depends_on_the_scale_of_decoding() -> None:
    data = encoded(photo(451, 300).resize((1804, 1200)), "JPEG", quality=90)
    whole = quality(decode(data, LIMITS).pixels)
    reduced = quality(decode(data, LIMITS, longer=160).pixels)
    assert reduced.blur == pytest.approx(whole.blur, rel=0.25)
    assert reduced.brightness == pytest.approx(whole.brightness, abs=0.01)
    assert reduced.contrast == pytest.approx(whole.contrast, abs=0.01)
