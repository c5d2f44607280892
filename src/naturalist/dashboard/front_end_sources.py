"""From which sources the pages were built; the build hook and `make front-end` note it beside them.

Imports nothing but the standard library: `hatch_build.py` loads this file before naturalist is
installed.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

STAMP = "built-from.json"
_KEPT_OUT = {"node_modules"}


def static_folder(root: Path) -> Path:
    """Where the built pages of a clone lie."""
    return root / "src" / "naturalist" / "dashboard" / "static"


def is_current(root: Path) -> bool:
    """Whether the pages of a clone were built from the sources as they are."""
    stamp = static_folder(root) / STAMP
    return stamp.is_file() and json.loads(stamp.read_text()).get("sources") == digest(root)


def stamp(root: Path) -> None:
    """Note that the pages of a clone were built from the sources as they are."""
    (static_folder(root) / STAMP).write_text(json.dumps({"sources": digest(root)}) + "\n")


def clone_root() -> Path | None:
    """The clone in which this file lies; None where naturalist was installed from a wheel."""
    root = Path(__file__).resolve().parents[3]
    is_clone = (root / "frontend" / "package.json").is_file() and (
        root / "hatch_build.py"
    ).is_file()
    return root if is_clone else None


def digest(root: Path) -> str:
    """Hex SHA-256 over names and bytes of all sources of the front end."""
    total = hashlib.sha256()
    for path in sorted(_sources(root / "frontend")):
        data = path.read_bytes()
        total.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode() + data)
    return total.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _KEPT_OUT:
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


if __name__ == "__main__":
    stamp(Path(__file__).resolve().parents[3])
