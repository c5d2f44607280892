"""Bilinear convolution with a filter that widens when shrinking, so that texture is averaged.

Two ways to the same bits: vector instructions, from a package that has wheels for most machines,
and numpy for the others, some ten times slower. Both multiply by whole numbers and round once for
each direction, so that every machine gets the same pixels. Source of the arithmetic: the crate
fast_image_resize 5 (Cykooz), which follows Pillow's `ImagingResample`.
"""

import math
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from naturalist.images.orientation import Pixels

try:
    import cykooz_resizer as simd
except ImportError:  # there is no wheel for this machine
    simd = None

_PRECISION_BITS = 22
_COEFFICIENT_BITS = 15


def convolve(pixels: Pixels, width: int, height: int) -> Pixels:
    """Resize uint8 (H, W, 3) or (H, W) to `height` x `width`."""
    return by_numpy(pixels, width, height) if simd is None else by_simd(pixels, width, height)


def by_simd(pixels: Pixels, width: int, height: int) -> Pixels:
    """The same by vector instructions."""
    kind = simd.PixelType.U8x3 if pixels.ndim == 3 else simd.PixelType.U8
    source = simd.ImageData(pixels.shape[1], pixels.shape[0], kind, pixels.tobytes())
    target = simd.ImageData(width, height, kind)
    simd.Resizer().resize(source, target, _options())
    return np.frombuffer(target.get_buffer(), np.uint8).reshape(height, width, *pixels.shape[2:])


@cache
def _options() -> "simd.ResizeOptions":
    bilinear = simd.ResizeAlg.convolution(simd.FilterType.bilinear)
    return simd.ResizeOptions(bilinear, use_alpha=False)


def by_numpy(pixels: Pixels, width: int, height: int) -> Pixels:
    """The same by products of matrices, exact in float64: all their sums are below 2**53."""
    if pixels.shape[0] != height:
        pixels = _along_axis(pixels, height)
    if pixels.shape[1] != width:
        pixels = _along_axis(pixels.swapaxes(0, 1), width).swapaxes(0, 1)
    return np.ascontiguousarray(pixels)


def _along_axis(pixels: Pixels, length: int) -> Pixels:
    weights, bits = _weights(pixels.shape[0], length)
    flat = pixels.reshape(pixels.shape[0], -1).astype(np.float64)
    sums = (weights @ flat + float(1 << bits >> 1)) / float(1 << bits)
    rounded = np.floor(sums).clip(0, 255).astype(np.uint8)
    return rounded.reshape(length, *pixels.shape[1:])


@lru_cache(maxsize=64)
def _weights(length: int, expected: int) -> tuple[NDArray[np.float64], int]:
    """Whole weights (expected, length), and by how many bits they are scaled."""
    scale = length / expected
    widened = max(scale, 1.0)
    at = np.arange(length)
    weights = np.zeros((expected, length))
    for i in range(expected):
        centre = (i + 0.5) * scale
        first = max(0, math.floor(centre - widened))
        last = min(length, math.ceil(centre + widened))
        inside = np.abs((at[first:last] - (centre - 0.5)) * (1.0 / widened))
        weights[i, first:last] = np.maximum(0.0, 1.0 - inside)
        weights[i] /= weights[i].sum()
    bits = _bits(float(weights.max()))
    return np.floor(weights * (1 << bits) + 0.5), bits


def _bits(largest: float) -> int:
    """As many as keep the largest weight within 16 bits."""
    enough = (n for n in range(_PRECISION_BITS) if _next(largest, n) >= 1 << _COEFFICIENT_BITS)
    return next(enough, _PRECISION_BITS - 1)


def _next(largest: float, bits: int) -> int:
    return math.floor(largest * (1 << (bits + 1)) + 0.5)
