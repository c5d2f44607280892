"""What is kept of a picture besides its features: thumbnail, perceptual hash, quality measures.

Hash and quality look at the luma (ITU-R BT.601) of the thumbnail's pixels, so that they depend on
the picture and hardly on how far it was reduced while decoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from naturalist.images.orientation import Pixels
from naturalist.images.resizing import resize, shrink

THUMBNAIL_SIDE = 128
_THUMBNAIL_QUALITY = 80
_GRID = 32
_LUMA_WEIGHTS = np.array([19595, 38470, 7471], np.float32) / np.float32(65536)


@dataclass(frozen=True)
class Quality:
    """Three measures of a picture's technical quality; each fits into a float32.

    `blur`: variance of the Laplacian of the luma (0 to 255); low means blurred or empty.
    `brightness`: mean luma, 0 to 1. `contrast`: standard deviation of the luma, 0 to 0.5.
    """

    blur: float
    brightness: float
    contrast: float


@dataclass(frozen=True)
class Previews:
    """The thumbnail (JPEG), the 64-bit perceptual hash and the quality of one picture."""

    thumbnail: bytes
    perceptual_hash: int
    quality: Quality


def previews(pixels: Pixels) -> Previews:
    """All three from uint8 (H, W, 3), sharing their work; the same values as one by one."""
    return previews_of([pixels])[0]


def previews_of(pictures: Sequence[Pixels]) -> list[Previews]:
    """All three of each picture; the same values as picture by picture.

    Each is made of all pictures before the next: what it needs stays in the processor's caches.
    """
    small = [shrink(pixels, THUMBNAIL_SIDE) for pixels in pictures]
    lumas = [_luma(pixels) for pixels in small]
    thumbnails = [thumbnail(pixels) for pixels in small]
    hashes = [_hash(luma) for luma in lumas]
    return [
        Previews(jpeg, bits, _quality(luma))
        for jpeg, bits, luma in zip(thumbnails, hashes, lumas, strict=True)
    ]


def thumbnail(pixels: Pixels, side: int = THUMBNAIL_SIDE) -> bytes:
    """A JPEG without metadata, at most `side` pixels on its longer side and never enlarged."""
    small = np.ascontiguousarray(shrink(pixels, side))
    jpeg: bytes = simplejpeg.encode_jpeg(small, _THUMBNAIL_QUALITY, "RGB", "420")
    return jpeg


def perceptual_hash(pixels: Pixels) -> int:
    """64 bits that change little when a picture is resized, recompressed or brightened.

    The 8 x 8 lowest frequencies above zero of a discrete cosine transform of the luma on a
    32 x 32 grid, each above or not above their median; 0 for a picture of one colour. Source:
    C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), 3.2.1.
    """
    return _hash(_luma(pixels))


def luma_of_thumbnail(thumbnail: bytes) -> Pixels:
    """The luma (H, W) of a thumbnail that was made here, uint8."""
    pixels: Pixels = simplejpeg.decode_jpeg(thumbnail, "GRAY")
    return pixels[:, :, 0]


def hash_of_luma(luma: Pixels) -> int:
    """The perceptual hash of uint8 (H, W), such as a part of a thumbnail."""
    return _hash(np.ascontiguousarray(luma))


def hamming(one: int, other: int) -> int:
    """In how many of their 64 bits two perceptual hashes differ.

    Copies of a photo (smaller, recompressed, brighter) differ in 8 at most, unrelated photos in
    32 on average.
    """
    return (one ^ other).bit_count()


def quality(pixels: Pixels) -> Quality:
    """Measure blur, brightness and contrast of uint8 (H, W, 3).

    Source of the blur measure: J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield
    microscopy: a comparative study (ICPR 2000).
    """
    return _quality(_luma(pixels))


def quality_of_luma(luma: Pixels) -> Quality:
    """The same measures of uint8 (H, W), such as a smaller copy of a thumbnail."""
    return _quality(luma)


def _luma(pixels: Pixels) -> Pixels:
    """The luma of the thumbnail's pixels, as Pillow rounds it.

    The weights are multiples of 2**-16 and sums are below 256: exact in 24 bits.
    """
    small = shrink(pixels, THUMBNAIL_SIDE)
    luma = small.reshape(-1, 3).astype(np.float32) @ _LUMA_WEIGHTS
    luma += np.float32(0.5)
    return luma.astype(np.uint8).reshape(small.shape[:2])


def _hash(luma: Pixels) -> int:
    grid = resize(luma, _GRID, _GRID)
    # Every number is whole and below 2**53: exact, so that all machines compute the same bits.
    spectrum = (_COSINES @ grid.astype(np.float64) @ _COSINES.T).ravel()
    middle = np.sort(spectrum)[spectrum.size // 2 - 1]
    return int.from_bytes(np.packbits(spectrum > middle).tobytes(), "big")


def _cosines() -> NDArray[np.float64]:
    """Rows 1 to 8 of the type-II transform of 32 samples, as whole multiples of 1/4096."""
    frequency, sample = np.arange(1, 9)[:, None], np.arange(_GRID)[None, :]
    waves: NDArray[np.float64] = np.cos(np.pi * frequency * (2 * sample + 1) / (2 * _GRID))
    return np.rint(waves * 4096.0)


_COSINES = _cosines()


def _quality(luma: Pixels) -> Quality:
    values = luma.astype(np.int16)
    mean, variance = _moments(values)
    return Quality(_moments(_laplacian(values))[1], mean / 255.0, variance**0.5 / 255.0)


def _laplacian(luma: NDArray[np.int16]) -> NDArray[np.int16]:
    """Four neighbours minus four times the pixel, inside of the border; 0 where all is border."""
    if min(luma.shape) < 3:
        return np.zeros((1, 1), np.int16)
    inside = luma[1:-1, 1:-1]
    around: NDArray[np.int16] = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2]
    around += luma[1:-1, 2:]
    around -= inside << 2
    return around


def _moments(values: NDArray[np.int16]) -> tuple[float, float]:
    """Mean and variance; the sums are of whole numbers, exact in any order of adding."""
    flat = values.ravel().astype(np.float64)
    mean = float(flat.sum()) / flat.size
    return mean, max(0.0, float(flat @ flat) / flat.size - mean * mean)
