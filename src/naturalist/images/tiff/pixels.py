"""From the rows of a TIFF page to 8-bit RGB pixels, as stored (not turned upright)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import PictureError
from naturalist.images.limits import PictureLimits
from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Doubt, Remark
from naturalist.images.samples import (
    Samples,
    Scale,
    as_rgb,
    eight_bits,
    from_cmyk,
    over_white,
    scale_of,
    transparency_remarks,
)
from naturalist.images.tiff.layout import DIFFERENCES, FLOAT_DIFFERENCES, check_layout
from naturalist.images.tiff.pages import (
    CMYK,
    PALETTE,
    WHITE_IS_ZERO,
    YCBCR,
    Page,
)
from naturalist.images.tiff.segments import Grid, Rows, grid_of, is_subsampled, plane_rows
from naturalist.reasons import Reason

_COLOUR_MAP, _COEFFICIENTS, _REFERENCE = 320, 529, 532
_MAX_SAMPLE, _FLOAT_MAX_SAMPLE = 281, 341
_PREMULTIPLIED, _ALPHA = 1, 2
_ROWS_AT_ONCE = 256
_REC_601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)


def read_page(data: bytes, page: Page, limits: PictureLimits) -> tuple[Pixels, list[Remark]]:
    """Decode a page that is not Pillow's: uint8 (H, W, 3) and what is doubtful about it.

    Raises:
        PictureError: TRUNCATED, BROKEN_PIXELS, TOO_MANY_PIXELS, UNSUPPORTED_FORMAT.
    """
    check_layout(page, limits)
    grid = grid_of(page)
    if is_subsampled(page):
        return _read_subsampled(data, page, grid), []
    used = _used_samples(page)
    if page.planar:
        planes = [_plane(data, page, grid, k)[:, :, 0] for k in used]
        samples = planes[0][:, :, None] if len(planes) == 1 else np.stack(planes, axis=2)
    else:
        samples = _plane(data, page, grid, 0)[:, :, used]
    return _colours(samples, page)


def _used_samples(page: Page) -> list[int]:
    alpha = next((k for k, v in enumerate(page.extra) if v in (_PREMULTIPLIED, _ALPHA)), None)
    colours = list(range(page.colours))
    return colours if alpha is None else [*colours, page.colours + alpha]


def _plane(data: bytes, page: Page, grid: Grid, plane: int) -> Samples:
    """Samples (H, W, S) of one plane."""
    rows = plane_rows(data, page, grid, plane)
    if page.predictor == FLOAT_DIFFERENCES:
        values = _undo_float_differences(rows, page, grid)
    else:
        values = _values(rows, page, grid.width * grid.samples)
        values = values.reshape(len(rows), grid.width, grid.samples)
        if page.predictor == DIFFERENCES:
            values = _undo_differences(values)
    if grid.across > 1 or grid.width != page.width or len(values) != page.height:
        values = _join(values, grid)
    return values[: page.height, : page.width]


def _join(values: Samples, grid: Grid) -> Samples:
    """Tiles (down * across * rows, W, S), one below the other, as one picture."""
    tiles = values.reshape(grid.down, grid.across, grid.rows, grid.width, grid.samples)
    joined = tiles.transpose(0, 2, 1, 3, 4)
    return joined.reshape(grid.down * grid.rows, grid.across * grid.width, grid.samples)


def _values(rows: Rows, page: Page, count: int) -> Samples:
    """The first `count` samples of each row, in the byte order of this machine."""
    if page.bits in (8, 16, 32, 64):
        dtype = np.dtype(f"{page.directory.order}{page.kind}{page.bits // 8}")
        return rows.view(dtype)[:, :count].astype(dtype.newbyteorder("="), copy=False)
    return _unpacked(rows, page, count)


def _unpacked(rows: Rows, page: Page, count: int) -> Samples:
    """Samples of 1 to 31 bits, packed from the highest bit down; 24 bits in the file's order."""
    if page.bits == 24:
        triples = rows[:, : count * 3].reshape(len(rows), count, 3)
        weights = (1, 256, 65536) if page.directory.order == "<" else (65536, 256, 1)
        whole: Samples = (triples * np.array(weights, np.uint32)).sum(axis=2, dtype=np.uint32)
        return whole
    size = 1 if page.bits <= 8 else 2 if page.bits <= 16 else 4
    values: Samples = np.zeros((len(rows), count), f"u{size}")
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        part = slice(start, start + _ROWS_AT_ONCE)
        bits = np.unpackbits(rows[part], axis=1)[:, : count * page.bits]
        bits = bits.reshape(len(bits), count, page.bits)
        for k in range(page.bits):
            shift = values.dtype.type(page.bits - 1 - k)
            values[part] |= np.left_shift(bits[:, :, k].astype(values.dtype), shift)
    return values


def _undo_differences(values: Samples) -> Samples:
    whole = values.view(f"u{values.dtype.itemsize}")
    return np.cumsum(whole, axis=1, dtype=whole.dtype).view(values.dtype)


def _undo_float_differences(rows: Rows, page: Page, grid: Grid) -> Samples:
    """Bytes are differences, and those of a row are sorted by significance, the highest first."""
    size = page.bits // 8
    apart = rows.reshape(len(rows), -1, grid.samples)
    whole = np.cumsum(apart, axis=1, dtype=np.uint8).reshape(len(rows), size, -1)
    floats = np.ascontiguousarray(whole.transpose(0, 2, 1)).view(f">f{size}")
    return floats.astype(f"=f{size}").reshape(len(rows), grid.width, grid.samples)


def _colours(samples: Samples, page: Page) -> tuple[Pixels, list[Remark]]:
    stored = samples[:, :, : page.colours]
    if page.photometric == PALETTE:
        scale = Scale(0.0, float(2**page.bits - 1))
        colour = _from_palette(stored[:, :, 0], page)
    else:
        scale = scale_of(stored, page.bits, _stated_white(page))
        colour = eight_bits(stored, scale)
    if page.photometric == WHITE_IS_ZERO:
        colour = 255 - colour
    elif page.photometric == CMYK:
        colour = from_cmyk(colour)
    elif page.photometric == YCBCR:
        colour = _from_ycbcr(colour, page)
    remarks = [*scale.remarks, *_ignored_bands(page)]
    if samples.shape[2] > page.colours:
        opacity = samples[:, :, page.colours]
        colour = _flattened(colour, opacity, page, scale)
        remarks += transparency_remarks(float(opacity.max(initial=0)))
    return as_rgb(colour), remarks


def _flattened(colour: Pixels, opacity: Samples, page: Page, scale: Scale) -> Pixels:
    full = 1.0 if page.kind == "f" else float(2 ** (page.bits - (page.kind == "i")) - 1)
    # Where colours were made with fewer bits, or as floats up to 255, opacity was likewise.
    white = scale.white if float(opacity.max(initial=0)) <= scale.white < full else full
    white = max(white, float(opacity.max(initial=0))) if page.kind == "f" else white
    premultiplied = _PREMULTIPLIED in page.extra
    return over_white(colour, eight_bits(opacity, Scale(0.0, white)), premultiplied=premultiplied)


def _ignored_bands(page: Page) -> list[Remark]:
    ignored = page.samples - len(_used_samples(page))
    if ignored <= 0 or (page.colours, ignored) == (3, 1):
        return []  # a fourth byte of RGB is padding as a rule
    return [Remark(Doubt.IGNORED_BANDS, f"{page.samples} samples per pixel, {ignored} are ignored")]


def _stated_white(page: Page) -> float:
    tag = _FLOAT_MAX_SAMPLE if len(page.directory.values(_FLOAT_MAX_SAMPLE)) else _MAX_SAMPLE
    stated = page.directory.values(tag)
    top = float(stated.max()) if len(stated) else 0.0
    return top if np.isfinite(top) and top > 0 else 0.0


def _from_palette(indices: NDArray[Any], page: Page) -> Pixels:
    stored = page.directory.values(_COLOUR_MAP)
    count = 1 << page.bits
    if len(stored) < 3 * count:
        detail = f"TIFF with {len(stored)} entries in its colour map, needed are {3 * count}"
        raise PictureError(Reason.BROKEN_HEADER, detail)
    table = stored[: 3 * count].reshape(3, count).T
    # Entries have 16 bits; writers that put 8 into them leave the upper byte empty.
    shift = 8 if int(table.max()) > 255 else 0
    colours: Pixels = (table >> shift).astype(np.uint8)
    return np.take(colours, indices, axis=0)


def _read_subsampled(data: bytes, page: Page, grid: Grid) -> Pixels:
    rows = plane_rows(data, page, grid, 0)
    across, down = grid.unit
    units = rows.reshape(len(rows), -1, across * down + 2)
    blocks = units[:, :, :-2].reshape(len(rows), -1, down, across).transpose(0, 2, 1, 3)
    luma = blocks.reshape(len(rows) * down, -1)
    chroma = units[:, :, -2:].repeat(down, axis=0).repeat(across, axis=1)
    whole = np.concatenate([luma[:, :, None], chroma], axis=2)
    per_segment = grid.rows * down
    if grid.across > 1 or grid.width != page.width:
        shape = (grid.down, grid.across, per_segment, whole.shape[1], 3)
        tiles = whole.reshape(shape)[:, :, : grid.height, : grid.width]
        joined = tiles.transpose(0, 2, 1, 3, 4)
        whole = joined.reshape(grid.down * grid.height, grid.across * grid.width, 3)
    elif per_segment != grid.height:
        keep = np.arange(len(whole)) % per_segment < grid.height
        whole = whole[keep]
    return _from_ycbcr(np.ascontiguousarray(whole[: page.height, : page.width]), page)


def _from_ycbcr(colour: Pixels, page: Page) -> Pixels:
    """RGB by the page's own coefficients and reference levels. Source: TIFF 6.0, section 21."""
    weights = page.directory.values(_COEFFICIENTS)
    red, green, blue = _three(weights, _REC_601)
    levels = page.directory.values(_REFERENCE)
    reference = [float(v) for v in levels[:6]] if len(levels) >= 6 else list(_FULL_RANGE)
    result = np.empty_like(colour)
    for start in range(0, len(colour), _ROWS_AT_ONCE):
        part = colour[start : start + _ROWS_AT_ONCE].astype(np.float32)
        y, cb, cr = (_level(part[:, :, k], reference, k) for k in range(3))
        r = y + cr * (2 - 2 * red)
        b = y + cb * (2 - 2 * blue)
        g = (y - blue * b - red * r) / green
        rgb = np.stack([r, g, b], axis=2)
        result[start : start + _ROWS_AT_ONCE] = np.clip(np.rint(rgb), 0, 255)
    return result


def _three(values: NDArray[Any], default: tuple[float, float, float]) -> tuple[float, float, float]:
    if len(values) < 3 or float(values[1]) <= 0:
        return default
    return float(values[0]), float(values[1]), float(values[2])


def _level(part: NDArray[np.float32], reference: list[float], k: int) -> NDArray[np.float32]:
    black, white = reference[2 * k], reference[2 * k + 1]
    span = white - black
    full = 255.0 if k == 0 else 127.0
    return (part - np.float32(black)) * np.float32(full / span if span else 1.0)
