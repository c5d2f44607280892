"""On which drive each new picture is kept."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.stages.ingest.options import IngestOptions, Mode, Source
from naturalist.stores.remote import RemoteFolder


class RootChooser:
    """Names the image root for each new picture of a batch.

    Of the roots that its category may have: one on the drive of the source, where a link, a clone
    or a move costs nothing; else the one with most free space, less what the batch has put there
    so far.
    """

    def __init__(self, layout: Layout, sources: Sequence[Source], options: IngestOptions) -> None:
        self._options = options
        self._drives: dict[str, int] = {}
        self._free_bytes: dict[int, int] = {}
        self._sole: dict[tuple[str, str], str] = {}
        """By category and source, the root on its drive where there is one alone."""
        for name in options.all_roots:
            root = layout.image_root(name)
            with artifacts.storage_errors(f"image root {name}"):
                artifacts.make_folder(root)
            self._drives[name], free_bytes = drive_of(root)
            self._free_bytes[self._drives[name]] = free_bytes
        self._sources = {
            (s.category, s.name): drive_of(s.path)[0]
            for s in sources
            if not isinstance(s.path, RemoteFolder)
        }

    def __call__(self, category: str, row: dict[str, Any]) -> str | None:
        """Name the root for a row of findings; None if the picture stays in its source."""
        options = self._options
        if not row["staged"] and (sole := self._sole.get((category, row["source"]))):
            return sole
        if options.mode is Mode.REFERENCE and not row["staged"]:
            return None
        roots = options.roots_of(category)
        near = [name for name in roots if self._costs_nothing(name, category, row)]
        selected = max(near or roots, key=lambda name: self._free_bytes[self._drives[name]])
        if not near:
            self._free_bytes[self._drives[selected]] -= row["size_bytes"]
        elif len(near) == 1:
            self._sole[category, row["source"]] = selected
        return selected

    def _costs_nothing(self, name: str, category: str, row: dict[str, Any]) -> bool:
        if row["staged"] or self._options.mode not in (Mode.AUTO, Mode.HARDLINK, Mode.MOVE):
            return False
        return self._drives[name] == self._sources.get((category, row["source"]))


def drive_of(path: Path) -> tuple[int, int]:
    """The number of the drive that a path is on, and its free bytes."""
    return path.stat().st_dev, shutil.disk_usage(path).free
