"""Antialiased resizing of pixels, and the square canvas that networks take."""

import numpy as np

from naturalist.images.convolution import convolve
from naturalist.images.orientation import Pixels


def fitted_size(width: int, height: int, side: int) -> tuple[int, int]:
    """Width and height, aspect kept, with `side` pixels on the longer side and no side of 0."""
    scale = side / max(width, height)
    return max(1, round(width * scale)), max(1, round(height * scale))


def resize(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resize uint8 (H, W, 3) or (H, W) to `height` x `width` by an antialiased bilinear filter.

    Other than the bilinear interpolation of most tensor libraries it averages fine texture.
    """
    return pixels if pixels.shape[:2] == (height, width) else convolve(pixels, width, height)


def shrink(pixels: Pixels, side: int) -> Pixels:
    """Resize so that the longer side has at most `side` pixels; a smaller picture is kept."""
    height, width = pixels.shape[:2]
    return (
        pixels if max(width, height) <= side else resize(pixels, *fitted_size(width, height, side))
    )


def letterbox(pixels: Pixels, side: int) -> Pixels:
    """Fit a picture into a black square: uint8 (side, side, 3), aspect kept, centred.

    A smaller picture is enlarged; where the margins cannot be equal, the right and lower ones
    are a pixel wider.
    """
    height, width = pixels.shape[:2]
    inner_width, inner_height = fitted_size(width, height, side)
    inner = resize(pixels, inner_width, inner_height)
    if inner_width == inner_height:
        return inner
    canvas = np.zeros((side, side, 3), np.uint8)
    top, left = (side - inner_height) // 2, (side - inner_width) // 2
    canvas[top : top + inner_height, left : left + inner_width] = inner
    return canvas
