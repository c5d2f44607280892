"""How large a picture may be before anything is decoded."""

from dataclasses import dataclass
from typing import Literal

from naturalist.errors import PictureError
from naturalist.reasons import Reason


@dataclass(frozen=True)
class PictureLimits:
    """Guards against pictures that unpack to more than a machine can hold.

    `max_pixels` bounds the size that a picture declares. `max_whole_pixels` bounds what has to
    be held in memory at once, with up to twenty bytes each: a baseline JPEG is decoded at an
    eighth of its size without ever being whole, any other picture is not. `max_metadata_bytes`
    bounds what text and profiles inside a picture unpack to, `max_scans` how often a JPEG goes
    over its pixels. `damaged`: what becomes of a JPEG whose data are damaged; see `decode`.
    """

    max_pixels: int = 300_000_000
    max_whole_pixels: int = 100_000_000
    max_metadata_bytes: int = 16 * 1024 * 1024
    max_scans: int = 100
    damaged: Literal["refuse", "accept"] = "refuse"


def check_pixels(width: int, height: int, limits: PictureLimits, *, whole: bool) -> None:
    """Raise TOO_MANY_PIXELS when a picture is too large to be decoded.

    `whole` says that the decoder has to hold these pixels all at once.
    """
    check_pixel_count(width * height, f"{width} x {height} pixels", limits, whole=whole)


def check_pixel_count(pixels: int, text: str, limits: PictureLimits, *, whole: bool) -> None:
    """The same for a number of pixels, described by `text`."""
    name, allowed = "max_pixels", limits.max_pixels
    if whole and limits.max_whole_pixels < allowed:
        name, allowed = "max_whole_pixels", limits.max_whole_pixels
    if pixels > allowed:
        raise PictureError(Reason.TOO_MANY_PIXELS, f"{text}; {name} allows {allowed}")


def check_metadata(size_bytes: int, limits: PictureLimits) -> None:
    """Raise METADATA_TOO_LARGE when text or profiles unpack to more than is allowed."""
    if size_bytes > limits.max_metadata_bytes:
        detail = f"more than max_metadata_bytes allows ({limits.max_metadata_bytes})"
        raise PictureError(Reason.METADATA_TOO_LARGE, detail)


def check_scans(scans: int, limits: PictureLimits) -> None:
    """Raise TOO_MANY_SCANS when a JPEG has more scans than are allowed."""
    if scans > limits.max_scans:
        detail = f"more than {limits.max_scans} scans, which max_scans allows"
        raise PictureError(Reason.TOO_MANY_SCANS, detail)
