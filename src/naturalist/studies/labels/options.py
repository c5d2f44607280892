"""How wrong labels are looked for; said on the command line, since no run does it."""

from dataclasses import dataclass
from typing import Literal

Judge = Literal["both", "folds", "sources"]


@dataclass(frozen=True)
class LabelIssueOptions:
    """How wrong labels are looked for.

    Attributes:
        judge: who ranks the pictures; see `study`.
        shown: pictures on the contact sheet.
    """

    judge: Judge = "both"
    shown: int = 48
