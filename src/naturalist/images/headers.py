"""Size and format of a picture from its header, without decoding a pixel."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PIL import ImageFile

from naturalist.errors import PictureError
from naturalist.images import bmp, jpeg2000, netpbm, orientation_marks
from naturalist.images.containers import ends_early
from naturalist.images.formats import HEAD_BYTES, sniff
from naturalist.images.jpeg import check_work, read_frame
from naturalist.images.limits import PictureLimits, check_metadata, check_pixels
from naturalist.images.orientation import upright_size
from naturalist.images.pillow_files import exif_orientation, open_file
from naturalist.images.png import read_png
from naturalist.images.tiff import metadata_bytes, pages
from naturalist.images.tiff.directory import starting_at
from naturalist.images.tiff.layout import check_layout
from naturalist.reasons import Reason

_XMP = 700


@dataclass(frozen=True)
class Header:
    """A picture's format (a key of `EXTENSIONS`) and its size in pixels once upright."""

    format: str
    width: int
    height: int


def read_header(data: bytes, limits: PictureLimits) -> Header:
    """Read what a whole file declares about its picture.

    Raises PictureError with EMPTY_FILE, NOT_A_PICTURE, GIT_LFS_POINTER, UNSUPPORTED_FORMAT,
    BROKEN_HEADER, TOO_MANY_PIXELS, TOO_MANY_SCANS or METADATA_TOO_LARGE, and TRUNCATED where that
    shows without decoding. Whether the pixels can be decoded is not known before `decode`.
    """
    name = readable_format(data)
    check_container(data, name, limits)
    width, height, orientation = _READERS.get(name, partial(_by_pillow, name=name))(data, limits)
    return Header(name, *upright_size(width, height, orientation))


def _jpeg(data: bytes, limits: PictureLimits) -> tuple[int, int, int]:
    frame = read_frame(data, limits)
    check_pixels(frame.width, frame.height, limits, whole=not frame.sequential)
    if not frame.sequential:
        check_work(data, frame, limits)
    return frame.width, frame.height, frame.orientation


def _png(data: bytes, limits: PictureLimits) -> tuple[int, int, int]:
    png = read_png(data, limits)
    check_pixels(png.width, png.height, limits, whole=True)
    return png.width, png.height, png.orientation


def _tiff(data: bytes, limits: PictureLimits) -> tuple[int, int, int]:
    page = pages.choose_page(data)
    check_pixels(page.width, page.height, limits, whole=True)
    if page.by_pillow:
        width, height, _ = _by_pillow(starting_at(data, page.directory.offset), limits, "tiff")
        return width, height, tiff_orientation(page)
    check_layout(page, limits)
    return page.width, page.height, tiff_orientation(page)


def _bmp(data: bytes, limits: PictureLimits) -> tuple[int, int, int]:
    fields = bmp.read_fields(data)
    if fields is None:
        return _by_pillow(data, limits, "bmp")
    check_pixels(fields.width, fields.height, limits, whole=True)
    return fields.width, fields.height, 1


def _netpbm(data: bytes, limits: PictureLimits) -> tuple[int, int, int]:
    header = netpbm.read_netpbm(data)
    check_pixels(header.width, header.height, limits, whole=True)
    return header.width, header.height, 1


def _jpeg2000(data: bytes, limits: PictureLimits) -> tuple[int, int, int]:
    jpeg2000.check_depth(jpeg2000.components(data))
    return _by_pillow(data, limits, "jpeg2000")


def _by_pillow(data: bytes, limits: PictureLimits, name: str) -> tuple[int, int, int]:
    with open_file(data, name, limits) as image:
        check_pixels(*image.size, limits, whole=True)
        return *image.size, pillow_orientation(image, data, name)


_READERS: dict[str, Callable[[bytes, PictureLimits], tuple[int, int, int]]] = {
    "jpeg": _jpeg,
    "png": _png,
    "tiff": _tiff,
    "bmp": _bmp,
    "netpbm": _netpbm,
    "jpeg2000": _jpeg2000,
}
"""Formats that need more than Pillow; each gives the stored width and height, and orientation."""


def pillow_orientation(image: ImageFile.ImageFile, data: bytes, name: str) -> int:
    """The orientation that is still to be applied to a picture that Pillow opened."""
    if name == "jpeg2000":
        return jpeg2000.orientation_of(data)
    if name != "webp":
        return exif_orientation(image)
    exif, xmp = (image.info.get(kind, b"") for kind in ("exif", "xmp"))
    return orientation_marks.resolve(
        [orientation_marks.of_exif(exif)], [orientation_marks.of_xmp(xmp)]
    )


def tiff_orientation(page: pages.Page) -> int:
    """The orientation that is still to be applied to a TIFF page: Pillow turns its own pages."""
    if page.by_pillow and page.orientation:
        return 1
    xmp = orientation_marks.of_xmp(page.directory.bytes_of(_XMP))
    return orientation_marks.resolve([page.orientation], [xmp])


def declared_pixels(data: bytes, limits: PictureLimits) -> int:
    """Number of pixels that a picture declares.

    Raises PictureError as `read_header`.
    """
    header = read_header(data, limits)
    return header.width * header.height


def readable_format(data: bytes) -> str:
    """The format of a picture that can be read here; raises PictureError for everything else."""
    sniffed = sniff(data[:HEAD_BYTES])
    if sniffed.reason is not None:
        raise PictureError(sniffed.reason, sniffed.format)
    return sniffed.format


def check_container(data: bytes, name: str, limits: PictureLimits) -> None:
    """What has to be refused before a decoder sees it, for formats other than JPEG and PNG.

    TRUNCATED for a file shorter than its container says; METADATA_TOO_LARGE for a TIFF whose tags
    overlap, so that reading them takes more memory than the file is long.
    """
    if ends_early(data, name):
        raise PictureError(Reason.TRUNCATED, f"{len(data)} bytes, fewer than the file announces")
    if name != "tiff":
        return
    claimed = metadata_bytes(data)
    if claimed > len(data):
        check_metadata(claimed, limits)
