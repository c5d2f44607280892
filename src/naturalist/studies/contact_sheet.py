"""Contact sheets: many small pictures with captions, as one PNG."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from naturalist.images import THUMBNAIL_SIDE

_MARGIN = 8
_LINE = 16
_PAPER = (255, 255, 255)
_INK = (34, 34, 34)
_FRAME = (221, 221, 221)


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: its thumbnail as JPEG (None if there is none) and a caption."""

    thumbnail: bytes | None
    caption: str


def contact_sheet(tiles: Sequence[Tile], title: str = "", columns: int = 6) -> bytes:
    """Draw the tiles in rows, from the left; captions of up to two lines stand below;
    "\\n" in a caption begins the second.

    Returns:
        The bytes of a PNG.
    """
    columns = max(1, min(columns, len(tiles)))
    cell = (THUMBNAIL_SIDE + _MARGIN, THUMBNAIL_SIDE + 2 * _LINE + _MARGIN)
    top = _MARGIN + (_LINE + _MARGIN if title else 0)
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (_MARGIN + columns * cell[0], top + rows * cell[1]), _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=12)
    if title:
        draw.text((_MARGIN, _MARGIN), title, _INK, ImageFont.load_default(size=14))
    for k, tile in enumerate(tiles):
        row, column = divmod(k, columns)
        _draw(sheet, draw, tile, (_MARGIN + column * cell[0], top + row * cell[1]), font)
    buffer = io.BytesIO()
    sheet.save(buffer, "PNG")
    return buffer.getvalue()


def _draw(
    sheet: Image.Image,
    draw: ImageDraw.ImageDraw,
    tile: Tile,
    at: tuple[int, int],
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
) -> None:
    left, top = at
    side = THUMBNAIL_SIDE
    if tile.thumbnail is None:
        draw.rectangle((left, top, left + side - 1, top + side - 1), outline=_FRAME)
        draw.text((left + _MARGIN, top + side // 2), "no thumbnail", _INK, font)
    else:
        with Image.open(io.BytesIO(tile.thumbnail), formats=("JPEG",)) as picture:
            # Previews of earlier versions are larger.
            picture.thumbnail((side, side))
            x, y = left + (side - picture.width) // 2, top + (side - picture.height) // 2
            sheet.paste(picture.convert("RGB"), (x, y))
    for n, line in enumerate(_lines(tile.caption, font)):
        draw.text((left, top + side + n * _LINE), line, _INK, font)


def _lines(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> list[str]:
    """At most two lines that are no wider than a picture; a line break in the caption is kept."""
    first, _, second = caption.partition("\n")
    first, second = _printable(first), _printable(second)
    if second:
        return [_fitting(first, font), _fitting(second, font)]
    end = len(first)
    while end and font.getlength(first[:end]) > THUMBNAIL_SIDE:
        end -= 1
    return [first[:end], _fitting(first[end:], font)]


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in text)


def _fitting(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, or as much of its beginning as fits with an ellipsis."""
    shown, end = text, len(text)
    while end and font.getlength(shown) > THUMBNAIL_SIDE:
        end -= 1
        shown = text[:end] + "…"
    return shown
