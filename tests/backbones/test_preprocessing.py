"""Rules that make pictures square."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.backbones.preprocessing import RULES, crop, resize_with_pad, stretch

TENSORFLOW = json.loads((Path(__file__).parent / "data" / "resize_with_pad.json").read_text())


@pytest.mark.parametrize("size", TENSORFLOW)
def test_the_seed_rule_gives_the_bytes_that_tensorflow_gives(size: str) -> None:
    height, width = map(int, size.split("x"))
    pixels = np.random.default_rng([height, width]).integers(0, 256, (height, width, 3), np.uint8)
    assert hashlib.sha256(resize_with_pad(pixels, 128).tobytes()).hexdigest() == TENSORFLOW[size]


@given(
    name=st.sampled_from(sorted(RULES)),
    height=st.integers(1, 300),
    width=st.integers(1, 300),
    side=st.integers(1, 130),
)
def test_every_rule_gives_a_square_of_uint8(name: str, height: int, width: int, side: int) -> None:
    prepared = RULES[name].prepare(np.full((height, width, 3), 9, np.uint8), side)
    assert prepared.shape == (side, side, 3)
    assert prepared.dtype == np.uint8
    assert prepared.max() == 9


def test_crop_keeps_the_middle_and_stretch_keeps_everything() -> None:
    pixels = np.zeros((40, 120, 3), np.uint8)
    pixels[:, :40, 0] = pixels[:, 40:80, 1] = pixels[:, 80:, 2] = 255
    assert (crop(pixels, 40) == pixels[:, 40:80]).all()
    assert stretch(pixels, 40)[:, :, [0, 2]].any(axis=(0, 1)).all()
