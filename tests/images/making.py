"""Pictures to test with: a real photo that comes with scikit-image, encoded in any way."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from naturalist.images import PictureLimits, Pixels
from naturalist.images.png import png_chunk

LIMITS = PictureLimits()


def photo(width: int = 451, height: int = 300) -> Image.Image:
    """A real photo of a cat."""
    return Image.fromarray(skimage.data.cat()).resize((width, height))


def quarters(width: int = 60, height: int = 40) -> Pixels:
    """Four flat quarters, each of another colour: every turn and flip shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 0)
    return pixels


def encoded(image: Image.Image | Pixels, format_name: str, **options: Any) -> bytes:
    """The bytes of a file holding `image`."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference, in grey levels."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())


def tiff_file(
    entries: dict[int, tuple[int, list[int]]], segments: list[bytes], order: str = "<"
) -> bytes:
    """A TIFF file of one page, written by hand: tags with type and values, and its strips."""
    body = bytearray(struct.pack(f"{order}2sHI", b"II" if order == "<" else b"MM", 42, 0))
    offsets = []
    for segment in segments:
        offsets.append(len(body))
        body += segment + b"\0" * (len(segment) % 2)
    tags = {**entries, 273: (4, offsets), 279: (4, [len(segment) for segment in segments])}
    rows = b""
    for tag, (kind, values) in sorted(tags.items()):
        raw = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values)
        if len(raw) > 4:
            at = len(body)
            body += raw
            raw = struct.pack(f"{order}I", at)
        rows += struct.pack(f"{order}HHI", tag, kind, len(values)) + raw.ljust(4, b"\0")
    struct.pack_into(f"{order}I", body, 4, len(body))
    return bytes(body) + struct.pack(f"{order}H", len(tags)) + rows + bytes(4)


def png_file(
    samples: np.ndarray, colour_type: int, bits: int, extra: dict[bytes, bytes], *, adam7: bool
) -> bytes:
    """A PNG file written by hand: big-endian samples (H, W, C), more chunks, every filter used."""
    height, width = samples.shape[:2]
    passes = _ADAM7 if adam7 else ((0, 0, 1, 1),)
    parts = (samples[top::down, left::across] for left, top, across, down in passes)
    stream = b"".join(_filtered(part, bits) for part in parts if part.size)
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, int(adam7))
    chunks = {b"IHDR": header, **extra, b"IDAT": zlib.compress(stream), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks.items())


_ADAM7 = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2),
    (0, 1, 1, 2),
)  # fmt: skip


def _filtered(part: np.ndarray, bits: int) -> bytes:
    """Rows under the filters None, Sub, Up, Average and Paeth in turn; below 8 bits under none."""
    channels = part.shape[2]
    if bits < 8:
        digits = np.unpackbits(part.astype(np.uint8), axis=2)[:, :, 8 - bits :]
        packed = np.packbits(digits.reshape(len(part), -1), axis=1)
        return b"".join(b"\0" + row.tobytes() for row in packed)
    step = channels * bits // 8
    rows = np.ascontiguousarray(part.astype(f">u{bits // 8}")).view(np.uint8)
    rows = rows.reshape(len(part), -1).astype(int)
    above, out = np.zeros(rows.shape[1], int), b""
    for number, row in enumerate(rows):
        left, corner = (np.concatenate([np.zeros(step, int), r[:-step]]) for r in (row, above))
        guess = (0 * row, left, above, (left + above) // 2, _paeth(left, above, corner))
        out += bytes([number % 5]) + ((row - guess[number % 5]) % 256).astype(np.uint8).tobytes()
        above = row
    return out


def _paeth(left: np.ndarray, above: np.ndarray, corner: np.ndarray) -> np.ndarray:
    guess = left + above - corner
    to_left, to_above, to_corner = (abs(guess - x) for x in (left, above, corner))
    upper = np.where(to_above <= to_corner, above, corner)
    return np.where((to_left <= to_above) & (to_left <= to_corner), left, upper)
