"""From the bytes of a file to upright 8-bit RGB pixels, reduced while decoding where that helps.

Choices: a truncated picture is refused, never half-loaded; of an animation only the first frame
is read (of an animated PNG its default picture), of a TIFF the first page that is not a reduced
copy; transparency is flattened over white; colour profiles are ignored, as most networks' training
did.
"""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import simplejpeg
from PIL import Image, ImageFile

from naturalist.errors import PictureError
from naturalist.images import bmp, damage, deep_png, jpeg2000, netpbm
from naturalist.images.conversion import to_rgb
from naturalist.images.headers import (
    check_container,
    pillow_orientation,
    readable_format,
    tiff_orientation,
)
from naturalist.images.jpeg import Frame, check_work, read_frame
from naturalist.images.limits import PictureLimits, check_pixels
from naturalist.images.orientation import Pixels, upright, upright_size
from naturalist.images.pillow_files import decoder_errors, open_file, pillow_errors
from naturalist.images.png import pixels_only, read_png, scaled_key
from naturalist.images.remarks import Remark
from naturalist.images.resizing import resize
from naturalist.images.silence import silent_stderr
from naturalist.images.tiff import pages
from naturalist.images.tiff import pixels as tiff_pixels
from naturalist.images.tiff.directory import starting_at
from naturalist.reasons import Reason

_LOST_ROWS = 0.1
"""A damaged JPEG whose lowest tenth is one flat colour has lost its end."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    `pixels`: uint8 (H, W, 3), RGB, C-contiguous, upright, perhaps reduced; not to be written to.
    `width`, `height`: of the upright picture at its full size. `format`: a key of `EXTENSIONS`.
    `remarks`: what is doubtful about it. `damage`: the share that is lost, estimated, 0 to 1.
    """

    pixels: Pixels
    width: int
    height: int
    format: str
    remarks: tuple[Remark, ...] = ()
    damage: float = 0.0


@dataclass(frozen=True)
class _Size:
    """The least size that is needed, of the longer and of the shorter side; 0 and 0 mean full."""

    longer: int
    shorter: int

    def minimum(self, width: int, height: int) -> tuple[int, int]:
        """The least width and height, given the stored ones; 0 where any will do."""
        return (self.longer, self.shorter) if width >= height else (self.shorter, self.longer)

    def reduced(self, width: int, height: int) -> tuple[int, int]:
        """Width and height with the aspect kept, as small as they may be, and never larger."""
        sides = zip((width, height), self.minimum(width, height), strict=True)
        scale = max((least / side for side, least in sides if least > 0), default=1.0)
        if scale >= 1.0:
            return width, height
        return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class _Stored:
    """Pixels as stored, with the size of the whole and how it has to be turned."""

    pixels: Pixels
    width: int
    height: int
    orientation: int
    remarks: tuple[Remark, ...] = ()
    damage: float = 0.0


def decode(data: bytes, limits: PictureLimits, *, longer: int = 0, shorter: int = 0) -> Picture:
    """Decode a picture, reduced as far as its sides stay at least `longer` and `shorter` pixels.

    A side that is smaller than asked keeps its size. Raises PictureError for everything that
    `read_header` refuses, TRUNCATED for a picture that ends too early, BROKEN_PIXELS for one that
    cannot be decoded, DAMAGED for a JPEG that lost a tenth or more (unless `limits.damaged` is
    accept), TOO_MANY_PIXELS where more than `limits.max_whole_pixels` would have to be held at
    once.
    """
    size = _Size(longer, shorter)
    name = readable_format(data)
    if name == "jpeg":
        stored = _decode_jpeg(data, limits, size)
    else:
        stored = _reduced(_whole(data, name, limits, size), size)
    width, height = upright_size(stored.width, stored.height, stored.orientation)
    pixels = upright(stored.pixels, stored.orientation)
    return Picture(pixels, width, height, name, stored.remarks, stored.damage)


def _whole(data: bytes, name: str, limits: PictureLimits, size: _Size) -> _Stored:
    check_container(data, name, limits)
    return _DECODERS.get(name, partial(_decode_by_pillow, name=name))(data, limits, size)


def _reduced(stored: _Stored, size: _Size) -> _Stored:
    """Resized once, from all pixels: what is averaged twice is blurred, or shrunk askew."""
    pixels = resize(stored.pixels, *size.reduced(stored.width, stored.height))
    return replace(stored, pixels=pixels)


def _decode_by_pillow(data: bytes, limits: PictureLimits, size: _Size, name: str) -> _Stored:
    with open_file(data, name, limits) as image:
        check_pixels(*image.size, limits, whole=True)
        width, height = image.size
        orientation = pillow_orientation(image, data, name)
        pixels, remarks = _load(image, size)
    return _Stored(pixels, width, height, orientation, tuple(remarks))


def _decode_png(data: bytes, limits: PictureLimits, size: _Size) -> _Stored:
    png = read_png(data, limits)
    check_pixels(png.width, png.height, limits, whole=True)
    if deep_png.is_deep(png):
        pixels, remarks = deep_png.read_deep(data, png)
    else:
        with open_file(scaled_key(pixels_only(data), png), "png", limits) as image:
            pixels, remarks = _load(image, size)
    return _Stored(pixels, png.width, png.height, png.orientation, tuple(remarks))


def _decode_tiff(data: bytes, limits: PictureLimits, size: _Size) -> _Stored:
    page = pages.choose_page(data)
    check_pixels(page.width, page.height, limits, whole=True)
    if not page.by_pillow:
        with decoder_errors(Reason.BROKEN_PIXELS):
            pixels, remarks = tiff_pixels.read_page(data, page, limits)
        return _Stored(pixels, page.width, page.height, tiff_orientation(page), tuple(remarks))
    file = starting_at(data, page.directory.offset)
    with open_file(file, "tiff", limits) as image:
        # Or Pillow turns the picture by some forms of the mark in XMP, after it told its size.
        image.info.pop("xmp", None)
        check_pixels(*image.size, limits, whole=True)
        width, height = image.size
        pixels, remarks = _load(image, size)
    return _Stored(pixels, width, height, tiff_orientation(page), tuple(remarks))


def _decode_bmp(data: bytes, limits: PictureLimits, size: _Size) -> _Stored:
    fields = bmp.read_fields(data)
    if fields is None:
        return _decode_by_pillow(data, limits, size, "bmp")
    check_pixels(fields.width, fields.height, limits, whole=True)
    return _Stored(bmp.decode_fields(data, fields), fields.width, fields.height, 1)


def _decode_netpbm(data: bytes, limits: PictureLimits, _: _Size) -> _Stored:
    header = netpbm.read_netpbm(data)
    check_pixels(header.width, header.height, limits, whole=True)
    pixels, remarks = netpbm.decode_netpbm(data, header)
    return _Stored(pixels, header.width, header.height, 1, tuple(remarks))


def _decode_jpeg2000(data: bytes, limits: PictureLimits, size: _Size) -> _Stored:
    result = jpeg2000.components(data)
    jpeg2000.check_depth(result)
    if not result.overflows:
        return _decode_by_pillow(data, limits, size, "jpeg2000")
    samples, mode = _jpeg2000_samples(data, limits)
    repaired = jpeg2000.repaired(
        data, result, samples, lambda other: _jpeg2000_samples(other, limits)[0]
    )
    with pillow_errors(Reason.BROKEN_PIXELS):
        pixels, _ = to_rgb(Image.fromarray(repaired, mode), size.reduced(*repaired.shape[1::-1]))
    height, width = repaired.shape[:2]
    remarks = jpeg2000.range_remarks(repaired, result)
    return _Stored(pixels, width, height, jpeg2000.orientation_of(data), remarks)


def _jpeg2000_samples(data: bytes, limits: PictureLimits) -> tuple[Pixels, str]:
    with open_file(data, "jpeg2000", limits) as image:
        check_pixels(*image.size, limits, whole=True)
        with pillow_errors(Reason.BROKEN_PIXELS):
            image.load()
            return np.asarray(image), image.mode


_DECODERS: dict[str, Callable[[bytes, PictureLimits, _Size], _Stored]] = {
    "png": _decode_png,
    "tiff": _decode_tiff,
    "bmp": _decode_bmp,
    "netpbm": _decode_netpbm,
    "jpeg2000": _decode_jpeg2000,
}
"""Formats that need more than Pillow."""


def _decode_jpeg(data: bytes, limits: PictureLimits, size: _Size) -> _Stored:
    frame = read_frame(data, limits)
    check_pixels(frame.width, frame.height, limits, whole=not frame.sequential)
    if not frame.sequential:
        check_work(data, frame, limits)
    pixels, complaint = _jpeg_pixels(data, frame, limits, size)
    stored = _Stored(pixels, frame.width, frame.height, frame.orientation)
    if not damage.is_damage(complaint):
        return stored
    share, remark = damage.assess(pixels, complaint, limits)
    return replace(stored, damage=share, remarks=(remark,))


def _jpeg_pixels(
    data: bytes, frame: Frame, limits: PictureLimits, size: _Size
) -> tuple[Pixels, str]:
    """Pixels as stored, and the decoder's complaint about them.

    They are simplejpeg's, or Pillow's where that complains: Pillow also reads CMYK and rare
    subsamplings, and reads over damage as long as all rows come. Where libjpeg had to invent the
    lowest rows, which it paints in one colour, the picture counts as truncated.
    """
    eighths = _eighths(frame.width, frame.height, size)
    width, height = -(-frame.width * eighths // 8), -(-frame.height * eighths // 8)
    check_pixels(width, height, limits, whole=True)
    if frame.components == 4:
        return _pillow_jpeg(data, limits, size), _complaint(data, width, height)
    try:
        with decoder_errors(Reason.BROKEN_PIXELS):
            fast: Pixels = simplejpeg.decode_jpeg(data, min_width=width, min_height=height)
            return fast, ""
    except PictureError as error:
        if error.reason is Reason.TRUNCATED:
            raise
        complaint = error.detail
    pixels = _pillow_jpeg(data, limits, size)
    if "premature end of data segment" in complaint and _ends_flat(pixels):
        raise PictureError(Reason.TRUNCATED, f"{complaint}; the lowest rows are missing")
    return pixels, complaint


def _complaint(data: bytes, width: int, height: int) -> str:
    """What libjpeg complains about in a JPEG of four colours, which simplejpeg only looks at."""
    try:
        with decoder_errors(Reason.BROKEN_PIXELS):
            simplejpeg.decode_jpeg(data, "CMYK", min_width=width, min_height=height)
    except PictureError as error:
        return error.detail
    return ""


def _pillow_jpeg(data: bytes, limits: PictureLimits, size: _Size) -> Pixels:
    with open_file(data, "jpeg", limits) as image:
        with pillow_errors(Reason.BROKEN_PIXELS):
            image.draft(None, size.reduced(*image.size))
        check_pixels(*image.size, limits, whole=True)
        return _load(image, _Size(0, 0))[0]


def _ends_flat(pixels: Pixels) -> bool:
    tail = pixels[-max(1, round(len(pixels) * _LOST_ROWS)) :]
    return bool((tail == tail[-1, -1]).all())


def _eighths(width: int, height: int, size: _Size) -> int:
    """How many eighths of its size a JPEG is decoded to, the sides being at least as asked."""
    least = size.minimum(width, height)
    if not any(least):
        return 8
    sides = [(side, low) for side, low in zip((width, height), least, strict=True) if low > 0]
    enough = (n for n in range(1, 7) if all(-(-side * n // 8) >= low for side, low in sides))
    # Seven eighths take longer than the whole picture: libjpeg-turbo has no fast transform.
    return next(enough, 8)


def _load(image: ImageFile.ImageFile, size: _Size) -> tuple[Pixels, list[Remark]]:
    """Pixels of an opened file, as stored, and what is doubtful about them."""
    with pillow_errors(Reason.BROKEN_PIXELS):
        with silent_stderr() if image.format == "TIFF" else nullcontext():
            image.load()
        return to_rgb(image, size.reduced(*image.size))
