"""Verifying the ledger: its files never change, so each has the checksum of its summary."""

from collections.abc import Iterable, Iterator

from naturalist import artifacts, ledger
from naturalist.layout import Layout, receipt_path
from naturalist.stages.verify.verdicts import Verdict

_ADVICE = "restore it from a copy (the published collection has one without private columns)"


def check_ledger(layout: Layout, categories: Iterable[str]) -> Iterator[Verdict]:
    """Read every ledger file of some categories once and compare it with its summary."""
    for category in sorted(categories):
        for summary in ledger.batches(layout, category):
            path = layout.batch(category, summary.batch)
            file = str(path.relative_to(layout.root))
            if not path.exists():
                yield Verdict("missing", "hard", f"it is missing: {_ADVICE}", file=file)
            elif (result := artifacts.sha256_file(path)) != summary.sha256:
                detail = f"sha256 is {result}, the summary says {summary.sha256}: {_ADVICE}"
                yield Verdict("checksum", "hard", detail, file=file)
            else:
                beside = str(receipt_path(path).relative_to(layout.root))
                for fault in ledger.summary_faults(layout, summary):
                    detail = f"{fault}: restore it from a copy"
                    yield Verdict("equals_rows", "hard", detail, file=beside)
