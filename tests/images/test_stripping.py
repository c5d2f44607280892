"""Stripping takes all metadata but the orientation, and leaves every pixel as it was."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from naturalist import images
from naturalist.errors import PictureError
from naturalist.images.stripping import exif_with_orientation, strip_metadata

LIMITS = images.PictureLimits()
SECRET = "GPS 52.1 N 4.3 E by Jane Doe"
ORIENTATION, DESCRIPTION, GPS_DIRECTORY = 274, 270, 34853


def _picture(format_name: str, orientation: int) -> bytes:
    pixels = np.arange(40 * 30 * 3, dtype=np.uint32).reshape(30, 40, 3) * 7 % 256
    image = Image.fromarray(pixels.astype(np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION], exif[DESCRIPTION] = orientation, SECRET
    exif.get_ifd(GPS_DIRECTORY)[29] = SECRET
    out = io.BytesIO()
    options: dict[str, object] = {"exif": exif}
    if format_name == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_text("Comment", SECRET)  # type: ignore[attr-defined]
    elif format_name != "WEBP":
        options["comment"] = SECRET.encode()
    if format_name == "WEBP":
        options |= {"xmp": SECRET.encode(), "lossless": True}
    image.save(out, format_name, **options)
    return out.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "WEBP"])
def test_only_pixels_and_orientation_are_left(format_name: str, orientation: int) -> None:
    data = _picture(format_name, orientation)
    assert SECRET.encode() in data
    stripped = strip_metadata(data, format_name.lower())
    assert stripped is not None
    assert SECRET.encode() not in stripped
    left = dict(Image.open(io.BytesIO(stripped)).getexif())
    assert left == ({ORIENTATION: orientation} if orientation != 1 else {})
    before, after = images.decode(data, LIMITS), images.decode(stripped, LIMITS)
    assert np.array_equal(before.pixels, after.pixels)


def test_a_gif_loses_comments_and_keeps_its_frames() -> None:
    frames = [Image.new("P", (9, 7), colour) for colour in (1, 2, 3)]
    out = io.BytesIO()
    frames[0].save(
        out, "GIF", save_all=True, append_images=frames[1:], comment=SECRET.encode(), loop=0
    )
    stripped = strip_metadata(out.getvalue(), "gif")
    assert stripped is not None
    assert SECRET.encode() not in stripped
    image = Image.open(io.BytesIO(stripped))
    assert (image.n_frames, image.info["loop"]) == (Image.open(out).n_frames, 0)


def test_what_lies_behind_the_picture_goes() -> None:
    data = _picture("JPEG", 6)
    stripped = strip_metadata(data + b"PK\x03\x04 appended " + SECRET.encode(), "jpeg")
    assert stripped == strip_metadata(data, "jpeg")


def test_stripping_twice_changes_nothing() -> None:
    for name in ("JPEG", "PNG", "WEBP"):
        once = strip_metadata(_picture(name, 8), name.lower())
        assert once is not None
        assert strip_metadata(once, name.lower()) == once


def test_a_format_without_a_way_gives_none() -> None:
    assert strip_metadata(b"II*\0" + bytes(64), "tiff") is None


def test_a_file_that_ends_early_gives_none_or_a_picture_and_never_raises() -> None:
    for name in ("JPEG", "PNG", "WEBP"):
        data = _picture(name, 3)
        for end in range(12, len(data), 7):
            strip_metadata(data[:end], name.lower())


def test_the_orientation_block_reads_back() -> None:
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + exif_with_orientation(orientation))
        assert dict(exif) == {ORIENTATION: orientation}


def test_real_pictures_keep_every_pixel(photos: Path, mess: Path) -> None:
    checked = 0
    pictures = sorted(path for path in photos.rglob("*.*") if path.is_file())
    for path in [*pictures[:: len(pictures) // 60], *sorted(mess.rglob("*"))]:
        data = path.read_bytes() if path.is_file() else b""
        try:
            before = images.decode(data, LIMITS)
        except PictureError:
            continue
        stripped = strip_metadata(data, before.format)
        if stripped is None:
            assert before.format in {"tiff", "avif", "jpeg2000", "heic"}
            continue
        after = images.decode(stripped, LIMITS)
        assert np.array_equal(before.pixels, after.pixels), path
        assert set(Image.open(io.BytesIO(stripped)).getexif()) <= {ORIENTATION}, path
        checked += 1
    assert checked > 80
