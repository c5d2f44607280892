"""Walking an archive and the archives inside it."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Literal

from naturalist.archives.kinds import HEAD_BYTES, PACKINGS, Kind, kind_from
from naturalist.archives.limits import MIB, RATIO_FLOOR_BYTES, ArchiveLimits, Budget
from naturalist.archives.streams import (
    PIECE_BYTES,
    Entry,
    Forward,
    ForwardFile,
    Joined,
    Readable,
    Unpacked,
    broken,
    decompressor,
    file_size,
)
from naturalist.archives.tars import tar_entries
from naturalist.archives.zips import zip_entries
from naturalist.errors import PictureError, StorageFull, WorkspaceError
from naturalist.reasons import Reason

_SPOOL_MEMORY_BYTES = 16 * MIB


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside an archive.

    `path` holds its name as bytes, exactly as stored up to the first NUL, one name per level of
    nesting; `occurrence` counts files of equal path from 0, so that the two together are unique.
    `size_bytes` was measured where `data` is there and is what the archive claims otherwise.
    `head` is the beginning of the file, at most `HEAD_BYTES`, empty when nothing was read.

    A `kind` of "archive" is a nested archive: it comes after its members, with a `refusal` where
    not all of it could be walked, and never has `data`. A "file" has either its `data`, a
    `refusal`, or neither when `wanted` said no.
    """

    path: tuple[bytes, ...]
    occurrence: int
    size_bytes: int
    kind: Literal["file", "archive"] = "file"
    head: bytes = b""
    data: bytes | None = None
    refusal: PictureError | None = None


def members(
    path: Path,
    limits: ArchiveLimits,
    scratch: Path,
    *,
    wanted: Callable[[bytes], bool] | None = None,
) -> Iterator[Member]:
    """Yield every file in the archive at `path`, in stored order; folders are no files.

    `wanted` is shown the first `HEAD_BYTES` of a file and says whether to read all of it. What it
    does not want is walked too where it is an archive. Without it everything else is read whole.
    Memory: about twice the largest delivered member, and 100 bytes per name. Zips inside archives
    are held in a nameless file in the folder `scratch` while they are walked; it needs no
    clearing up, whatever happens.

    Raises `PictureError` at the first step when `path` cannot be read as an archive, and after all
    that was readable has been yielded when it is damaged or passes a limit. Raises `StorageFull`
    or `WorkspaceError` when `scratch` cannot be written.
    """
    try:
        with path.open("rb") as file:
            budget = Budget(limits, file_size(file))
            entries = _file_entries(file, budget)
            yield from _Walk(limits, scratch, wanted).archive(entries, (), budget)
    except OSError as error:
        raise _reading_failed(error) from error


class _Walk:
    """One walk: what it was asked for, and the paths it has seen."""

    def __init__(
        self, limits: ArchiveLimits, scratch: Path, wanted: Callable[[bytes], bool] | None
    ) -> None:
        self._limits = limits
        self._scratch = scratch
        self._wanted = wanted
        self._occurrence = _Occurrences()

    def archive(
        self, entries: Iterator[Entry], inside: tuple[bytes, ...], budget: Budget
    ) -> Iterator[Member]:
        """Yield what `entries` list of the archive whose own path is `inside`."""
        for entry in entries:
            budget.count_member()
            path = (*inside, entry.name)
            member = Member(path, self._occurrence(path), entry.size_bytes)
            try:
                found = self._look(entry, member)
            except PictureError as error:
                found = replace(member, refusal=error)
            if isinstance(found, _Nested):
                yield from self._nested(found, member, budget)
                continue
            yield found
            if found.refusal and budget.exhausted:
                raise found.refusal

    def _look(self, entry: Entry, member: Member) -> "Member | _Nested":
        if entry.refusal:
            raise entry.refusal
        body = entry.open()
        head = body.read(HEAD_BYTES)
        if self._wanted and self._wanted(head):
            return replace(member, head=head, data=self._whole(entry, head, body))
        kind, start = kind_from(head, body.read)
        if kind:
            return _Nested(kind, entry, head, Joined(start, body))
        if self._wanted:
            return replace(member, head=head)
        return replace(member, head=head, data=self._whole(entry, start, body))

    def _whole(self, entry: Entry, start: bytes, body: Readable) -> bytes:
        if entry.size_bytes > self._limits.max_member_bytes:
            raise PictureError(
                Reason.TOO_LARGE,
                f"{entry.size_bytes:,} bytes in one archive member, limits.max_member_bytes is "
                f"{self._limits.max_member_bytes:,}",
            )
        self._check_ratio(entry)
        left_bytes = entry.size_bytes - len(start)
        return start + body.read(left_bytes) if left_bytes else start

    def _check_ratio(self, entry: Entry) -> None:
        allowed_bytes = self._limits.max_archive_ratio * entry.packed_bytes
        if entry.size_bytes > max(RATIO_FLOOR_BYTES, allowed_bytes):
            raise PictureError(
                Reason.ARCHIVE_RATIO,
                f"{entry.packed_bytes:,} bytes would unpack to {entry.size_bytes:,}, "
                f"limits.max_archive_ratio is {self._limits.max_archive_ratio:g}",
            )

    def _nested(self, nested: "_Nested", member: Member, budget: Budget) -> Iterator[Member]:
        """Yield the members of an archive inside an archive, then the archive itself."""
        refusal = None
        try:
            if len(member.path) >= self._limits.max_archive_depth:
                raise PictureError(
                    Reason.ARCHIVE_TOO_DEEP,
                    f"limits.max_archive_depth is {self._limits.max_archive_depth}",
                )
            self._check_ratio(nested.entry)
            inner = budget.inside(nested.entry.size_bytes)
            with _nested_entries(nested, self._scratch, inner) as entries:
                yield from self.archive(entries, member.path, inner)
        except PictureError as error:
            refusal = error
        yield replace(member, kind="archive", head=nested.head, refusal=refusal)
        if refusal and budget.exhausted:
            raise refusal


@dataclass(frozen=True, slots=True)
class _Nested:
    """An archive found inside another one, at its beginning."""

    kind: Kind
    entry: Entry
    head: bytes
    body: Readable


class _Occurrences:
    """Counts how often a path was seen, holding 8 bytes of hash per path and not the path.

    Two paths with equal hashes would count as one; path and occurrence are unique all the same.
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()
        self._repeats: dict[int, int] = {}

    def __call__(self, path: tuple[bytes, ...]) -> int:
        named = b"".join(b"%d:%b" % (len(name), name) for name in path)
        key = int.from_bytes(blake2b(named, digest_size=8).digest())
        if key not in self._seen:
            self._seen.add(key)
            return 0
        self._repeats[key] = self._repeats.get(key, 0) + 1
        return self._repeats[key]


def _file_entries(file: IO[bytes], budget: Budget) -> Iterator[Entry]:
    kind, _ = kind_from(file.read(HEAD_BYTES), file.read)
    file.seek(0)
    if kind is None:
        raise broken("neither a zip nor a tar, or its beginning is damaged")
    if kind == "zip":
        return zip_entries(file, budget.spend)
    if kind == "tar":
        return tar_entries(ForwardFile(file, budget.spend))
    return tar_entries(Forward(_unpacked(kind, file), budget.spend))


@contextmanager
def _nested_entries(nested: _Nested, scratch: Path, budget: Budget) -> Iterator[Iterator[Entry]]:
    """The entries of an archive that can only be read forward; a zip has to be stored for that."""
    if nested.kind != "zip":
        yield tar_entries(Forward(_unpacked(nested.kind, nested.body), budget.spend))
        return
    with SpooledTemporaryFile(_SPOOL_MEMORY_BYTES, dir=str(scratch)) as spool:
        while piece := nested.body.read(PIECE_BYTES):
            with _writing_to(scratch):
                spool.write(piece)
        with _writing_to(scratch):
            spool.seek(0)
        yield zip_entries(spool, budget.spend)


def _unpacked(kind: Kind, packed: Readable) -> Readable:
    packing = PACKINGS.get(kind)
    return Unpacked(packed.read, decompressor(packing), packing) if packing else packed


@contextmanager
def _writing_to(scratch: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(
                f"no space left in {scratch}, where zips inside archives are unpacked"
            ) from error
        raise WorkspaceError(f"cannot unpack a nested zip in {scratch}: {error}") from error


def _reading_failed(error: OSError) -> PictureError:
    reasons = {FileNotFoundError: Reason.VANISHED, PermissionError: Reason.PERMISSION_DENIED}
    return PictureError(reasons.get(type(error), Reason.READ_ERROR), str(error.strerror or error))
