"""Telling a picture that cannot be decoded from a machine that has no memory for it.

Decoders name want of memory in many ways, and some as damage: libwebp "could not create decoder
object", libavif "Decoding of color planes failed", OpenJPEG "broken data stream". So after any
failure of a decoder the memory that a sound picture of the same size could need is asked for. If
the system refuses it, nothing is known about the picture.
"""

import functools
import mmap
from collections.abc import Callable
from typing import Concatenate, ParamSpec, TypeVar

from naturalist.errors import PictureError
from naturalist.images.limits import PictureLimits

P = ParamSpec("P")
R = TypeVar("R")
Reader = Callable[Concatenate[bytes, PictureLimits, P], R]

_BYTES_PER_PIXEL = 20
_SIZE_UNKNOWN_BYTES = 512 * 1024 * 1024


def unless_memory_is_short(
    read: Reader[P, R], pixels_of: Callable[[bytes, PictureLimits], int]
) -> Reader[P, R]:
    """Let a function that reads pictures raise MemoryError where memory is short.

    Args:
        read: raises PictureError, with what a decoder raised as its cause.
        pixels_of: gives the number of pixels that a picture declares.

    Returns:
        The same function. It raises MemoryError, and no PictureError, when a decoder failed and the
        memory for a sound picture cannot be had; a failure that goes away is forgotten.
    """

    @functools.wraps(read)
    def checked(data: bytes, limits: PictureLimits, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(data, limits, *args, **kwargs)
        except PictureError as error:
            cause = error.__cause__
            if cause is None:
                raise
            is_memory = isinstance(cause, MemoryError)
            # What the decoder held when it failed must not count as missing.
            cause.__traceback__ = error.__traceback__ = None
            required = _required_bytes(data, limits, pixels_of)
            if not can_allocate(required):
                raise MemoryError(f"{required:,} bytes for one picture are not available") from None
            if not is_memory:
                raise
        return read(data, limits, *args, **kwargs)

    return checked


def _required_bytes(
    data: bytes, limits: PictureLimits, pixels_of: Callable[[bytes, PictureLimits], int]
) -> int:
    try:
        pixels = pixels_of(data, limits)
    except PictureError:
        return _SIZE_UNKNOWN_BYTES
    # A larger one is decoded at a fraction of its size.
    return _BYTES_PER_PIXEL * min(pixels, limits.max_whole_pixels)


def can_allocate(size_bytes: int) -> bool:
    """Whether the system would give this process so much memory now; none is touched."""
    try:
        mmap.mmap(-1, max(1, size_bytes)).close()
    except (OSError, MemoryError, OverflowError):
        return False
    return True
