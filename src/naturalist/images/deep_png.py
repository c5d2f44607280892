"""PNG with 16 bits a sample, without losing the lower eight.

Pillow keeps the upper byte of 16-bit colours, and compares transparent colours with it. PNG's
filters work on each byte of a pixel apart from the others, so the upper and the lower bytes of a
picture are each the data of an 8-bit PNG with the same filters: both are decoded by Pillow.
Source: Portable Network Graphics, third edition (W3C, 2025), sections 8 and 9.
"""

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from naturalist.errors import PictureError
from naturalist.images.orientation import Pixels
from naturalist.images.pillow_files import pillow_errors
from naturalist.images.png import SIGNATURE, PngHeader, chunks, png_chunk
from naturalist.images.remarks import Remark
from naturalist.images.samples import (
    Scale,
    as_rgb,
    eight_bits,
    over_white,
    scale_of,
    transparency_remarks,
)
from naturalist.reasons import Reason

_CHANNELS = {0: 1, 2: 3, 4: 2, 6: 4}
_WITH_ALPHA = frozenset({4, 6})
_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip
"""First column and row of each pass, and its steps across and down."""

Words = NDArray[np.uint16]


def is_deep(png: PngHeader) -> bool:
    """Whether a PNG has 16 bits a sample."""
    return png.bits == 16 and png.colour_type in _CHANNELS


def read_deep(data: bytes, png: PngHeader) -> tuple[Pixels, list[Remark]]:
    """Decode a 16-bit PNG: uint8 (H, W, 3) over white, and what is doubtful about it.

    Raises:
        PictureError: TRUNCATED or BROKEN_PIXELS.
    """
    words = deep_words(data, png)
    colours = words[:, :, :-1] if png.colour_type in _WITH_ALPHA else words
    stated = float(2**png.significant_bits - 1) if 0 < png.significant_bits < 16 else 0.0
    scale = scale_of(colours, 16, stated)
    pixels, remarks = eight_bits(colours, scale), list(scale.remarks)
    if png.colour_type in _WITH_ALPHA:
        opacity = words[:, :, -1]
        most = int(opacity.max(initial=0))
        remarks += transparency_remarks(most)
        full = scale.white if most <= scale.white else 65535.0
        pixels = over_white(pixels, eight_bits(opacity, Scale(0.0, full)))
    elif key := _transparent(png):
        pixels[(colours == np.array(key, np.uint16)).all(axis=2)] = 255
    return as_rgb(pixels), remarks


def _transparent(png: PngHeader) -> tuple[int, ...]:
    """The transparent colour; empty where there is none."""
    size = 2 * _CHANNELS[png.colour_type]
    if len(png.transparent) < size:
        return ()
    return struct.unpack(f">{size // 2}H", png.transparent[:size])


def deep_words(data: bytes, png: PngHeader) -> Words:
    """The samples as stored, uint16 (H, W, C)."""
    filtered = _filtered(data, png)
    upper, lower = (_one_byte(filtered, png, k) for k in (0, 1))
    words: Words = (upper.astype(np.uint16) << np.uint16(8)) | lower
    return words


def _passes(png: PngHeader) -> Iterator[tuple[int, int]]:
    """Width and height of each pass that has pixels; the whole picture if not interlaced."""
    if not png.interlaced:
        yield png.width, png.height
        return
    for left, top, across, down in _ADAM7:
        width, height = -(-(png.width - left) // across), -(-(png.height - top) // down)
        if width > 0 and height > 0:
            yield width, height


def _filtered(data: bytes, png: PngHeader) -> bytes:
    pixel_bytes = 2 * _CHANNELS[png.colour_type]
    size = sum(height * (1 + width * pixel_bytes) for width, height in _passes(png))
    stream = b"".join(data[start:end] for kind, start, end in chunks(data) if kind == b"IDAT")
    try:
        filtered = zlib.decompressobj().decompress(stream, size)
    except zlib.error as error:
        raise PictureError(Reason.BROKEN_PIXELS, f"PNG: {error}") from error
    if len(filtered) < size:
        raise PictureError(Reason.TRUNCATED, f"PNG with {len(filtered)} bytes of {size}")
    return filtered


def _one_byte(filtered: bytes, png: PngHeader, byte: int) -> NDArray[np.uint8]:
    """The upper (0) or lower (1) byte of every sample, (H, W, C)."""
    channels = _CHANNELS[png.colour_type]
    parts, at = [], 0
    for width, height in _passes(png):
        stored = np.frombuffer(filtered, np.uint8, height * (1 + 2 * width * channels), at)
        at += stored.size
        rows = stored.reshape(height, -1)
        half = np.empty((height, 1 + width * channels), np.uint8)
        half[:, 0] = rows[:, 0]
        half[:, 1:] = rows[:, 1 + byte :: 2]
        parts.append(half.tobytes())
    header = struct.pack(
        ">IIBBBBB", png.width, png.height, 8, png.colour_type, 0, 0, int(png.interlaced)
    )
    body = zlib.compress(b"".join(parts), 0)
    file = SIGNATURE + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", body)
    with (
        pillow_errors(Reason.BROKEN_PIXELS),
        PngImagePlugin.PngImageFile(io.BytesIO(file + png_chunk(b"IEND", b""))) as image,
    ):
        image.load()
        return np.asarray(image).reshape(png.height, png.width, channels)
