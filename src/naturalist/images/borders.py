"""Plain borders around a picture: passe-partouts, letterbox bars, frames of one shade."""

import numpy as np
from numpy.typing import NDArray

from naturalist.images.orientation import Pixels

_TOLERANCE = 24
"""Steps of 255 by which a border may differ from its own middle: JPEGs ring beside an edge."""
_PLAIN = 0.95
"""Share of a row's pixels that are within the tolerance in a border."""
_LEFT = 0.5
"""A picture of which less than this share of a side is left has no border: it is a small thing on
a plain ground."""


def trim_border(luma: Pixels) -> Pixels:
    """The part of uint8 (H, W) inside a plain border; all of it if there is no such border.

    A pixel more than the border is cut off, since that one was mixed of both by resizing.
    """
    height, width = luma.shape
    top, bottom = _plain_rows(luma), _plain_rows(luma[::-1])
    middle = luma[top : height - bottom] if top + bottom < height else luma
    left, right = _plain_rows(middle.T), _plain_rows(middle.T[::-1])
    top, bottom, left, right = (size + (size > 0) for size in (top, bottom, left, right))
    inside = luma[top : max(top, height - bottom), left : max(left, width - right)]
    is_much = inside.shape[0] >= _LEFT * height and inside.shape[1] >= _LEFT * width
    return inside if is_much else luma


def _plain_rows(luma: Pixels) -> int:
    """How many rows from the first on are of the shade that the first row has."""
    level = int(np.median(luma[0]))
    if not _is_plain(luma[:1], level)[0]:
        return 0
    plain = _is_plain(luma, level)
    return len(luma) if plain.all() else int(np.argmin(plain))


def _is_plain(luma: Pixels, level: int) -> NDArray[np.bool_]:
    off = np.abs(luma.astype(np.int16) - level)
    plain: NDArray[np.bool_] = (off <= _TOLERANCE).mean(axis=1) >= _PLAIN
    return plain
