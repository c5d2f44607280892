import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from naturalist.studies.maps.picture import draw_map, shade

NAMES = {0: "plant", 1: "animal"}


def pixels(png: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def crowd(rows: int, dims: int = 2) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(rows, dims)).astype("f"), rng.integers(0, 2, rows).astype(np.int32)


@pytest.mark.parametrize("dims", [2, 3])
def test_many_points_look_the_same_in_whatever_order_they_come(dims: int) -> None:
    points, labels = crowd(25_000, dims)
    one = draw_map(points, labels, NAMES, "title", "note")
    other = draw_map(points[::-1], labels[::-1], NAMES, "title", "note")
    assert one == other


def test_crowded_squares_are_stronger_and_mixed_squares_have_mixed_colours() -> None:
    points = np.repeat(np.array([[0.1, 0.1], [0.5, 0.5], [0.9, 0.9]], np.float32), [1, 50, 2], 0)
    labels = np.array([0] * 51 + [0, 1], np.int32)
    blue, red = np.array([0, 0, 1], np.float32), np.array([1, 0, 0], np.float32)
    low, high = np.zeros(2, np.float32), np.ones(2, np.float32)
    picture = shade(points, labels, {0: blue, 1: red}, low, high)
    one, many, mixed = (picture[int(at * 700), int(at * 700)] for at in (0.1, 0.5, 0.9))
    assert many[0] < one[0] < 1
    assert mixed[0] == pytest.approx(mixed[2])
    assert (picture[0, 0] == 1).all()


def test_few_points_are_dots_of_the_colour_of_their_category() -> None:
    points, _ = crowd(300)
    names = {k: f"category {k}" for k in range(10)}
    labels = (np.arange(300) % 10).astype(np.int32)
    drawn = pixels(draw_map(points, labels, names, "title", "note"))
    blue = np.array([0x00, 0x72, 0xBE])
    assert (np.abs(drawn.astype(int) - blue).sum(axis=2) < 6).any()


def test_a_map_of_points_at_one_place_is_drawn_too() -> None:
    points, labels = np.zeros((9, 3), np.float32), np.zeros(9, np.int32)
    assert pixels(draw_map(points, labels, NAMES, "title", "note")).min() < 128
