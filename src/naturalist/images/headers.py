"""Size and format of a picture from its header, without decoding a pixel."""

from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images.containers import ends_early
from naturalist.images.formats import HEAD_BYTES, sniff
from naturalist.images.jpeg import read_frame
from naturalist.images.limits import PictureLimits, check_metadata, check_pixels
from naturalist.images.orientation import upright_size
from naturalist.images.pillow_files import exif_orientation, open_file
from naturalist.images.png import read_png
from naturalist.images.tiff import SIZE_TAGS, metadata_bytes, tags
from naturalist.reasons import Reason


@dataclass(frozen=True)
class Header:
    """A picture's format (a key of `EXTENSIONS`) and its size in pixels once upright."""

    format: str
    width: int
    height: int


def read_header(data: bytes, limits: PictureLimits) -> Header:
    """Read what a whole file declares about its picture.

    Raises PictureError with EMPTY_FILE, NOT_A_PICTURE, GIT_LFS_POINTER, UNSUPPORTED_FORMAT,
    BROKEN_HEADER, TOO_MANY_PIXELS or METADATA_TOO_LARGE, and TRUNCATED where that shows without
    decoding. Whether the pixels can be decoded is not known before `decode`.
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
    check_container(data, name, limits)
    with open_file(data, name, limits) as image:
        check_pixels(*image.size, limits, whole=True)
        return Header(name, *upright_size(*image.size, exif_orientation(image)))


def readable_format(data: bytes) -> str:
    """The format of a picture that can be read here; raises PictureError for everything else."""
    sniffed = sniff(data[:HEAD_BYTES])
    if sniffed.reason is not None:
        raise PictureError(sniffed.reason, sniffed.format)
    return sniffed.format


def check_container(data: bytes, name: str, limits: PictureLimits) -> None:
    """What has to be refused before a decoder sees it, for formats other than JPEG and PNG.

    TRUNCATED for a file shorter than its container says; BROKEN_HEADER for a TIFF with several
    sizes, of which each reader picks another; METADATA_TOO_LARGE for a TIFF whose tags overlap, so
    that reading them takes more memory than the file is long.
    """
    if ends_early(data, name):
        raise PictureError(Reason.TRUNCATED, f"{len(data)} bytes, fewer than the file announces")
    if name != "tiff":
        return
    sizes = [entry.tag for entry in tags(data) if entry.tag in SIZE_TAGS]
    if len(sizes) > len(SIZE_TAGS):
        raise PictureError(Reason.BROKEN_HEADER, "TIFF that states its size more than once")
    claimed = metadata_bytes(data)
    if claimed > len(data):
        check_metadata(claimed, limits)
