"""TIFF: directories, choice of the page, decompression, and samples of any depth.

Pillow reads most TIFF files wrongly that are not 8 bits deep and interleaved, or refuses them
without the reason. Here libtiff (through Pillow) only decompresses; what the bytes mean is worked
out with numpy, by the tags. Files that hold JPEG, fax or CIELAB data stay with Pillow.
Source: TIFF 6.0 with its technical notes 1 to 3; BigTIFF (fdd000328).
"""

from naturalist.images.tiff.directory import (
    DNG_VERSION,
    ORIENTATION,
    SIZE_TAGS,
    SUB_DIRECTORIES,
    SUBFILE_TYPE,
    metadata_bytes,
    orientation,
    stated_orientation,
    tags,
)

__all__ = [
    "DNG_VERSION",
    "ORIENTATION",
    "SIZE_TAGS",
    "SUBFILE_TYPE",
    "SUB_DIRECTORIES",
    "metadata_bytes",
    "orientation",
    "stated_orientation",
    "tags",
]
