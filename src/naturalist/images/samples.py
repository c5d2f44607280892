"""Samples of any depth as 8 bits: which value is white, and the arithmetic.

White is, in this order: what the file states (`stated`), the largest value of its depth for
unsigned integers of up to 16 bits, and else the smallest customary range that holds all values.
The last is a guess and leaves a remark; so does a deep picture that uses a quarter of its range
at most, because it is nearly black then and was probably made with fewer bits.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Doubt, Remark

Samples = NDArray[Any]

_ROWS_AT_ONCE = 256
_BYTE = 8
_WORD = 16
_CUSTOMARY = (255.0, 1023.0, 4095.0, 16383.0, 65535.0)
_UNSTATED = 0.0
_OFFSET_SHARE = 0.25
"""Signed integers of which more are negative have their zero in the middle."""


@dataclass(frozen=True)
class Scale:
    """The values that become black and white."""

    black: float
    white: float
    remarks: tuple[Remark, ...] = ()


def scale_of(values: Samples, bits: int, stated: float = _UNSTATED) -> Scale:
    """Choose the scale of samples.

    Args:
        values: samples of any shape, of an integer or floating type.
        bits: how many bits each has in the file.
        stated: the largest value by the file's own marks; 0 if there is none.
    """
    if values.dtype.kind == "f":
        return _float_scale(values, stated)
    top = int(values.max(initial=0))
    if values.dtype.kind == "i":
        return _signed_scale(values, bits, top, stated)
    full = float(2**bits - 1)
    if stated:
        stated = float(2 ** int(stated).bit_length() - 1)
        if top <= stated < full:
            return Scale(0.0, stated)
    if bits > _WORD:
        return _guessed((*_CUSTOMARY, full if top > full / 2 else float(top)), top, f"{bits}-bit")
    if bits > _BYTE and 0 < top <= full / 4:
        detail = f"{bits}-bit samples, the largest is {top}; shown that dark"
        return Scale(0.0, full, (Remark(Doubt.UNUSED_RANGE, detail),))
    return Scale(0.0, full)


def _float_scale(values: Samples, stated: float) -> Scale:
    top = float(np.max(values, initial=0, where=np.isfinite(values)))
    if stated and top <= stated:
        return Scale(0.0, stated)
    if top <= 1.0:
        return Scale(0.0, 1.0)
    return _guessed((*_CUSTOMARY, top), top, "floating-point")


def _signed_scale(values: Samples, bits: int, top: int, stated: float) -> Scale:
    full = float(2 ** (bits - 1) - 1)
    negative = float((values < 0).mean()) if values.size else 0.0
    if negative > _OFFSET_SHARE:
        detail = f"signed {bits}-bit samples, {negative:.0%} of them negative; 0 is taken as grey"
        return Scale(-full - 1, full, (Remark(Doubt.GUESSED_RANGE, detail),))
    if stated and top <= stated:
        return Scale(0.0, stated)
    ranges = [size for size in _CUSTOMARY if size < full]
    return _guessed((*ranges, full if top > full / 2 else float(top)), top, f"signed {bits}-bit")


def _guessed(ranges: tuple[float, ...], top: float, kind: str) -> Scale:
    white = next((size for size in ranges if top <= size), float(top))
    detail = f"{kind} samples up to {top:g}; {white:g} is taken as white"
    return Scale(0.0, white or 1.0, (Remark(Doubt.GUESSED_RANGE, detail),) if top > 1 else ())


def eight_bits(values: Samples, scale: Scale) -> Pixels:
    """Map black to white onto 0 to 255, rounded; what is not a number becomes black."""
    if values.dtype == np.uint8 and (scale.black, scale.white) == (0.0, 255.0):
        return values
    if values.dtype.kind == "u" and values.dtype.itemsize <= 2:
        levels = _linear(np.arange(1 << 8 * values.dtype.itemsize), scale)
        return levels[values]
    grey = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), _ROWS_AT_ONCE):
        rows = slice(row, row + _ROWS_AT_ONCE)
        grey[rows] = _linear(values[rows], scale)
    return grey


def _linear(values: Samples, scale: Scale) -> Pixels:
    # Floats of a large picture are larger than the picture: callers hand over some rows at a time.
    with np.errstate(all="ignore"):
        exact = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
        share = np.clip((exact - scale.black) / (scale.white - scale.black), 0.0, 1.0)
    return (share * 255.0 + 0.5).astype(np.uint8)


def over_white(colour: Pixels, alpha: Pixels, *, premultiplied: bool = False) -> Pixels:
    """Flatten uint8 (H, W, C) with the opacity (H, W) over white."""
    flat = np.empty_like(colour)
    for row in range(0, len(colour), _ROWS_AT_ONCE):
        rows = slice(row, row + _ROWS_AT_ONCE)
        part, opacity = colour[rows].astype(np.uint32), alpha[rows, :, None].astype(np.uint32)
        if not premultiplied:
            part = (part * opacity + 127) // 255
        flat[rows] = np.minimum(part + 255 - opacity, 255)
    return flat


def transparency_remarks(most: float) -> list[Remark]:
    """A remark where the largest opacity of a picture is 0: what it shows is white everywhere."""
    if most > 0:
        return []
    return [
        Remark(Doubt.TRANSPARENT, "the opacity is 0 everywhere: shown as white, as browsers do")
    ]


def as_rgb(colour: Pixels) -> Pixels:
    """Uint8 (H, W, 3), C-contiguous, from (H, W), (H, W, 1) grey or (H, W, 3)."""
    if colour.ndim == 2:
        colour = colour[:, :, None]
    if colour.shape[2] == 1:
        colour = np.broadcast_to(colour, (*colour.shape[:2], 3))
    return np.ascontiguousarray(colour)


def from_cmyk(ink: Pixels) -> Pixels:
    """RGB (H, W, 3) from inks (H, W, 4), 255 being full, without a profile."""
    image = Image.fromarray(np.ascontiguousarray(ink), "CMYK")
    return np.asarray(image.convert("RGB"))
