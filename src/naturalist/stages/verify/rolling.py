"""Reading a share of everything in each run, in turn, so that rot is found by itself.

The files whose checksum is known (ledger, features, previews, tables, and what studies made) are
gone through in the order of their paths, a number of bytes in each run; where a run stopped, the
next one goes on. A file counts as half a megabyte at least, so that a run costs the same whether
that much is in a few files or in those of many small batches. A collection that is smaller than
that is read whole each time.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naturalist import artifacts, ledger, seals
from naturalist.errors import WorkspaceError
from naturalist.layout import Layout
from naturalist.seals import Damage, Seal
from naturalist.stages.verify.studies import verdict_of
from naturalist.stages.verify.verdicts import Verdict

_ROOTS = ("features", "ledger", "previews", "tables")
_RECEIPTS = (".json",)
_LEAST_BYTES = 1 << 19
"""What a file counts at least: opening thousands of small ones takes the time of reading these."""


@dataclass(frozen=True)
class Rolled:
    """What a run read again."""

    files: int
    size_bytes: int
    verdicts: tuple[Verdict, ...]


def check_share(layout: Layout, most_bytes: int) -> Rolled:
    """Read the next files, up to a number of bytes, and note where to go on.

    Args:
        layout: the workspace.
        most_bytes: begin no further file after so many; 0 reads none.
    """
    if not most_bytes:
        return Rolled(0, 0, ())
    state = artifacts.read_json(layout.rolling) or {}
    start = str(state.get("after", ""))
    known = _Known(layout)
    files = size_bytes = spent = 0
    verdicts: list[Verdict] = []
    for name in _from(layout, known.seals, start):
        path = layout.root / name
        verdicts += _check(layout, path, known)
        read = _size(path)
        files, size_bytes = files + 1, size_bytes + read
        spent += max(read, _LEAST_BYTES)
        if spent >= most_bytes:
            artifacts.write_json(layout.rolling, {"after": name})
            break
    else:
        if start:
            layout.rolling.unlink(missing_ok=True)
    return Rolled(files, size_bytes, tuple(verdicts))


class _Known:
    """Checksums that files must have, read where and when they are needed."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.seals = seals.read(layout)
        self._ledger: dict[str, dict[Path, str]] = {}

    def sha256(self, path: Path) -> str | None:
        """The checksum of a file; None if none is known."""
        name = path.relative_to(self.layout.root)
        if str(name) in self.seals:
            # What this run has made is sealed when it ends.
            seal = self.seals[str(name)]
            return seal.sha256 if seals.is_as_left(path, seal) else None
        if name.parts[0] == "ledger":
            return self._of_ledger(name.parts[1]).get(path)
        receipt = artifacts.read_receipt(path.with_suffix(".parquet"))
        return receipt.sha256.get(path.name) if receipt else None

    def _of_ledger(self, category: str) -> dict[Path, str]:
        if category not in self._ledger:
            self._ledger[category] = {
                self.layout.batch(category, one.batch): one.sha256
                for one in ledger.batches(self.layout, category)
            }
        return self._ledger[category]


def _check(layout: Layout, path: Path, known: _Known) -> Iterator[Verdict]:
    name = str(path.relative_to(layout.root))
    try:
        expected = known.sha256(path)
    except WorkspaceError as error:
        yield Verdict("unreadable", "hard", str(error), file=name)
        return
    if expected is None:
        return
    result = artifacts.sha256_file(path) if path.exists() else None
    if result == expected:
        return
    if name in known.seals:
        yield verdict_of(layout, Damage(path, expected, result))
        return
    detail = f"sha256 is {result}, it was {expected} when it was written: {_advice(path, layout)}"
    yield Verdict("checksum", "hard", detail, file=name)


def _advice(path: Path, layout: Layout) -> str:
    if layout.ledger in path.parents:
        return "restore it from a copy (the published collection has one without private columns)"
    return "run `naturalist verify --repair` to rebuild it"


def _from(layout: Layout, sealed: dict[str, Seal], start: str) -> Iterator[str]:
    """Names of files after `start` in the order of paths."""
    after = tuple(start.split("/")) if start else ()
    walked = {root: _walk(layout.root, (root,), after) for root in _ROOTS}
    tops = sorted({*_ROOTS, *(name.split("/")[0] for name in sealed)})
    for top in tops:
        if top in walked:
            yield from walked[top]
        else:
            own = sorted(tuple(n.split("/")) for n in sealed if n.split("/")[0] == top)
            yield from ("/".join(parts) for parts in own if parts > after)


def _walk(root: Path, parts: tuple[str, ...], after: tuple[str, ...]) -> Iterator[str]:
    try:
        with os.scandir(root.joinpath(*parts)) as entries:
            listed = sorted((entry.name, entry.is_dir()) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, is_folder in listed:
        here = (*parts, name)
        if name.startswith(".") or here < after[: len(here)]:
            continue
        if is_folder:
            yield from _walk(root, here, after)
        elif here > after and not name.endswith(_RECEIPTS):
            yield "/".join(here)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
