"""What pictures say of themselves in EXIF: when, with which camera and where they were taken.

Only for sources whose configuration asks for it, because it tells of people. The values of a
picture never change, so each is read once and kept in one file a source, in the workspace alone.
"""

import datetime as dt
import io
import math
import struct
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import ExifTags, Image, UnidentifiedImageError

from naturalist import artifacts, ledger
from naturalist.errors import PictureError
from naturalist.layout import Layout
from naturalist.metadata import SourceRules
from naturalist.metadata.rules import EXIF_COLUMNS
from naturalist.stages.pictures import (
    Location,
    path_in_source,
    placed_path,
    read_in_source,
)

_BROKEN = (
    OSError, UnidentifiedImageError, SyntaxError, ValueError, TypeError, KeyError, IndexError,
    ZeroDivisionError, OverflowError, struct.error, Image.DecompressionBombError,
)  # fmt: skip
"""What Pillow raises at profiles that are damaged or hostile."""
_SCHEMA = pa.schema(
    [pa.field("pic_id", pa.string()), *(pa.field(name, pa.string()) for name in EXIF_COLUMNS)]
)
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF")
"""Of pictures whose EXIF is read; Pillow chooses no other decoder by itself."""
_LONGEST = 200
_ROWS_AT_ONCE = 5_000
_COLUMNS = (
    "category", "source", "path", "pic_id", "image_root", "format", "size_bytes", "mtime_ns",
)  # fmt: skip
Row = dict[str, Any]


def update(
    layout: Layout,
    rules: SourceRules,
    locations: Mapping[str, Location | None],
    on_picture: Callable[[int], None] = lambda _: None,
) -> int:
    """Read EXIF of the pictures of a source that were not read yet; how many there were.

    Args:
        layout: the workspace.
        rules: of the source, which asks for EXIF.
        locations: where the source is, by category.
        on_picture: hears 1 for each picture.
    """
    path = layout.exif(rules.category, rules.source)
    wanted = artifacts.fingerprint(ledger.last_batch(layout), rules.category, rules.others)
    if artifacts.is_done(path, wanted):
        return 0
    before = artifacts.read_parquet(path) if path.exists() else _SCHEMA.empty_table()
    found = []
    for row in _unread(layout, rules, before):
        values = _values(layout, row, locations.get(row["category"]))
        found.append({"pic_id": row["pic_id"], **values})
        on_picture(1)
    table = pa.concat_tables([before, pa.Table.from_pylist(found, _SCHEMA)])
    artifacts.write_parquet(path, table)
    digest = {path.name: artifacts.sha256_file(path)}
    artifacts.write_receipt(path, artifacts.Receipt(wanted, table.num_rows, digest))
    return len(found)


def _unread(layout: Layout, rules: SourceRules, before: pa.Table) -> Iterator[Row]:
    with ledger.connect(layout) as connection:
        connection.register("held", before.select(["pic_id"]))
        cursor = connection.execute(_UNREAD, [[rules.category, *rules.others], rules.source])
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                yield dict(zip(_COLUMNS, row, strict=True))


_UNREAD = f"""
SELECT {", ".join(_COLUMNS)} FROM ledger
WHERE list_contains(?, category) AND source = ? AND outcome = 'accepted'
    AND pic_id NOT IN (SELECT pic_id FROM held)
ORDER BY category, pic_id
"""  # noqa: S608


def _values(layout: Layout, row: Row, source: Location | None) -> dict[str, str | None]:
    try:
        if row["image_root"] is not None:
            return read_exif(placed_path(layout, row))
        if isinstance(source, Path):
            return read_exif(path_in_source(source, row["path"]))
        return read_exif(io.BytesIO(read_in_source(layout, source, row))) if source else {}
    except PictureError:
        return {}


def read_exif(file: Path | io.BytesIO) -> dict[str, str | None]:
    """The columns `EXIF_COLUMNS` of a picture, as text; None for what it does not say.

    Times are ISO 8601 without a zone, which most cameras do not know; places are in degrees.
    """
    try:
        # Pillow warns of each entry that is damaged.
        with (
            warnings.catch_warnings(action="ignore"),
            Image.open(file, formats=_FORMATS) as picture,
        ):
            exif = picture.getexif()
            details = exif.get_ifd(ExifTags.IFD.Exif)
            place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except _BROKEN:
        return {}
    taken = details.get(ExifTags.Base.DateTimeOriginal) or details.get(
        ExifTags.Base.DateTimeDigitized
    )
    latitude = _degrees(place, ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLatitudeRef, "S", 90)
    longitude = _degrees(place, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSLongitudeRef, "W", 180)
    has_place = None not in (latitude, longitude)
    return dict(
        zip(
            EXIF_COLUMNS,
            (
                _time(taken),
                _camera(exif.get(ExifTags.Base.Make), exif.get(ExifTags.Base.Model)),
                latitude if has_place else None,
                longitude if has_place else None,
            ),
            strict=True,
        )
    )


def _text(value: object) -> str:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value or "")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_LONGEST]


def _time(value: object) -> str | None:
    try:
        return dt.datetime.strptime(_text(value), "%Y:%m:%d %H:%M:%S").isoformat()  # noqa: DTZ007
    except ValueError:
        return None


def _camera(make: object, model: object) -> str | None:
    """Make and model; many models begin with the make already."""
    first, second = _text(make), _text(model)
    both = second if first and second.lower().startswith(first.lower()) else f"{first} {second}"
    return both.strip() or None


def _degrees(
    place: dict[int, Any], name: int, reference: int, negative: str, most: float
) -> str | None:
    try:
        parts: Sequence[Any] = place[name]
        degrees, minutes, seconds = (float(part) for part in parts)
        value = degrees + minutes / 60 + seconds / 3600
    except _BROKEN:
        return None
    if not math.isfinite(value) or not 0 <= value <= most:
        return None
    sign = -1 if _text(place.get(reference)).upper().startswith(negative) else 1
    return f"{sign * value:.6f}"
