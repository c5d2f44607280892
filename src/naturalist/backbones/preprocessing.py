"""Named rules that turn pixels of any size into a network's square input.

A name holds the rule's version: vectors made under it can only be compared with others under it, so
a rule is never changed, only followed by the next version.
"""

from collections.abc import Callable
from typing import NamedTuple

from naturalist.backbones.spec import Fit
from naturalist.images import Pixels, letterbox, resize


class Rule(NamedTuple):
    """How pixels are prepared, and which decoded size is enough for it."""

    prepare: Callable[[Pixels, int], Pixels]
    fit: Fit
    full_decode: bool = False


def stretch(pixels: Pixels, side: int) -> Pixels:
    """Resize to the square whatever the picture's proportions (bilinear, antialiased)."""
    return resize(pixels, side, side)


RULES = {
    "letterbox-v1": Rule(letterbox, "pad"),
    "stretch-v1": Rule(stretch, "stretch"),
}
