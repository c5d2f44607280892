"""Verifying the journal of reviewers' decisions, which nothing can be made from again."""

from collections.abc import Iterator

from naturalist.chained_lines import damaged_lines
from naturalist.layout import REVIEW_JOURNAL_START, Layout
from naturalist.stages.verify.verdicts import Verdict


def check_journal(layout: Layout) -> Iterator[Verdict]:
    """Read the journal once; a finding for each line whose checksum is not that of its text."""
    path = layout.review_journal
    if not path.exists():
        return
    file = str(path.relative_to(layout.root))
    for number in damaged_lines(path.read_bytes(), REVIEW_JOURNAL_START):
        yield Verdict("checksum", "hard", _detail(number), file=file)


def _detail(number: int) -> str:
    return (
        f"line {number} is damaged: restore the file from a backup. Without one, keep the lines "
        f"before it (head -n {number - 1}); tags, notes and decisions from line {number} on that "
        "were not applied are lost, those that were applied are in the ledger"
    )
