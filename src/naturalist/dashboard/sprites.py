"""Many thumbnails as one picture: a strip of squares, so that a map asks once for dozens."""

import io
from collections.abc import Sequence

from PIL import Image, ImageOps

TILE = 96
"""Edge of a square, in pixels."""
MOST = 48
"""Thumbnails in one strip."""
_QUALITY = 78


def strip(thumbnails: Sequence[bytes | None]) -> bytes:
    """A WebP of squares from left to right; the place of a missing thumbnail stays grey.

    Args:
        thumbnails: (pictures,) JPEG files, None where there is none.
    """
    sheet = Image.new("RGB", (TILE * max(1, len(thumbnails)), TILE), (128, 128, 128))
    for at, jpeg in enumerate(thumbnails):
        if jpeg is not None:
            with Image.open(io.BytesIO(jpeg)) as picture:
                square = ImageOps.fit(picture.convert("RGB"), (TILE, TILE))
            sheet.paste(square, (at * TILE, 0))
    buffer = io.BytesIO()
    sheet.save(buffer, "WEBP", quality=_QUALITY, method=1)
    return buffer.getvalue()
