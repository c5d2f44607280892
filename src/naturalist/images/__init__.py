"""Pictures: formats by content, headers, decoding, resizing, previews, perceptual hash, quality.

Everything takes bytes or uint8 (H, W, 3) RGB pixels; nothing here touches a file. Trouble with a
picture is a PictureError with a reason, whatever the decoder underneath raised.
"""

from naturalist.images.decoding import Picture, decode
from naturalist.images.formats import EXTENSIONS, HEAD_BYTES, Sniffed, readable_formats, sniff
from naturalist.images.headers import Header, read_header
from naturalist.images.limits import PictureLimits
from naturalist.images.orientation import Pixels
from naturalist.images.previews import (
    THUMBNAIL_SIDE,
    Previews,
    Quality,
    hamming,
    perceptual_hash,
    previews,
    quality,
    thumbnail,
)
from naturalist.images.remarks import Doubt, Remark
from naturalist.images.resizing import letterbox, resize, shrink
from naturalist.images.stripping import strip_metadata

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
    "letterbox",
    "perceptual_hash",
    "previews",
    "quality",
    "read_header",
    "readable_formats",
    "resize",
    "shrink",
    "sniff",
    "strip_metadata",
    "thumbnail",
]
