"""Verifying what reviewers decided and shared, which nothing can be made from again."""

from collections.abc import Iterator

from naturalist import artifacts, sealed_json
from naturalist.chained_lines import damaged_lines
from naturalist.errors import WorkspaceError
from naturalist.layout import REVIEW_JOURNAL_START, REVIEW_VIEWS_ADVICE, Layout
from naturalist.stages.verify.verdicts import Verdict


def check_review(layout: Layout) -> Iterator[Verdict]:
    """Read the journal, the shared views and the names of reviewers once."""
    yield from _check_journal(layout)
    yield from _check_views(layout)
    yield from _check_reviewers(layout)


def _check_views(layout: Layout) -> Iterator[Verdict]:
    path = layout.review_views
    try:
        sealed_json.read(path)
    except WorkspaceError:
        file = str(path.relative_to(layout.root))
        yield Verdict("checksum", "hard", f"it is damaged: {REVIEW_VIEWS_ADVICE}", file=file)


def _check_reviewers(layout: Layout) -> Iterator[Verdict]:
    path = layout.reviewers
    try:
        artifacts.read_json(path)
    except WorkspaceError:
        detail = (
            "it is damaged: restore it from a backup, or delete it and give each person a new "
            "token with `naturalist reviewers add`"
        )
        yield Verdict("checksum", "hard", detail, file=str(path.relative_to(layout.root)))


def _check_journal(layout: Layout) -> Iterator[Verdict]:
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
