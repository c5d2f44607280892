"""Pillow, kept on a short lead: opened by content's format, silent, and with one kind of error.

A plugin is called directly, not through `PIL.Image.open`: that would try other formats than the
one that was told from the first bytes, and judge by the host program's `Image.MAX_IMAGE_PIXELS`,
which is left alone. Above twice that number (179 million pixels, unless the host changed it) some
plugins refuse by themselves, whatever `PictureLimits` says.
"""

import io
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from naturalist.errors import PictureError
from naturalist.images import tiff
from naturalist.images.limits import PictureLimits, check_pixel_count
from naturalist.images.silence import silent_warnings
from naturalist.reasons import Reason

# Without any handler, Python prints what Pillow logs about broken files; a host program that has
# set up logging still gets it.
logging.getLogger("PIL").addHandler(logging.NullHandler())

_PIXELS = re.compile(r"\((\d+) pixels\)")

Opener = Callable[[io.BytesIO], ImageFile.ImageFile]

_OPENERS: dict[str, Opener] = {
    "jpeg": JpegImagePlugin.JpegImageFile,
    "png": PngImagePlugin.PngImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "bmp": BmpImagePlugin.BmpImageFile,
    "tiff": TiffImagePlugin.TiffImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
    "jpeg2000": Jpeg2KImagePlugin.Jpeg2KImageFile,
}


def open_file(data: bytes, name: str, limits: PictureLimits) -> ImageFile.ImageFile:
    """Open a picture of the readable format `name`; no pixel is decoded yet.

    Raises PictureError: UNSUPPORTED_FORMAT for a pixel layout Pillow does not know, else
    BROKEN_HEADER (or TRUNCATED, TOO_MANY_PIXELS where Pillow says so).
    """
    opener = _opener(name)
    with pillow_errors(Reason.BROKEN_HEADER):
        try:
            return opener(io.BytesIO(data))
        except Image.DecompressionBombError as error:
            # A frame may be larger than the screen that the header declares. Whoever reads of it
            # should learn of the limit that can be set, not of Pillow's.
            if result := _PIXELS.search(str(error)):
                pixels = int(result[1])
                check_pixel_count(pixels, f"a frame of {pixels} pixels", limits, whole=True)
            raise


def exif_orientation(image: ImageFile.ImageFile) -> int:
    """The orientation that is still to be applied; 1 where Pillow or the decoder does it itself.

    Pillow turns TIFF pictures while loading them, pillow-heif HEIC pictures while opening them.
    """
    exif = image.info.get("exif", b"")
    if image.format == "TIFF" or not isinstance(exif, bytes):
        return 1
    return tiff.orientation(exif.removeprefix(b"Exif\x00\x00"))


@contextmanager
def decoder_errors(otherwise: Reason) -> Iterator[None]:
    """Turn whatever a decoder raises into PictureError.

    Known messages get their own reason, everything else becomes `otherwise`.
    """
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError(Reason.TOO_MANY_PIXELS, str(error)) from error
    # Decoders of hostile files raise anything: TypeError, struct.error, MemoryError, RuntimeError.
    except Exception as error:
        detail = f"{type(error).__name__}: {error}".strip()
        raise PictureError(_reason_of(detail, otherwise), detail) from error


@contextmanager
def pillow_errors(otherwise: Reason) -> Iterator[None]:
    """The same as `decoder_errors`, for Pillow, which also warns."""
    with silent_warnings(), decoder_errors(otherwise):
        yield


def _reason_of(detail: str, otherwise: Reason) -> Reason:
    return next((reason for words, reason in _TELLING_WORDS if words in detail.lower()), otherwise)


_TELLING_WORDS = (
    ("truncated", Reason.TRUNCATED),
    ("eoferror", Reason.TRUNCATED),
    ("unexpected end of file", Reason.TRUNCATED),
    ("premature end of jpeg file", Reason.TRUNCATED),
    ("unknown pixel mode", Reason.UNSUPPORTED_FORMAT),
)


@cache
def _opener(name: str) -> Opener:
    if name == "heic":
        # An optional package (extra `heic`); `sniff` calls the format readable only with it.
        import pillow_heif

        opener: Opener = pillow_heif.HeifImageFile
        return opener
    return _OPENERS[name]
