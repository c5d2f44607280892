"""How much of a JPEG is lost, where the decoder complains about its data.

The decoder says that something is wrong, not where. From the place of damage on, the colours of
all following blocks are off, or the rows are shifted: a step between two rows over the whole width,
in single pixels or in the mean colour. Of 808 photos with bytes lost or zeroed it finds 97 to 99 %
of those that lost more than a tenth of their rows.
"""

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import PictureError
from naturalist.images.limits import PictureLimits
from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Doubt, Remark
from naturalist.images.resizing import shrink
from naturalist.reasons import Reason

_SIDE = 256
_STEP, _USUAL_TIMES = 5.0, 2.0
_MEAN_STEP, _MEAN_USUAL_TIMES = 8.0, 4.0
_SLIGHT = 0.1
"""Less of a picture may be lost without its being refused."""
_FEWEST_ROWS = 8
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
    if len(small) < _FEWEST_ROWS:
        return 1.0
    steps = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2))
    mean_steps = np.abs(np.diff(small.mean(axis=1), axis=0)).max(axis=1)
    return max(
        _share_below_step(steps, _USUAL_TIMES, _STEP),
        _share_below_step(mean_steps, _MEAN_USUAL_TIMES, _MEAN_STEP),
    )


def _share_below_step(steps: NDArray[np.float64], times: float, least: float) -> float:
    """The share of rows below the first step that is larger than is usual."""
    large = np.flatnonzero(steps > times * np.median(steps) + least)
    return float(1 - (large[0] + 1) / (len(steps) + 1)) if len(large) else 0.0


def assess(pixels: Pixels, complaint: str, limits: PictureLimits) -> tuple[float, Remark]:
    """Judge a picture that libjpeg complained about: the share that is lost, and a remark.

    Raises:
        PictureError: DAMAGED where a tenth or more is lost and `limits.damaged` is refuse.
    """
    share = lost_share(pixels)
    detail = f"about {share:.0%} is missing or corrupt: {complaint}"
    if share >= _SLIGHT and limits.damaged == "refuse":
        raise PictureError(Reason.DAMAGED, detail)
    return share, Remark(Doubt.DAMAGED, detail)
