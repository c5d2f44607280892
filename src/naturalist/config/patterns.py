"""Source paths with wildcards: which sources they stand for on a day, and what those are called.

`*`, `?` and `[...]` match inside one name, as in a shell; `{ds}` matches a day, written as
2026-11-24. The name of a matched source is that of the pattern and what the wildcards matched: it
depends neither on the other matches nor on the day of the run.
"""

import datetime as dt
import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from naturalist.errors import ConfigError

_MAGIC = re.compile(r"[*?[]|\{ds\}")
_WILDCARDS = re.compile(r"(\{ds\}|\*|\?|\[!?\]?[^]]*\])")
_CLEAN = re.compile(r"[A-Za-z0-9._-]+")
_LONGEST = 60


@dataclass(frozen=True)
class Match:
    """A source that a pattern stands for."""

    name: str
    path: Path


def is_pattern(path: Path) -> bool:
    """Whether a source path has wildcards; one that exists as it is written has none."""
    return _MAGIC.search(str(path)) is not None and not path.exists()


def has_wildcards(text: str) -> bool:
    """Whether a path has wildcards, whatever exists."""
    return _MAGIC.search(text) is not None


def matches(name: str, pattern: Path, until: dt.date) -> list[Match]:
    """Find the sources that a pattern stands for, sorted by path.

    If the folder above the first wildcard is not there (a drive is not mounted), that folder is
    given, so that whoever opens the source says so.

    Args:
        name: the pattern's name.
        pattern: path with wildcards; `**` is not one of them.
        until: the last day that `{ds}` matches.

    Raises:
        ConfigError: the pattern has `**`.
    """
    if any("**" in step for step in pattern.parts):
        raise ConfigError(
            f"source {name!r}: remove ** from {pattern}; sources are always searched to any depth"
        )
    steps = list(pattern.parts)
    first = next(k for k, step in enumerate(steps) if _MAGIC.search(step))
    fixed = Path(*steps[:first])
    if not fixed.is_dir():
        return [Match(name, fixed)]
    result = _walk(fixed, steps[first:], until, ())
    return [Match(_named(name, texts), path) for path, texts in sorted(result)]


def _walk(
    folder: Path, steps: list[str], until: dt.date, texts: tuple[str, ...]
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    if not steps:
        yield folder, texts
    elif not _MAGIC.search(steps[0]):
        if (folder / steps[0]).exists():
            yield from _walk(folder / steps[0], steps[1:], until, texts)
    elif folder.is_dir():
        expected = _expression(steps[0])
        for entry in folder.iterdir():
            fits = None if entry.name.startswith(".") else expected.fullmatch(entry.name)
            if fits and _are_due(fits.groupdict().values(), until):
                yield from _walk(entry, steps[1:], until, (*texts, *fits.groups()))


def _expression(step: str) -> re.Pattern[str]:
    """A name with wildcards as an expression with a group for each; those of days have names."""
    pieces = []
    for k, piece in enumerate(_WILDCARDS.split(step)):
        if piece == "{ds}":
            pieces.append(rf"(?P<day{k}>\d{{4}}-\d{{2}}-\d{{2}})")
        elif piece in ("*", "?"):
            pieces.append("(.*)" if piece == "*" else "(.)")
        elif _WILDCARDS.fullmatch(piece):
            inside = piece[1:-1].replace("\\", r"\\")
            inside = "^" + inside[1:] if inside.startswith("!") else inside.replace("^", r"\^")
            pieces.append(f"([{inside}])")
        else:
            pieces.append(re.escape(piece))
    return re.compile("".join(pieces), re.DOTALL)


def _are_due(days: Iterable[str], until: dt.date) -> bool:
    try:
        return all(dt.date.fromisoformat(day) <= until for day in days)
    except ValueError:
        return False


def _named(name: str, texts: tuple[str, ...]) -> str:
    plain = "+".join(texts)
    if all(_CLEAN.fullmatch(text) for text in texts) and len(plain) <= _LONGEST:
        return f"{name}-{plain}"
    return f"{name}-{_cleaned(plain)}+{_digest(*texts)}"


def _cleaned(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text)[:_LONGEST]


def _digest(*texts: str) -> str:
    # Cleaning may make two texts equal; this does not.
    joined = "\0".join(texts).encode("utf-8", "surrogateescape")
    return hashlib.sha256(joined).hexdigest()[:12]


def new_images(folder: Path, categories: Iterable[str]) -> dict[str, Match]:
    """The sources in a folder that has a folder for each category (some may be missing).

    Args:
        folder: absolute path.
        categories: names of all categories.

    Raises:
        ConfigError: it has no folder of that kind.
    """
    name = f"new-{_cleaned(folder.name)}+{_digest(str(folder))}"
    result = {c: Match(name, folder / c) for c in categories if (folder / c).exists()}
    if not result:
        raise ConfigError(
            f"new images: {folder} does not exist, or has no folder named after a category "
            f"({', '.join(categories)})"
        )
    return result
