"""Which layouts of samples are read: what is refused before anything is decompressed."""

from naturalist.images.limits import PictureLimits, check_pixel_count
from naturalist.images.tiff.pages import PALETTE, YCBCR, Page, unsupported
from naturalist.images.tiff.segments import grid_of

DIFFERENCES, FLOAT_DIFFERENCES = 2, 3
"""Predictors: samples, or the bytes of floats, are stored as differences to the left neighbour."""
_BYTES_A_PIXEL = 16
_FLOAT_BITS = frozenset({16, 32, 64})
_WHOLE_BITS = frozenset({8, 16, 32, 64})


def check_layout(page: Page, limits: PictureLimits) -> None:
    """Refuse what is too large once unpacked, or has samples of a kind that is not read.

    Raises:
        PictureError: TOO_MANY_PIXELS or UNSUPPORTED_FORMAT.
    """
    grid = grid_of(page)
    held = grid.count * grid.rows * grid.row_bytes * (page.samples if page.planar else 1)
    claimed = max(page.size_bytes, held) // _BYTES_A_PIXEL
    check_pixel_count(claimed, f"{page.size_bytes} bytes of samples", limits, whole=True)
    if page.kind == "f" and page.bits not in (16, 32, 64):
        raise unsupported(f"TIFF with floating-point samples of {page.bits} bits")
    if not 1 <= page.bits <= 64 or (page.kind == "i" and page.bits % 8):
        raise unsupported(f"TIFF with samples of {page.bits} bits")
    if page.bits > 32 and page.bits != 64:
        raise unsupported(f"TIFF with samples of {page.bits} bits")
    if page.predictor not in (1, DIFFERENCES, FLOAT_DIFFERENCES):
        raise unsupported(f"TIFF with predictor {page.predictor}")
    if page.predictor == DIFFERENCES and page.bits not in (8, 16, 32, 64):
        raise unsupported(f"TIFF with differences of {page.bits}-bit samples")
    if page.predictor == FLOAT_DIFFERENCES and page.kind != "f":
        raise unsupported("TIFF with the floating-point predictor on integer samples")
    if page.photometric == YCBCR and (page.bits, page.kind) != (8, "u"):
        raise unsupported(f"TIFF with YCbCr samples of {page.bits} bits")
    if page.photometric == PALETTE and (page.kind != "u" or page.bits > 16):
        raise unsupported(f"TIFF with a palette of {page.bits}-bit samples")
