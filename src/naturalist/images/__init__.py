"""Pictures: formats by content, headers, decoding, resizing, previews, perceptual hash, quality.

Everything takes bytes or uint8 (H, W, 3) RGB pixels; nothing here touches a file. Trouble with a
picture is a PictureError with a reason, whatever the decoder underneath raised; want of memory,
which says nothing about a picture, is a MemoryError.
"""

from naturalist.images import decoding, headers
from naturalist.images.borders import trim_border
from naturalist.images.decoding import Picture
from naturalist.images.formats import EXTENSIONS, HEAD_BYTES, Sniffed, readable_formats, sniff
from naturalist.images.headers import Header
from naturalist.images.limits import PictureLimits
from naturalist.images.orientation import Pixels
from naturalist.images.previews import (
    THUMBNAIL_SIDE,
    Previews,
    Quality,
    hamming,
    hash_of_luma,
    luma_of_thumbnail,
    perceptual_hash,
    previews,
    previews_of,
    quality,
    thumbnail,
)
from naturalist.images.remarks import Doubt, Remark
from naturalist.images.resizing import letterbox, resize, shrink
from naturalist.images.shortage import unless_memory_is_short
from naturalist.images.stripping import strip_metadata

_pixels_of = headers.declared_pixels
decode = unless_memory_is_short(decoding.decode, _pixels_of)
read_header = unless_memory_is_short(headers.read_header, _pixels_of)

__all__ = [
    "EXTENSIONS",
    "HEAD_BYTES",
    "THUMBNAIL_SIDE",
    "Doubt",
    "Header",
    "Picture",
    "PictureLimits",
    "Pixels",
    "Previews",
    "Quality",
    "Remark",
    "Sniffed",
    "decode",
    "hamming",
    "hash_of_luma",
    "letterbox",
    "luma_of_thumbnail",
    "perceptual_hash",
    "previews",
    "previews_of",
    "quality",
    "read_header",
    "readable_formats",
    "resize",
    "shrink",
    "sniff",
    "strip_metadata",
    "thumbnail",
    "trim_border",
]
