"""Turning a stored picture upright, as its EXIF orientation asks.

The eight orientations are those of EXIF 2.32 (JEITA CP-3451), tag 274: 1 is upright, 2 to 4 are
mirrored or turned within the same frame, 5 to 8 swap width and height.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Width and height of the upright picture, given those of the stored one."""
    return (height, width) if orientation >= 5 else (width, height)


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """The upright picture, C-contiguous: `pixels` (H, W, 3) itself when nothing has to be done."""
    turn = _TURNS.get(orientation)
    return pixels if turn is None else np.ascontiguousarray(turn(pixels))


_TURNS: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: pixels[::-1].transpose(1, 0, 2),
    7: lambda pixels: pixels[::-1, ::-1].transpose(1, 0, 2),
    8: lambda pixels: pixels[:, ::-1].transpose(1, 0, 2),
}
