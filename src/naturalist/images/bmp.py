"""BMP with bit fields: any masks, and an opacity that is 0 everywhere means nothing.

Pillow knows a few masks, and takes a picture whose writer left the opacity empty for invisible.
Source: Microsoft, BITMAPV4HEADER and BITMAPV5HEADER; BI_ALPHABITFIELDS of Windows CE.
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import PictureError
from naturalist.images.orientation import Pixels
from naturalist.images.samples import over_white
from naturalist.reasons import Reason

_BITFIELDS = frozenset({3, 6})
_SHORT_HEADER = 40


@dataclass(frozen=True)
class Fields:
    """A picture of 16- or 32-bit pixels: where they begin, and the masks of R, G, B and A."""

    width: int
    height: int
    upside_down: bool
    bits: int
    start: int
    masks: tuple[int, int, int, int]


def read_fields(data: bytes) -> Fields | None:
    """The header of a BMP with bit fields; None for every other BMP."""
    if len(data) < 66 or struct.unpack_from("<I", data, 14)[0] < _SHORT_HEADER:
        return None
    start, header_bytes, width, height, _, bits, kind = struct.unpack_from("<IIiiHHI", data, 10)
    if kind not in _BITFIELDS or bits not in (16, 32) or width <= 0 or height == 0:
        return None
    masks = struct.unpack_from("<4I", data, 54) if len(data) >= 70 else (0, 0, 0, 0)
    has_alpha = header_bytes >= 56 or kind == 6
    red, green, blue, alpha = masks
    return Fields(
        width, abs(height), height < 0, bits, start, (red, green, blue, alpha if has_alpha else 0)
    )


def decode_fields(data: bytes, fields: Fields) -> Pixels:
    """Decode to uint8 (H, W, 3) over white.

    Raises:
        PictureError: TRUNCATED, or BROKEN_HEADER where the masks are not runs of bits.
    """
    stride = -(-fields.width * fields.bits // 32) * 4
    size = stride * fields.height
    if len(data) - fields.start < size:
        detail = f"BMP with {max(0, len(data) - fields.start)} bytes of {size}"
        raise PictureError(Reason.TRUNCATED, detail)
    stored = np.frombuffer(data, np.uint8, size, fields.start).reshape(fields.height, stride)
    values = stored.view(f"<u{fields.bits // 8}")[:, : fields.width]
    values = values if fields.upside_down else values[::-1]
    pixels = np.stack([_channel(values, mask) for mask in fields.masks[:3]], axis=2)
    if not fields.masks[3]:
        return pixels
    alpha = _channel(values, fields.masks[3])
    return over_white(pixels, alpha) if alpha.any() else pixels


def _channel(values: NDArray[np.generic], mask: int) -> NDArray[np.uint8]:
    if not mask:
        return np.zeros(values.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    top = mask >> shift
    if top & (top + 1):
        raise PictureError(Reason.BROKEN_HEADER, f"BMP with the mask 0x{mask:08X}")
    samples = (values.astype(np.uint32) & np.uint32(mask)) >> np.uint32(shift)
    return ((samples.astype(np.uint64) * 255 + top // 2) // top).astype(np.uint8)
