"""Files that other checks only read: the ledger and the previews, against their checksums."""

from collections.abc import Iterator
from pathlib import Path

from naturalist import artifacts, ledger
from naturalist.layout import Layout
from naturalist.stages.verify.verdicts import Verdict


def check_stored(layout: Layout) -> Iterator[Verdict]:
    """Read the ledger's batches and all previews again."""
    for category in ledger.categories(layout):
        for summary in ledger.batches(layout, category):
            yield from _check(layout, layout.batch(category, summary.batch), summary.sha256)
            for number in range(len(summary.shards)):
                path = layout.previews(category, summary.batch, number)
                receipt = artifacts.read_receipt(path)
                if receipt is not None:
                    yield from _check(layout, path, receipt.sha256[path.name])


def _check(layout: Layout, path: Path, expected: str) -> Iterator[Verdict]:
    result = artifacts.sha256_file(path)
    if result != expected:
        detail = f"sha256 is {result}, the receipt says {expected}"
        yield Verdict("checksum", "hard", detail, file=str(path.relative_to(layout.root)))
