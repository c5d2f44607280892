"""Names of groups of pictures, kept beside the table that says which picture is in which group."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.errors import WorkspaceError


@dataclass(frozen=True)
class KeptNames:
    """A file of names, and the table whose groups they are for.

    Attributes:
        table: the table.
        path: the file of names, JSON.
        digest: the key in it of the table's SHA-256, by which names of another table are told.
    """

    table: Path
    path: Path
    digest: str

    def write(self, report: dict[str, Any], made_from: str) -> dict[str, Any]:
        """Keep the names of the groups that the table has now; gives the report as it is kept.

        Args:
            report: its `entries` have the `names`, the best first, of each group.
            made_from: fingerprint of what else the names come from.
        """
        table = artifacts.sha256_file(self.table)
        kept = {self.digest: table, "made_from": made_from, **report}
        artifacts.write_json(self.path, kept)
        return kept

    def read(self) -> dict[str, Any] | None:
        """What is kept, whoever wrote it; None without names, or if the table changed since."""
        try:
            kept = artifacts.read_json(self.path)
        except WorkspaceError:
            return None
        if not isinstance(kept, dict) or not self.table.exists():
            return None
        return kept if kept.get(self.digest) == artifacts.sha256_file(self.table) else None

    def read_report(self) -> dict[str, Any] | None:
        """What `write` kept; None as `read`, or if it has no report."""
        kept = self.read()
        expected = {"made_from", "entries", "groups"}
        return kept if kept is not None and expected <= kept.keys() else None

    def read_current(self, made_from: str) -> dict[str, Any] | None:
        """What `write` kept; None as `read_report`, or if it was found from something else."""
        kept = self.read_report()
        return kept if kept is not None and kept["made_from"] == made_from else None
