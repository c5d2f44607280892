"""What is doubtful about a picture that was decoded all the same.

A remark is no refusal: the picture has its features, and verification reports a warning.
"""

from dataclasses import dataclass
from enum import StrEnum


class Doubt(StrEnum):
    """What can be doubtful; the name of the warning."""

    DAMAGED = "damaged"
    UNUSED_RANGE = "unused_range"
    GUESSED_RANGE = "guessed_range"
    IGNORED_BANDS = "ignored_bands"
    TRANSPARENT = "transparent"

    @property
    def meaning(self) -> str:
        """One sentence for people, on what a sound picture is like."""
        return _MEANINGS[self]


_MEANINGS = {
    Doubt.DAMAGED: "Pictures are undamaged: no decoder had to fill in missing parts.",
    Doubt.UNUSED_RANGE: (
        "Deep pictures use their range, or state which part (otherwise nearly black)."
    ),
    Doubt.GUESSED_RANGE: "The white level is stated by the file or its format, not guessed.",
    Doubt.IGNORED_BANDS: "Pictures have no channels beyond colour and transparency.",
    Doubt.TRANSPARENT: "Pictures are not fully transparent (otherwise only white is left).",
}


@dataclass(frozen=True)
class Remark:
    """One doubt about a picture, with the details."""

    doubt: Doubt
    detail: str

    def __str__(self) -> str:
        return f"{self.doubt}: {self.detail}"
