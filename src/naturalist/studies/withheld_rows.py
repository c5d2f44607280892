"""Which rows of a study's table are of pictures that are withheld, and the table's checksum.

A run asks for both of every table of every study, also where nothing changed: the answers of the
run before are used as long as the file and what is withheld are the same.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from naturalist import artifacts, seals
from naturalist.layout import Layout
from naturalist.ledger import Withheld
from naturalist.seals import Seal


@dataclass(frozen=True)
class StudyFiles:
    """The files of a workspace's studies, with the checksums that they were sealed with."""

    layout: Layout
    sealed: dict[str, Seal]

    @classmethod
    def of(cls, layout: Layout) -> "StudyFiles":
        """Those of a workspace as it is now."""
        return cls(layout, seals.read(layout))

    def sha256(self, path: Path) -> str:
        """Hex SHA-256 of a file, which is not read if it is as it was left."""
        seal = self.sealed.get(path.relative_to(self.layout.root).as_posix())
        if seal is not None and seals.is_as_left(path, seal):
            return seal.sha256
        return artifacts.sha256_file(path)

    def withheld(self, path: Path, gone: Withheld) -> list[str]:
        """Pictures of a table, by its column `picID`, that are among those that are gone."""
        if not gone:
            return []
        relative = path.relative_to(self.layout.root)
        return [
            str(name)
            for name in artifacts.remembered(
                self.layout.read_before / relative.with_suffix(".withheld.json"),
                artifacts.fingerprint(self.sha256(path), gone.fingerprint),
                lambda: _look_for(path, gone),
            )
        ]


def _look_for(path: Path, gone: Withheld) -> list[str]:
    named = artifacts.read_parquet(path, ["picID"])["picID"]
    found: list[str] = pc.unique(named.filter(gone.among(named))).to_pylist()
    return found
