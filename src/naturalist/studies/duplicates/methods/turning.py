"""Turned and mirrored pictures, as hashes and as pixels.

The hash has a bit for each of 8 x 8 frequencies of a cosine transform, those that are above their
median. Mirroring changes the sign of the odd horizontal frequencies, turning by a quarter swaps
horizontal and vertical ones and changes the sign of the odd vertical ones. The median is near zero,
so that the hash of the turned picture follows from the hash.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_ODD_COLUMNS = np.uint64(0xAAAAAAAAAAAAAAAA)
"""Bits of the hash that belong to odd horizontal frequencies."""
_ODD_ROWS = np.uint64(0xFF00FF00FF00FF00)
"""Bits of the hash that belong to odd vertical frequencies."""
_SWAPS = ((28, 0x00000000F0F0F0F0), (14, 0x0000CCCC0000CCCC), (7, 0x00AA00AA00AA00AA))
"""Steps of the transposition of 8 x 8 bits: of blocks of 4, of 2, and of single bits."""


@dataclass(frozen=True)
class Turn:
    """Mirrored left to right or not, then turned by quarters against the clock."""

    mirrored: bool
    quarters: int

    def hashes(self, hashes: Hashes) -> Hashes:
        """Hashes (N,) of the turned pictures, of the hashes of the pictures."""
        result = hashes ^ _ODD_COLUMNS if self.mirrored else hashes
        for _ in range(self.quarters):
            result = _transposed(result) ^ _ODD_ROWS
        return result

    def pixels(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Turned pictures of square ones (..., side, side)."""
        first = pixels[..., ::-1] if self.mirrored else pixels
        return np.rot90(first, self.quarters, axes=(-2, -1))


UPRIGHT = Turn(mirrored=False, quarters=0)


def turns(invariant: Collection[str]) -> list[Turn]:
    """The ways in which copies may lie, the upright one first."""
    mirrored = (False, True) if "mirror" in invariant else (False,)
    quarters = range(4) if "rotate" in invariant else range(1)
    return [Turn(one, number) for one in mirrored for number in quarters]


def _transposed(hashes: Hashes) -> Hashes:
    """Rows and columns of 8 x 8 bits swapped. Source: H. S. Warren, Hacker's Delight, 7-3."""
    result = hashes
    for shift, mask in _SWAPS:
        by, bits = np.uint64(shift), np.uint64(mask)
        differing = (result ^ (result >> by)) & bits
        result = result ^ differing ^ (differing << by)
    return result
