"""From the bytes of a file to upright 8-bit RGB pixels, reduced while decoding where that helps.

Choices: a truncated picture is refused, never half-loaded; of an animation only the first frame
is read (of an animated PNG its default picture); transparency is flattened over white; colour
profiles are ignored, as most networks' training did.
"""

from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import ImageFile

from naturalist.errors import PictureError
from naturalist.images.conversion import to_rgb
from naturalist.images.headers import check_container, readable_format
from naturalist.images.jpeg import Frame, read_frame
from naturalist.images.limits import PictureLimits, check_pixels
from naturalist.images.orientation import Pixels, upright, upright_size
from naturalist.images.pillow_files import (
    decoder_errors,
    exif_orientation,
    open_file,
    pillow_errors,
)
from naturalist.images.png import pixels_only, read_png
from naturalist.images.silence import silent_stderr
from naturalist.reasons import Reason

_LOST_ROWS = 0.1
"""A damaged JPEG whose lowest tenth is one flat colour has lost its end."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    `pixels`: uint8 (H, W, 3), RGB, C-contiguous, upright, perhaps reduced; not to be written to.
    `width`, `height`: of the upright picture at its full size. `format`: a key of `EXTENSIONS`.
    """

    pixels: Pixels
    width: int
    height: int
    format: str


@dataclass(frozen=True)
class _Asked:
    """The least size wanted, of the longer and of the shorter side; 0 and 0 mean full size."""

    longer: int
    shorter: int

    def minimum(self, width: int, height: int) -> tuple[int, int]:
        """The least width and height, given the stored ones; 0 where nothing is asked."""
        return (self.longer, self.shorter) if width >= height else (self.shorter, self.longer)

    def factor(self, width: int, height: int) -> int:
        """The largest whole number by which the sides can be divided."""
        sides = zip((width, height), self.minimum(width, height), strict=True)
        return max(1, min((side // least for side, least in sides if least > 0), default=1))


def decode(data: bytes, limits: PictureLimits, *, longer: int = 0, shorter: int = 0) -> Picture:
    """Decode a picture, reduced as far as its sides stay at least `longer` and `shorter` pixels.

    A side that is smaller than asked keeps its size. Raises PictureError for everything that
    `read_header` refuses, TRUNCATED for a picture that ends too early, BROKEN_PIXELS for one that
    cannot be decoded, TOO_MANY_PIXELS where more than `limits.max_whole_pixels` would have to be
    held at once.
    """
    asked = _Asked(longer, shorter)
    name = readable_format(data)
    if name == "jpeg":
        return _decode_jpeg(data, limits, asked)
    if name == "png":
        return _decode_png(data, limits, asked)
    check_container(data, name, limits)
    with open_file(data, name, limits) as image:
        check_pixels(*image.size, limits, whole=True)
        width, height = image.size
        orientation = exif_orientation(image)
        return _picture(_load(image, asked), width, height, orientation, name)


def _decode_jpeg(data: bytes, limits: PictureLimits, asked: _Asked) -> Picture:
    frame = read_frame(data, limits)
    check_pixels(frame.width, frame.height, limits, whole=not frame.sequential)
    pixels = _jpeg_pixels(data, frame, limits, asked)
    return _picture(pixels, frame.width, frame.height, frame.orientation, "jpeg")


def _decode_png(data: bytes, limits: PictureLimits, asked: _Asked) -> Picture:
    png = read_png(data, limits)
    check_pixels(png.width, png.height, limits, whole=True)
    with open_file(pixels_only(data), "png", limits) as image:
        return _picture(_load(image, asked), png.width, png.height, png.orientation, "png")


def _picture(pixels: Pixels, width: int, height: int, orientation: int, name: str) -> Picture:
    return Picture(upright(pixels, orientation), *upright_size(width, height, orientation), name)


def _jpeg_pixels(data: bytes, frame: Frame, limits: PictureLimits, asked: _Asked) -> Pixels:
    """Pixels as stored: from simplejpeg, or from Pillow where that has anything to complain about.

    Pillow also reads CMYK and rare subsamplings, and reads over damage as long as all rows come;
    where libjpeg had to invent the lowest rows, which it paints in one colour, the picture counts
    as truncated.
    """
    eighths = _eighths(frame.width, frame.height, asked)
    width, height = -(-frame.width * eighths // 8), -(-frame.height * eighths // 8)
    check_pixels(width, height, limits, whole=True)
    if frame.components == 4:
        return _pillow_jpeg(data, limits, asked)
    try:
        with decoder_errors(Reason.BROKEN_PIXELS):
            fast: Pixels = simplejpeg.decode_jpeg(data, min_width=width, min_height=height)
            return fast
    except PictureError as error:
        if error.reason is Reason.TRUNCATED:
            raise
        complaint = error.detail
    pixels = _pillow_jpeg(data, limits, asked)
    if "premature end of data segment" in complaint and _ends_flat(pixels):
        raise PictureError(Reason.TRUNCATED, f"{complaint}; the lowest rows are missing")
    return pixels


def _pillow_jpeg(data: bytes, limits: PictureLimits, asked: _Asked) -> Pixels:
    with open_file(data, "jpeg", limits) as image:
        with pillow_errors(Reason.BROKEN_PIXELS):
            factor = asked.factor(*image.size)
            image.draft(None, (-(-image.width // factor), -(-image.height // factor)))
        check_pixels(*image.size, limits, whole=True)
        return _load(image, asked)


def _ends_flat(pixels: Pixels) -> bool:
    tail = pixels[-max(1, round(len(pixels) * _LOST_ROWS)) :]
    return bool((tail == tail[-1, -1]).all())


def _eighths(width: int, height: int, asked: _Asked) -> int:
    """How many eighths of its size a JPEG is decoded to, the sides being at least as asked."""
    least = asked.minimum(width, height)
    if not any(least):
        return 8
    sides = [(side, low) for side, low in zip((width, height), least, strict=True) if low > 0]
    enough = (n for n in range(1, 7) if all(-(-side * n // 8) >= low for side, low in sides))
    # Seven eighths take longer than the whole picture: libjpeg-turbo has no fast transform.
    return next(enough, 8)


def _load(image: ImageFile.ImageFile, asked: _Asked) -> Pixels:
    """Pixels of an opened file, as stored, reduced by a whole number where that is enough."""
    with pillow_errors(Reason.BROKEN_PIXELS):
        factor = asked.factor(*image.size)
        with silent_stderr() if image.format == "TIFF" else nullcontext():
            image.load()
        flat = to_rgb(image)
        return np.asarray(flat.reduce(factor) if factor > 1 else flat)
