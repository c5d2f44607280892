"""On which drive each new picture is kept."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

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

    def of_all(self, findings: pa.Table) -> pa.Array:
        """The root of each picture of a batch, as one call after another would name it.

        Args:
            findings: (schema FINDINGS, and `category`) of pictures, in listing order.
        """
        columns = ["category", "source", "staged"]
        groups = findings.group_by(columns, use_threads=False).aggregate([]).to_pylist()
        certain = [self._certain(row["category"], row) for row in groups]
        if None in certain:
            rows = findings.select([*columns, "size_bytes"]).to_pylist()
            return pa.array([self(row["category"], row) for row in rows], pa.string())
        place = {tuple(row.values()): k for k, row in enumerate(groups)}
        keys = zip(*(findings[name].to_pylist() for name in columns), strict=True)
        names = pa.array([name or None for name in certain], pa.string())
        return names.take(pa.array([place[key] for key in keys], pa.int32()))

    def _certain(self, category: str, row: dict[str, Any]) -> str | None:
        """The root of all rows like this one; "" for none, None if it depends on free space."""
        if self._options.mode is Mode.REFERENCE and not row["staged"]:
            return ""
        near = [
            n for n in self._options.roots_of(category) if self._costs_nothing(n, category, row)
        ]
        if len(near) == 1:
            return near[0]
        return self._options.all_roots[0] if len(self._options.all_roots) == 1 else None

    def _costs_nothing(self, name: str, category: str, row: dict[str, Any]) -> bool:
        if row["staged"] or self._options.mode not in (Mode.AUTO, Mode.HARDLINK, Mode.MOVE):
            return False
        return self._drives[name] == self._sources.get((category, row["source"]))


def drive_of(path: Path) -> tuple[int, int]:
    """The number of the drive that a path is on, and its free bytes."""
    return path.stat().st_dev, shutil.disk_usage(path).free
