"""Named rules that turn pixels of any size into a network's square input.

A name holds the rule's version: vectors made under it can only be compared with others under it, so
a rule is never changed, only followed by the next version.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from naturalist.backbones.spec import Fit
from naturalist.images import Pixels, letterbox, resize


class Rule(NamedTuple):
    """How pixels are prepared, and which decoded size is enough for it."""

    prepare: Callable[[Pixels, int], Pixels]
    fit: Fit
    full_decode: bool = False


def stretch(pixels: Pixels, side: int) -> Pixels:
    """Resize to the square whatever the picture's proportions (bilinear, antialiased)."""
    return resize(pixels, side, side)


def crop(pixels: Pixels, side: int) -> Pixels:
    """Resize so that the shorter side fits (bilinear, antialiased) and keep the middle."""
    height, width = pixels.shape[:2]
    scale = side / min(height, width)
    resized = resize(pixels, max(side, round(width * scale)), max(side, round(height * scale)))
    top, left = (resized.shape[0] - side) // 2, (resized.shape[1] - side) // 2
    return np.ascontiguousarray(resized[top : top + side, left : left + side])


def resize_with_pad(pixels: Pixels, side: int) -> Pixels:
    """Do what ``tf.image.resize_with_pad(pixels, side, side)`` does, rounded to uint8.

    Bilinear with half-pixel centres and no antialiasing, so that each output pixel looks at four
    input pixels however large the picture is; sizes are rounded down; black bars. Where TensorFlow
    fails because a side would be 0 pixels long, 1 is taken.
    """
    height, width = pixels.shape[:2]
    ratio = max(np.float32(width) / np.float32(side), np.float32(height) / np.float32(side))
    exact_height, exact_width = np.float32(height) / ratio, np.float32(width) / ratio
    inner_height, inner_width = max(1, int(exact_height)), max(1, int(exact_width))
    above, below, down = _neighbours(height, inner_height)
    left, right, across = _neighbours(width, inner_width)
    across = across[:, np.newaxis]
    upper, lower = (
        rows[:, left] + (rows[:, right] - rows[:, left]) * across
        for rows in (pixels[above].astype(np.float32), pixels[below].astype(np.float32))
    )
    inner = upper + (lower - upper) * down[:, np.newaxis, np.newaxis]
    canvas = np.zeros((side, side, 3), np.uint8)
    # TensorFlow centres the exact size, not the rounded one.
    y, x = int((side - exact_height) / 2), int((side - exact_width) / 2)
    canvas[y : y + inner_height, x : x + inner_width] = np.rint(inner)
    return canvas


def _neighbours(
    length: int, expected: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    """For each of `expected` positions: both input positions, and the weight of the second."""
    scale = np.float32(length) / np.float32(expected)
    centre = (np.arange(expected, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    first = np.floor(centre)
    lower = np.maximum(first, 0).astype(np.intp)
    upper = np.minimum(np.ceil(centre), length - 1).astype(np.intp)
    return lower, upper, centre - first


RULES = {
    "letterbox-v3": Rule(letterbox, "pad"),
    "crop-v3": Rule(crop, "crop"),
    "stretch-v3": Rule(stretch, "stretch"),
    "tensorflow-resize-with-pad-v1": Rule(resize_with_pad, "pad", full_decode=True),
}
