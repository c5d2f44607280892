"""On a sample of real photos, decoding agrees with Pillow and hashes tell them apart."""

import io
import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.images.making import LIMITS, difference

from naturalist.images import Pixels, decode, hamming, perceptual_hash, read_header, resize, shrink


@pytest.fixture(scope="module")
def sample(photos: Path) -> list[bytes]:
    paths = sorted(path for path in photos.rglob("*") if path.is_file())
    return [path.read_bytes() for path in paths[::50]]


def by_pillow(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


def test_whole_photos_are_decoded_as_pillow_decodes_them(sample: list[bytes]) -> None:
    for data in sample:
        picture, expected = decode(data, LIMITS), by_pillow(data)
        assert picture.pixels.shape == expected.shape
        assert difference(picture.pixels, expected) < 0.5
        header = read_header(data, LIMITS)
        assert (header.format, header.width, header.height) == (
            picture.format,
            picture.width,
            picture.height,
        )


def test_reduced_photos_look_like_the_whole_ones(sample: list[bytes]) -> None:
    for data in sample:
        whole = shrink(by_pillow(data), 50)
        height, width = whole.shape[:2]
        reduced = resize(decode(data, LIMITS, longer=100).pixels, width, height)
        assert difference(reduced, whole) < 7


def test_hashes_of_different_photos_are_far_apart(sample: list[bytes]) -> None:
    hashes = [perceptual_hash(decode(data, LIMITS, longer=128).pixels) for data in sample]
    distances = [hamming(one, other) for one, other in itertools.combinations(hashes, 2)]
    assert 28 < sum(distances) / len(distances) < 36
    assert sum(distance <= 8 for distance in distances) < len(distances) / 1000
