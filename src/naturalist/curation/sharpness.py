"""Sharpness of pictures that are compared with each other, measured at one size.

The stored measure is that of the thumbnail, and a picture smaller than a thumbnail keeps its own
size: the fewer its pixels, the more its edges change from one pixel to the next, and the sharper
it seems.
"""

from collections.abc import Iterable, Iterator

from naturalist.images.previews import luma_of_thumbnail, quality_of_luma
from naturalist.images.resizing import shrink
from naturalist.layout import Layout
from naturalist.studies.thumbnails import read_thumbnails


def sharpness_at_one_size(
    layout: Layout, groups: Iterable[tuple[list[str], int]]
) -> Iterator[tuple[str, float]]:
    """Variance of the Laplacian of each picture of some groups, comparable within its group.

    Each group is its pictures and the longer side of the smallest of their thumbnails. All are
    reduced to half of it, so that the filter by which somebody made a copy smaller counts no more.
    A picture without a thumbnail is left out.
    """
    held = list(groups)
    thumbnails = read_thumbnails(layout, (name for names, _ in held for name in names))
    for names, side in held:
        for name in names:
            if name in thumbnails:
                small = shrink(luma_of_thumbnail(thumbnails[name]), max(3, side // 2))
                yield name, quality_of_luma(small).blur
