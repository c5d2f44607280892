"""Finding the metadata files of a rule: in a folder, in an archive, in a bucket, or beside."""

import codecs
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from naturalist.archives import ArchiveLimits, WalkOptions, archive_kind, members
from naturalist.errors import PictureError, SourceError
from naturalist.metadata.rules import FileRule, SourceRules
from naturalist.stores.remote import RemoteFolder, fetch_remote, list_remote

INSIDE = "!/"
"""Stands between an archive and the path inside it."""
MAX_BYTES = 4 << 30
_WILDCARDS = re.compile(r"[*?[]")
_PARQUET = b"PAR1"


@dataclass(frozen=True)
class MetadataFile:
    """A metadata file that was found.

    Attributes:
        path: where its bytes lie now.
        name: for people: path inside the source, or the whole path of one beside it.
        folder: folder that its keys may be relative to, as a path inside the source (or inside
            the archive that the file was in); empty for the root.
    """

    path: Path
    name: str
    folder: str


def stamps(rules: SourceRules, rule: FileRule) -> list[list[str | int]]:
    """Name, size and time of what the files of a rule are read from; nothing is opened."""
    location, expected = rules.location, rule.file
    if isinstance(location, RemoteFolder):
        fits = _expression(expected)
        listed = [file for file in list_remote(location) if fits.fullmatch(file.key)]
        return [[file.key, file.size_bytes, file.time_ns] for file in listed]
    paths = [location] if location.is_file() else _glob(location, expected.partition(INSIDE)[0])
    beside = rules.beside / Path(expected).expanduser()
    paths += [beside] if beside.is_file() else []
    return [[str(p), p.stat().st_size, p.stat().st_mtime_ns] for p in paths]


def find_files(rules: SourceRules, rule: FileRule, scratch: Path) -> list[MetadataFile]:
    """Find the files of a rule, in order of their names.

    Args:
        rules: the source.
        rule: one of its rules.
        scratch: folder for copies of files that are in archives or buckets.

    Raises:
        SourceError: there is none.
    """
    result = sorted(_inside(rules, rule, scratch), key=lambda file: file.name)
    if not result:
        beside = rules.beside / Path(rule.file).expanduser()
        if not beside.is_file():
            raise SourceError(
                f"{rules.where}: metadata file {rule.file!r} was not found in the source "
                f"({rules.location}) or at {beside}. Correct `file` in the metadata section"
            )
        result = [MetadataFile(beside, str(beside), "")]
    return result


def _inside(rules: SourceRules, rule: FileRule, scratch: Path) -> Iterator[MetadataFile]:
    location, expected = rules.location, rule.file
    if Path(expected).is_absolute() or expected.startswith("~"):
        return
    if isinstance(location, RemoteFolder):
        yield from _in_bucket(location, expected, scratch)
    elif location.is_file():
        yield from _in_archive(location, expected, scratch, "")
    elif INSIDE in expected:
        archive, _, rest = expected.partition(INSIDE)
        for path in _glob(location, archive):
            name = path.relative_to(location).as_posix()
            yield from _in_archive(path, rest, scratch, f"{name}{INSIDE}")
    else:
        for path in _glob(location, expected):
            name = path.relative_to(location).as_posix()
            yield MetadataFile(path, name, _folder_of(name))


def _glob(root: Path, pattern: str) -> list[Path]:
    if (root / pattern).is_file():
        return [root / pattern]
    if not _WILDCARDS.search(pattern):
        return []
    return [path for path in sorted(root.glob(pattern)) if path.is_file()]


def _folder_of(name: str) -> str:
    parent = PurePosixPath(name).parent.as_posix()
    return "" if parent == "." else parent


def _in_archive(archive: Path, pattern: str, scratch: Path, prefix: str) -> Iterator[MetadataFile]:
    fits = _expression(pattern)
    limits = ArchiveLimits(max_member_bytes=MAX_BYTES)
    options = WalkOptions(_may_be_metadata)
    try:
        for member in members(archive, limits, scratch, options):
            name = INSIDE.join(os.fsdecode(part) for part in member.path).replace("\\", "/")
            if member.data is not None and fits.fullmatch(name):
                path = scratch / f"member-{len(list(scratch.iterdir()))}"
                path.write_bytes(member.data)
                inner = name.rpartition(INSIDE)[2]
                yield MetadataFile(path, prefix + name, _folder_of(inner))
    except PictureError as error:
        raise SourceError(f"{archive}: its metadata cannot be read ({error})") from error


def _may_be_metadata(head: bytes) -> bool:
    """Whether a member may be text or Parquet; pictures are not unpacked for nothing."""
    if head.startswith((_PARQUET, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return b"\0" not in head and archive_kind(head) is None


def _expression(pattern: str) -> re.Pattern[str]:
    """A path with wildcards as an expression: ``*`` stays in a folder, ``**/`` does not."""
    pieces = re.split(r"(\*\*/|\*|\?)", pattern)
    known = {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(known.get(piece, re.escape(piece)) for piece in pieces))


def _in_bucket(folder: RemoteFolder, pattern: str, scratch: Path) -> Iterator[MetadataFile]:
    fits = _expression(pattern)
    for number, file in enumerate(list_remote(folder)):
        if file.is_readable and fits.fullmatch(file.key):
            path = scratch / f"object-{number}"
            try:
                fetch_remote(folder, file.key, path)
            except PictureError as error:
                raise SourceError(f"{folder}/{file.key}: {error}") from error
            yield MetadataFile(path, file.key, _folder_of(file.key))
