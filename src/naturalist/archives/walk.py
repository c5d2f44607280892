"""Walking an archive and the archives inside it."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import IO, Literal, Protocol

from naturalist.archives.documents import document_kind
from naturalist.archives.embedded import hidden_kind, may_hide_archive
from naturalist.archives.kinds import (
    HEAD_BYTES,
    PACKINGS,
    SEEKING,
    SINGLE_PACKINGS,
    Kind,
    kind_from,
)
from naturalist.archives.limits import MIB, RATIO_FLOOR_BYTES, ArchiveLimits, Budget
from naturalist.archives.seven_zips import seven_zip_entries
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
from naturalist.archives.unread import is_piece, split, unread_archive
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


class Choice(Protocol):
    """Which members a source leaves out; both calls give a reason, or None to take a member."""

    def refuse_unopened(self, path: tuple[bytes, ...]) -> PictureError | None:
        """Asked of every member before it is opened."""

    def refuse_file(self, path: tuple[bytes, ...]) -> PictureError | None:
        """Asked of a member that was opened and is no archive."""


@dataclass(frozen=True)
class WalkOptions:
    """What is taken from archives.

    Attributes:
        accepts: is shown the first `HEAD_BYTES` of a file and says whether to read all of it. What
            it does not want is walked too where it is an archive. Without it everything else is
            read whole.
        choice: leaves members out by their names.
        open_documents: walk documents too (`document_kind`), which are refused otherwise.
    """

    accepts: Callable[[bytes], bool] | None = None
    choice: Choice | None = None
    open_documents: bool = True


def find_archive(file: IO[bytes], name: bytes) -> tuple[Kind, int] | None:
    """The kind of archive that a file is, and where it begins in the file; None if it is none.

    Raises `PictureError` when it is an archive that is not read.
    """
    head = file.read(HEAD_BYTES)
    kind, _ = kind_from(head, file.read)
    if kind is not None:
        return kind, 0
    if may_hide_archive(head, name) and (result := hidden_kind(file)) is not None:
        return result
    if (error := unread_archive(head, name)) is not None:
        raise error
    return None


def members(
    path: Path,
    limits: ArchiveLimits,
    scratch: Path,
    options: WalkOptions = WalkOptions(),
    *,
    name: bytes | None = None,
) -> Iterator[Member]:
    """Yield every file in the archive at `path`, in stored order; folders are no files.

    `name` is what the archive is called, if that is not the name of `path`. Memory: about twice the
    largest delivered member, and 100 bytes per name. Zips and 7z archives inside archives are held
    in a nameless file in the folder `scratch` while they are walked; it needs no clearing up,
    whatever happens.

    Raises `PictureError` at the first step when `path` cannot be read as an archive, and after all
    that was readable has been yielded when it is damaged or passes a limit. Raises `StorageFull`
    or `WorkspaceError` when `scratch` cannot be written.
    """
    called = os.fsencode(path.name) if name is None else name.rpartition(b"/")[2]
    try:
        with path.open("rb") as file:
            budget = Budget(limits, file_size(file))
            entries = _file_entries(file, called, budget)
            yield from _Walk(limits, scratch, options).archive(entries, (), budget)
    except OSError as error:
        raise _reading_failed(error) from error
    except PictureError as error:
        if error.reason is Reason.ARCHIVE_BROKEN and is_piece(called):
            raise split("one part of a split archive") from error
        raise


class _Walk:
    """One walk: what it was asked for, and the paths it has seen."""

    def __init__(self, limits: ArchiveLimits, scratch: Path, options: WalkOptions) -> None:
        self._limits = limits
        self._scratch = scratch
        self._options = options
        self._occurrence = _Occurrences()

    def archive(
        self, entries: Iterator[Entry], inside: tuple[bytes, ...], budget: Budget
    ) -> Iterator[Member]:
        """Yield what `entries` list of the archive whose own path is `inside`."""
        for entry in entries:
            budget.count_member()
            path = (*inside, entry.name)
            size_bytes = entry.packed_bytes if entry.size_bytes is None else entry.size_bytes
            member = Member(path, self._occurrence(path), size_bytes)
            try:
                result = self._look(entry, member)
            except PictureError as error:
                result = replace(member, refusal=error)
            if isinstance(result, _Nested):
                yield from self._nested(result, member, budget)
                continue
            yield result
            if result.refusal and budget.exhausted:
                raise result.refusal

    def _look(self, entry: Entry, member: Member) -> "Member | _Nested":
        choice, expected = self._options.choice, self._options.accepts
        if choice and (error := choice.refuse_unopened(member.path)):
            raise error
        if entry.refusal:
            raise entry.refusal
        body = entry.open()
        head = body.read(HEAD_BYTES)
        is_wanted = expected is not None and expected(head)
        kind, start = (None, head) if is_wanted else kind_from(head, body.read)
        if kind:
            self._refuse_document(head, entry.name)
            return _Nested(kind, entry, head, Joined(start, body))
        if not is_wanted and may_hide_archive(head, entry.name.rpartition(b"/")[2]):
            start = self._whole(entry, start, body)
            if result := hidden_kind(io.BytesIO(start)):
                hidden, at = result
                return _Nested(hidden, entry, head, io.BytesIO(start[at:]))
        if choice and (error := choice.refuse_file(member.path)):
            raise error
        if expected and not is_wanted:
            if error := unread_archive(head, entry.name):
                raise error
            return replace(member, head=head)
        data = self._whole(entry, start, body)
        return replace(member, head=head, data=data, size_bytes=len(data))

    def _refuse_document(self, head: bytes, name: bytes) -> None:
        if not self._options.open_documents and (what := document_kind(head, name)):
            raise document_refusal(what)

    def _whole(self, entry: Entry, start: bytes, body: Readable) -> bytes:
        if entry.size_bytes is None:
            return self._whole_of_unknown_size(entry, start, body)
        if entry.size_bytes > self._limits.max_member_bytes:
            raise self._too_large(f"{entry.size_bytes:,} bytes in one archive member")
        self._check_ratio(entry, entry.size_bytes)
        left_bytes = entry.size_bytes - len(start)
        return start + body.read(left_bytes) if left_bytes > 0 else start

    def _whole_of_unknown_size(self, entry: Entry, start: bytes, body: Readable) -> bytes:
        """The same of a packed file, whose size only unpacking tells."""
        pieces, size_bytes = [start], len(start)
        while piece := body.read(PIECE_BYTES):
            pieces.append(piece)
            size_bytes += len(piece)
            if size_bytes > self._limits.max_member_bytes:
                raise self._too_large(f"more than {size_bytes - 1:,} bytes in one compressed file")
            self._check_ratio(entry, size_bytes)
        return b"".join(pieces)

    def _too_large(self, what: str) -> PictureError:
        return PictureError(
            Reason.TOO_LARGE,
            f"{what}, limits.max_member_bytes is {self._limits.max_member_bytes:,}",
        )

    def _check_ratio(self, entry: Entry, size_bytes: int) -> None:
        allowed_bytes = self._limits.max_archive_ratio * entry.packed_bytes
        if size_bytes > max(RATIO_FLOOR_BYTES, allowed_bytes):
            raise PictureError(
                Reason.ARCHIVE_RATIO,
                f"{entry.packed_bytes:,} bytes would unpack to {size_bytes:,}, "
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
            if nested.entry.size_bytes is not None:
                self._check_ratio(nested.entry, nested.entry.size_bytes)
            inner = budget.inside(member.size_bytes)
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


def document_refusal(what: str) -> PictureError:
    """The error for a document that is a zip inside."""
    return PictureError(
        Reason.DOCUMENT,
        f'{what}, which is a zip inside: documents = "open" opens those of a source',
    )


def _file_entries(file: IO[bytes], name: bytes, budget: Budget) -> Iterator[Entry]:
    result = find_archive(file, name)
    if result is None:
        raise broken("not a supported archive, or its first bytes are damaged")
    kind, start = result
    file.seek(start)
    if kind in SEEKING:
        return _seeking_entries(kind, file, budget)
    if kind == "tar":
        return tar_entries(ForwardFile(file, budget.spend))
    return _packed_entries(kind, file, name, file_size(file), budget)


def _seeking_entries(kind: Kind, file: IO[bytes], budget: Budget) -> Iterator[Entry]:
    if kind == "7z":
        return seven_zip_entries(file, budget.spend, budget.limits)
    return zip_entries(file, budget.spend)


def _packed_entries(
    kind: Kind, packed: Readable, name: bytes, packed_bytes: int, budget: Budget
) -> Iterator[Entry]:
    """The entries of a tar, packed or not, or the one file that is packed alone."""
    stream = Forward(_unpacked(kind, packed), budget.spend)
    if kind not in SINGLE_PACKINGS:
        return tar_entries(stream)
    return iter([Entry(_without_ending(name), None, packed_bytes, lambda: stream)])


def _without_ending(name: bytes) -> bytes:
    """What a packed file is called when it is unpacked."""
    base = name.rpartition(b"/")[2]
    stem, _, ending = base.rpartition(b".")
    return stem if stem and ending.lower() in _PACKED_ENDINGS else base


_PACKED_ENDINGS = frozenset({b"gz", b"gzip", b"z", b"bz2", b"xz", b"zst", b"zstd", b"lz4"})


@contextmanager
def _nested_entries(nested: _Nested, scratch: Path, budget: Budget) -> Iterator[Iterator[Entry]]:
    """The entries of an archive that can only be read forward; some have to be stored for that."""
    name, packed_bytes = nested.entry.name, nested.entry.packed_bytes
    if nested.kind not in SEEKING:
        yield _packed_entries(nested.kind, nested.body, name, packed_bytes, budget)
        return
    with SpooledTemporaryFile(_SPOOL_MEMORY_BYTES, dir=str(scratch)) as spool:
        while piece := nested.body.read(PIECE_BYTES):
            with _writing_to(scratch):
                spool.write(piece)
        with _writing_to(scratch):
            spool.seek(0)
        yield _seeking_entries(nested.kind, spool, budget)


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
                f"no space left in {scratch}, where archives inside archives are unpacked"
            ) from error
        raise WorkspaceError(f"cannot unpack a nested zip in {scratch}: {error}") from error


def _reading_failed(error: OSError) -> PictureError:
    reasons = {FileNotFoundError: Reason.VANISHED, PermissionError: Reason.PERMISSION_DENIED}
    return PictureError(reasons.get(type(error), Reason.READ_ERROR), str(error.strerror or error))
