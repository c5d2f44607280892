"""What a picture file tells besides its pixels: EXIF, XMP, comments, where it was taken."""

import re
from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.images.formats import sniff
from naturalist.images.limits import PictureLimits
from naturalist.images.pillow_files import open_file, pillow_errors
from naturalist.images.stripping import strip_metadata
from naturalist.reasons import Reason

_GPS_DIRECTORY = 0x8825
_GPS_IN_XMP = re.compile(rb"GPSL(?:atitude|ongitude)")


@dataclass(frozen=True)
class Told:
    """What a picture tells.

    Attributes:
        metadata: whether there is more in it than its decoder needs; None where this is not
            known (TIFF, AVIF, JPEG 2000, HEIC).
        position: whether it says where it was taken.
    """

    metadata: bool | None
    position: bool


def told_by(data: bytes) -> Told | None:
    """What a picture file tells; None for what is not a picture that is read here.

    Args:
        data: a whole file.
    """
    result = sniff(data)
    if not result.readable:
        return None
    bare = strip_metadata(data, result.format)
    is_bare = None if bare is None else bare == data
    if is_bare:
        return Told(metadata=False, position=False)
    has_position = bool(_GPS_IN_XMP.search(data)) or _has_gps(data, result.format)
    return Told(None if is_bare is None else True, has_position)


def _has_gps(data: bytes, name: str) -> bool:
    if name == "netpbm":
        return False
    try:
        with pillow_errors(Reason.BROKEN_HEADER):
            return bool(open_file(data, name, PictureLimits()).getexif().get_ifd(_GPS_DIRECTORY))
    except PictureError:
        return False
