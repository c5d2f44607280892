"""Strips and tiles of a TIFF page, decompressed to rows of bytes.

LZW, PackBits and Zstandard are decompressed by libtiff: the segments are handed to it, through
Pillow, as a grey picture of 8 bits whose pixels are the bytes. So no meaning is lost on the way.
"""

import io
import lzma
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from naturalist.errors import PictureError
from naturalist.images.pillow_files import pillow_errors
from naturalist.images.silence import silent_stderr
from naturalist.images.tiff.pages import YCBCR, Page, unsupported
from naturalist.reasons import Reason

_STRIP_OFFSETS, _STRIP_BYTES, _ROWS_PER_STRIP = 273, 279, 278
_TILE_WIDTH, _TILE_LENGTH, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SUBSAMPLING = 530
_RAW, _LZW, _DEFLATE, _OLD_DEFLATE, _LZMA = 1, 5, 8, 32946, 34925
_MOST_SEGMENTS = 1_000_000
_BYTES_AT_ONCE = 64 << 20
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))

Rows = NDArray[np.uint8]


@dataclass(frozen=True)
class Grid:
    """Segments of one plane: how many, and what each holds once decompressed.

    `rows` and `row_bytes` are those of a whole segment; the last strip may have fewer rows. A row
    of subsampled YCbCr is a row of its units, `unit` being their width and height in pixels.
    """

    across: int
    down: int
    width: int
    height: int
    row_bytes: int
    rows: int
    samples: int
    unit: tuple[int, int]

    @property
    def count(self) -> int:
        """Segments of one plane."""
        return self.across * self.down


def is_subsampled(page: Page) -> bool:
    """Whether pixels share their chroma, so that samples come in units."""
    return page.photometric == YCBCR and not page.planar and _unit(page) != (1, 1)


def grid_of(page: Page) -> Grid:
    """How a page's segments tile it."""
    tile_width = page.directory.number(_TILE_WIDTH, 0)
    if tile_width:
        width, height = tile_width, page.directory.number(_TILE_LENGTH, 0)
    else:
        rows = page.directory.number(_ROWS_PER_STRIP, page.height)
        width, height = page.width, min(rows, page.height)
    if width <= 0 or height <= 0 or width > page.width + (1 << 16) or height > 1 << 31:
        raise PictureError(Reason.BROKEN_HEADER, f"TIFF with segments of {width} x {height}")
    samples = 1 if page.planar else page.samples
    unit = _unit(page) if is_subsampled(page) else (1, 1)
    if unit == (1, 1):
        row_bytes = -(-width * samples * page.bits // 8)
    else:
        row_bytes = -(-width // unit[0]) * (unit[0] * unit[1] + 2)
    across, down = -(-page.width // width), -(-page.height // height)
    return Grid(across, down, width, height, row_bytes, -(-height // unit[1]), samples, unit)


def _unit(page: Page) -> tuple[int, int]:
    stated = page.directory.values(_SUBSAMPLING)
    unit = (int(stated[0]), int(stated[1])) if len(stated) >= 2 else (2, 2)
    if any(side not in (1, 2, 4) for side in unit):
        raise PictureError(Reason.BROKEN_HEADER, f"TIFF with chroma subsampled by {unit}")
    return unit


def plane_rows(data: bytes, page: Page, grid: Grid, plane: int) -> Rows:
    """All rows (R, row_bytes) of a plane, segment after segment.

    Raises:
        PictureError: TRUNCATED where bytes are missing, BROKEN_PIXELS where they are damaged.
    """
    parts = _segments(data, page, grid, plane)
    is_tiled = page.directory.number(_TILE_WIDTH, 0) > 0
    last = -(-(page.height - (grid.down - 1) * grid.height) // grid.unit[1])
    total = grid.count * grid.rows if is_tiled else (grid.down - 1) * grid.rows + last
    if page.reversed_bits:
        parts = [part.translate(_REVERSED) for part in parts]
    unpack = _UNPACKERS.get(page.compression)
    if unpack is None:
        return _by_libtiff(parts, page.compression, grid, total)
    rows = np.empty((total, grid.row_bytes), np.uint8)
    for k, part in enumerate(parts):
        start = k * grid.rows
        expected = rows[start : min(total, start + grid.rows)]
        unpacked = unpack(part, expected.size)
        if len(unpacked) < expected.size:
            raise _truncated(len(unpacked), expected.size, k)
        expected[:] = np.frombuffer(unpacked, np.uint8, expected.size).reshape(expected.shape)
    return rows


def _segments(data: bytes, page: Page, grid: Grid, plane: int) -> list[bytes]:
    tiled = page.directory.number(_TILE_WIDTH, 0) > 0
    offsets = page.directory.values(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    sizes = page.directory.values(_TILE_BYTES if tiled else _STRIP_BYTES)
    if not len(offsets) and tiled:  # some writers use the tags of strips
        offsets, sizes = (page.directory.values(tag) for tag in (_STRIP_OFFSETS, _STRIP_BYTES))
    start = plane * grid.count
    if len(offsets) < start + grid.count:
        detail = f"TIFF with {len(offsets)} segments, at least {start + grid.count} are needed"
        raise PictureError(Reason.BROKEN_HEADER, detail)
    if grid.count > _MOST_SEGMENTS:
        raise unsupported(f"TIFF of {grid.count} segments; at most {_MOST_SEGMENTS} are supported")
    mine = slice(start, start + grid.count)
    starts = [int(at) for at in offsets[mine]]
    if len(sizes) < start + grid.count or not sizes[mine].any():
        lengths = _guessed_lengths(data, page, grid, starts)
    else:
        lengths = [int(size) for size in sizes[mine]]
    return [data[at : at + size] for at, size in zip(starts, lengths, strict=True)]


def _guessed_lengths(data: bytes, page: Page, grid: Grid, starts: Sequence[int]) -> list[int]:
    """Lengths that the file does not state: exact for what is not compressed."""
    if page.compression == _RAW:
        return [grid.rows * grid.row_bytes] * len(starts)
    following = sorted({*starts, len(data)})
    after = dict(pairwise(following))
    return [after.get(at, at) - at for at in starts]


def _truncated(size: int, expected: int, segment: int) -> PictureError:
    detail = f"segment {segment} has {size} bytes of {expected}"
    return PictureError(Reason.TRUNCATED, detail)


def _raw(part: bytes, _: int) -> bytes:
    return part


def _inflate(part: bytes, size: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(part, size)
    except zlib.error as error:
        raise PictureError(Reason.BROKEN_PIXELS, f"deflate: {error}") from error


def _unxz(part: bytes, size: int) -> bytes:
    try:
        return lzma.LZMADecompressor().decompress(part, size)
    except (lzma.LZMAError, EOFError) as error:
        raise PictureError(Reason.BROKEN_PIXELS, f"LZMA: {error}") from error


_UNPACKERS: dict[int, Callable[[bytes, int], bytes]] = {
    _RAW: _raw,
    _DEFLATE: _inflate,
    _OLD_DEFLATE: _inflate,
    _LZMA: _unxz,
}


def _by_libtiff(parts: Sequence[bytes], compression: int, grid: Grid, total: int) -> Rows:
    """Some segments at a time: Pillow refuses files of too many pixels, which are bytes here."""
    at_once = max(1, _BYTES_AT_ONCE // max(1, grid.rows * grid.row_bytes))
    rows = np.empty((total, grid.row_bytes), np.uint8)
    for first in range(0, len(parts), at_once):
        start, stop = first * grid.rows, min(total, (first + at_once) * grid.rows)
        some = parts[first : first + at_once]
        file = _grey_file(some, compression, grid.row_bytes, grid.rows, stop - start)
        rows[start:stop] = _grey_pixels(file)
    return rows


def _grey_pixels(file: bytes) -> Rows:
    with (
        pillow_errors(Reason.BROKEN_PIXELS),
        silent_stderr(),
        TiffImagePlugin.TiffImageFile(io.BytesIO(file)) as image,
    ):
        image.load()
        return np.asarray(image)


def _grey_file(
    parts: Sequence[bytes], compression: int, width: int, rows_per_strip: int, height: int
) -> bytes:
    """A TIFF file of 8-bit grey strips, which have these bytes."""
    body = bytearray(struct.pack("<2sHI", b"II", 42, 0))
    offsets = []
    for part in parts:
        offsets.append(len(body))
        body += part
    body += b"\0" * (len(body) % 2)
    lengths = [len(part) for part in parts]
    tables = len(body)
    body += struct.pack(f"<{len(parts)}I", *offsets) + struct.pack(f"<{len(parts)}I", *lengths)
    struct.pack_into("<I", body, 4, len(body))
    in_place = len(parts) == 1
    entries = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 1, 8),
        (259, 3, 1, compression),
        (262, 3, 1, 1),
        (273, 4, len(parts), offsets[0] if in_place else tables),
        (277, 3, 1, 1),
        (278, 4, 1, rows_per_strip),
        (279, 4, len(parts), lengths[0] if in_place else tables + 4 * len(parts)),
    ]
    body += struct.pack("<H", len(entries))
    for entry in entries:
        body += struct.pack("<HHII", *entry)
    return bytes(body) + bytes(4)
