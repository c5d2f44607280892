"""Strips of thumbnails: ours are shown, and what a stranger published harms nobody."""

import io

import numpy as np
import pytest
from PIL import Image
from tests.images.making import encoded, photo

from naturalist.dashboard import sprites
from naturalist.dashboard.sprites import TILE

GREY = np.full((TILE, TILE, 3), 128)


def squares(*thumbnails: bytes | None) -> list[np.ndarray]:
    with Image.open(io.BytesIO(sprites.strip(thumbnails))) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert pixels.shape == (TILE, TILE * len(thumbnails), 3)
    return np.split(pixels, len(thumbnails), axis=1)


def test_each_thumbnail_has_its_square() -> None:
    red, none, blue = squares(
        encoded(Image.new("RGB", (128, 60), (255, 0, 0)), "JPEG"),
        None,
        encoded(Image.new("RGB", (40, 90), (0, 0, 255)), "JPEG"),
    )
    for square, colour in ((red, (255, 0, 0)), (none, (128, 128, 128)), (blue, (0, 0, 255))):
        assert np.abs(square.mean(axis=(0, 1)) - colour).max() < 6


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"<html>",
        encoded(photo(128, 96), "JPEG")[:300],
        encoded(Image.new("RGB", (3000, 3000)), "JPEG"),
        encoded(Image.new("L", (8000, 8000)), "PNG"),
    ],
    ids=["empty", "text", "cut", "large", "bomb"],
)
def test_what_is_no_small_thumbnail_leaves_its_place_grey(hostile: bytes) -> None:
    first, second = squares(hostile, encoded(photo(128, 96), "JPEG"))
    assert np.abs(first - GREY).max() < 40
    assert second.std() > 10
