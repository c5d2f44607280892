"""Write or check the lock files: every package with its version and the hashes of its files.

Usage: python tools/write_locks.py [--check] [--upgrade]

Needs `uv`. Versions that are locked stay while they fit; `--upgrade` takes the newest. `--check`
needs no network: it ends with 1 if a requirement of pyproject.toml is not met by its lock file, or
a locked package has no hash.
"""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "constraints"
OLDEST_PYTHON = "3.11"
LOCKS = {
    "locked.txt": (("all", "demo"), ()),
    "locked-dev.txt": (("analysis", "dashboard"), ("dev", "docs")),
}
"""Extras and dependency groups of each file."""
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", re.MULTILINE)
_HEAD = "# Written by tools/write_locks.py, for every system and Python {python} or newer. {use}\n"
_USE = {
    "locked.txt": "Use: pip install --require-hashes -r locked.txt",
    "locked-dev.txt": "Used by the Makefile for .venv.",
}


def write(name: str, *, upgrade: bool) -> None:
    """Resolve and write one file."""
    extras, groups = LOCKS[name]
    command = [_uv(), "pip", "compile", "pyproject.toml", "--universal", "--generate-hashes"]
    command += ["--python-version", OLDEST_PYTHON, "--no-header", "--no-emit-index-url", "--quiet"]
    command += [word for extra in extras for word in ("--extra", extra)]
    command += [word for group in groups for word in ("--group", group)]
    command += ["--upgrade"] if upgrade else []
    path = FOLDER / name
    subprocess.run([*command, "--output-file", str(path)], cwd=ROOT, check=True)
    # Whoever writes the lock has an index of their own; its address is nobody's business.
    lines = [line for line in path.read_text().splitlines() if "://" not in line]
    path.write_text(_HEAD.format(python=OLDEST_PYTHON, use=_USE[name]) + "\n".join(lines) + "\n")


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    return str(beside) if beside.exists() else shutil.which("uv") or sys.exit("uv is not installed")


def faults(name: str) -> list[str]:
    """What is wrong with one file."""
    text = (FOLDER / name).read_text()
    pinned = {canonicalize_name(one): version for one, version in _PINNED.findall(text)}
    found = [f"{name}: {one}" for one in _unmet(name, pinned)]
    entries = [one for one in re.split(r"\n(?=[A-Za-z0-9])", text) if _PINNED.match(one)]
    bare = [one for one in entries if "--hash=sha256:" not in one]
    return found + [f"{name}: {one.partition('==')[0]} has no hash" for one in bare]


def _unmet(name: str, pinned: dict[str, str]) -> list[str]:
    extras, groups = LOCKS[name]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    optional = project["project"]["optional-dependencies"]
    wanted = list(project["project"]["dependencies"])
    for extra in extras:
        wanted += optional[extra]
    for group in groups:
        wanted += _of_group(project["dependency-groups"], group)
    result = []
    while wanted:
        requirement = Requirement(wanted.pop())
        if requirement.name == "naturalist":
            wanted += [one for extra in requirement.extras for one in optional[extra]]
            continue
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None or version not in requirement.specifier:
            result.append(f"{requirement} is not met by {version or 'anything'}")
    return result


def _of_group(groups: dict[str, list[str | dict[str, str]]], name: str) -> list[str]:
    found: list[str] = []
    for one in groups[name]:
        found += [one] if isinstance(one, str) else _of_group(groups, one["include-group"])
    return found


def main() -> None:
    """Write or check all files."""
    if "--check" not in sys.argv:
        for name in LOCKS:
            write(name, upgrade="--upgrade" in sys.argv)
    if found := [one for name in LOCKS for one in faults(name)]:
        sys.exit("\n".join(found) + "\nrun  make locks")


if __name__ == "__main__":
    main()
