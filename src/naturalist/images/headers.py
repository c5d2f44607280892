"""Size and format of a picture from its header, without decoding a pixel."""

from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images.formats import HEAD_BYTES, sniff
from naturalist.images.jpeg import read_frame
from naturalist.images.limits import PictureLimits, check_metadata, check_pixels
from naturalist.images.orientation import upright_size
from naturalist.images.pillow_files import exif_orientation, open_file
from naturalist.images.png import read_png
from naturalist.images.tiff import metadata_bytes


@dataclass(frozen=True)
class Header:
    """A picture's format (a key of `EXTENSIONS`) and its size in pixels once upright."""

    format: str
    width: int
    height: int


def read_header(data: bytes, limits: PictureLimits) -> Header:
    """Read what a whole file declares about its picture.

    Raises PictureError with EMPTY_FILE, NOT_A_PICTURE, GIT_LFS_POINTER, UNSUPPORTED_FORMAT,
    BROKEN_HEADER, TOO_MANY_PIXELS or METADATA_TOO_LARGE, and TRUNCATED where the header itself
    is cut off. Whether the pixels can be decoded is not known before `decode`.
    """
    name = readable_format(data)
    if name == "jpeg":
        frame = read_frame(data, limits)
        check_pixels(frame.width, frame.height, limits, whole=not frame.sequential)
        return Header(name, *upright_size(frame.width, frame.height, frame.orientation))
    if name == "png":
        png = read_png(data, limits)
        check_pixels(png.width, png.height, limits, whole=True)
        return Header(name, *upright_size(png.width, png.height, png.orientation))
    check_tags(data, name, limits)
    with open_file(data, name) as image:
        check_pixels(*image.size, limits, whole=True)
        return Header(name, *upright_size(*image.size, exif_orientation(image)))


def readable_format(data: bytes) -> str:
    """The format of a picture that can be read here; raises PictureError for everything else."""
    sniffed = sniff(data[:HEAD_BYTES])
    if sniffed.reason is not None:
        raise PictureError(sniffed.reason, sniffed.format)
    return sniffed.format


def check_tags(data: bytes, name: str, limits: PictureLimits) -> None:
    """Refuse a TIFF whose tags overlap so that reading them takes more than the file holds."""
    claimed = metadata_bytes(data) if name == "tiff" else 0
    if claimed > len(data):
        check_metadata(claimed, limits)
