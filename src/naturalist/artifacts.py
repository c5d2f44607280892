"""Writing files whole or not at all, and the receipts that say what was made from what.

An artifact is written to a temporary name beside its place, flushed to the disk and renamed.
Its receipt is written after it. *Done* means: the receipt is there and its fingerprint is the one
that the inputs and options give now.
"""

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from naturalist import __version__
from naturalist.errors import MemoryShort, StorageFull, WorkspaceError
from naturalist.layout import receipt_name, receipt_path
from naturalist.small_files import SETTLED_NS, Look, Stamp, is_settled, stamp_of

T = TypeVar("T")

TEMPORARY_SUFFIX = ".tmp"
_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True)
class Receipt:
    """What is known of a finished artifact; is beside it as JSON."""

    fingerprint: str
    rows: int
    sha256: dict[str, str]
    """File name to hex digest, for each file that the receipt vouches for."""
    made_by: str = __version__
    duration_s: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)


@contextlib.contextmanager
def storage_errors(what: str) -> Iterator[None]:
    """Turn trouble with the workspace's own drive into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageFull(
                f"no space left while writing {what}: free some space and run the same command "
                "again; finished work is kept"
            ) from error
        raise WorkspaceError(
            f"cannot write {what} ({error.strerror or error}): check the drive and its "
            "permissions and run the same command again; finished work is kept"
        ) from error


@contextlib.contextmanager
def memory_errors(action: Callable[[], str]) -> Iterator[None]:
    """Turn want of memory into an error that says what to do; it is no property of a picture.

    Args:
        action: gives what needs the memory, such as "decoding plant_id_7"; called when it is short.

    Raises:
        MemoryShort: there is no memory left.
    """
    try:
        yield
    except MemoryError as error:
        needed = f": {error}" if str(error) else ""
        raise MemoryShort(f"no memory left while {action()}{needed}. {MEMORY_ADVICE}") from error


def raise_if_machine(error: OSError) -> None:
    """Tell the machine's own shortage from trouble with one file.

    Raises:
        MemoryError: the system has no memory.
        WorkspaceError: too many files are open.
    """
    if error.errno == errno.ENOMEM:
        raise MemoryError(error.strerror) from error
    if error.errno in (errno.EMFILE, errno.ENFILE):
        raise WorkspaceError(
            f"too many open files ({error.strerror}): raise the limit (ulimit -n) and run the "
            "same command again; nothing was recorded for the file"
        ) from error


DAMAGE_ADVICE = (
    "run `naturalist verify --repair`, which rebuilds what can be made again; restore anything "
    "else from a backup"
)
MEMORY_ADVICE = (
    "Nothing was recorded about the picture, and finished work is kept. Run the same "
    "command again with more memory, a higher limit (ulimit -v, the container's) or fewer "
    "workers (extract.workers); or lower limits.max_whole_pixels, which refuses larger pictures"
)


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; on success it becomes `path`, on failure nothing does.

    Raises:
        StorageFull: there is no space left.
        WorkspaceError: the drive refuses in another way.
    """
    with storage_errors(str(path)):
        make_folder(path.parent)
        unique = f"{os.getpid()}-{secrets.token_hex(4)}"
        temporary = path.with_name(_temporary_name(path, unique))
        try:
            yield temporary
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _temporary_name(path: Path, unique: str) -> str:
    return f".{path.name[:100]}.{unique}{TEMPORARY_SUFFIX}"


def sync(path: Path) -> None:
    """Flush a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> None:
    """Make a folder and its parents where they are missing; a power cut leaves those that it made.

    Flushing a folder keeps the names in it, but not its own name in its parent.
    """
    if path.is_dir():
        return
    missing = [one for one in (path, *path.parents) if not one.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync(one.parent)


def sync_file_system(folder: Path) -> None:
    """Flush everything on the drive of a folder that was written so far: files, names and links.

    One call for a thousand files, where flushing each alone would take a thousand times as long.

    Raises:
        StorageFull, WorkspaceError: something could not be written.
    """
    with storage_errors(str(folder)):
        handle = os.open(folder, os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).syncfs(handle):
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number), str(folder))
        finally:
            os.close(handle)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a small file, whole or not at all; one that has these bytes already is left alone."""
    if path.is_file() and path.read_bytes() == data:
        return
    with atomic(path) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON with sorted keys."""
    write_bytes(path, (json.dumps(value, indent=1, sort_keys=True) + "\n").encode())


def remembered(path: Path, expected: str, make: Callable[[], Any]) -> Any:
    """A value that JSON can hold, which `make` gives and a file remembers.

    Args:
        path: the file; it is only a copy of what `make` gives, and can be deleted at any time.
        expected: fingerprint of everything that the value is made from.
        make: called if the file has the value for something else, or is damaged.
    """
    held = recalled(path, expected)
    if held is not None:
        return held
    value = make()
    remember(path, expected, value)
    return value


def recalled(path: Path, expected: str) -> Any:
    """The value that a file remembers for `expected`; None if it has none or is damaged."""
    with contextlib.suppress(OSError, ValueError, TypeError, LookupError):
        held = json.loads(path.read_bytes())
        value = held["value"]
        if held["fingerprint"] == expected and held["sha256"] == fingerprint(expected, value):
            return value
    return None


def remember(path: Path, expected: str, value: Any) -> None:
    """Write what `recalled` gives as long as `expected` is the same."""
    sealed = fingerprint(expected, value)
    write_json(path, {"fingerprint": expected, "value": value, "sha256": sealed})


def read_json(path: Path) -> Any:
    """Read a JSON file of the workspace; None if there is none.

    Raises:
        WorkspaceError: it is no JSON.
    """
    try:
        return parse_json(path, path.read_bytes())
    except FileNotFoundError:
        return None


def parse_json(path: Path, data: bytes) -> Any:
    """The value of a JSON file of the workspace whose bytes are `data`.

    Raises:
        WorkspaceError: it is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WorkspaceError(f"{path} is damaged ({error}): {DAMAGE_ADVICE}") from error


def read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a Parquet file that was written here.

    Raises:
        WorkspaceError: it is gone or damaged.
    """
    # Not by `pq.read_table`, whose data sets take longer to set up than most files to read.
    with _reading(path), pq.ParquetFile(path) as file:
        table = file.read(columns)
        if columns is None:
            return table
        if missing := set(columns) - set(table.column_names):
            raise pa.ArrowInvalid(f"it has no column {', '.join(sorted(missing))}")
        return table.select(columns)


def read_column(path: Path, name: str) -> pa.ChunkedArray:
    """Read one column of a small Parquet file that was written here, three times as fast.

    Raises:
        WorkspaceError: it is gone or damaged.
    """
    with _reading(path), pq.ParquetFile(path) as file:
        return file.read([name], use_threads=False).column(name)


def read_parquet_metadata(path: Path) -> pq.FileMetaData:
    """Read the footer of a Parquet file that was written here.

    Raises:
        WorkspaceError: it is gone or damaged.
    """
    with _reading(path):
        return pq.read_metadata(path)


def read_row_groups(
    path: Path,
    groups: Iterable[int],
    columns: list[str] | None,
    metadata: pq.FileMetaData,
    *,
    threads: bool = True,
) -> pa.Table:
    """Read some row groups of a file whose footer was read before; all columns if None are named.

    Without `threads` little is read in less time.

    Raises:
        WorkspaceError: it is gone or damaged.
    """
    with _reading(path), pq.ParquetFile(path, metadata=metadata) as file:
        return file.read_row_groups(list(groups), columns, use_threads=threads)


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except MemoryError:
        raise
    except (OSError, pa.ArrowException) as error:
        if "Resource temporarily unavailable" in str(error):
            # Arrow starts threads, and each needs an address space of its own.
            raise MemoryError(str(error)) from error
        raise WorkspaceError(
            f"{path} cannot be read: it was deleted or damaged ({error}): {DAMAGE_ADVICE}"
        ) from error


def write_parquet(
    path: Path,
    table: pa.Table,
    *,
    metadata: Mapping[str, str] | None = None,
    group_rows: int = 10_000,
) -> None:
    """Write a table as Parquet (zstd; the same table gives the same bytes).

    Args:
        path: where to.
        table: rows to write; its schema's metadata is replaced.
        metadata: key-value pairs for the file.
        group_rows: rows in a row group.
    """
    strings = [f.name for f in table.schema if pa.types.is_string(f.type)]
    table = table.replace_schema_metadata(dict(metadata or {}))
    with atomic(path) as temporary:
        pq.write_table(
            table,
            temporary,
            compression="zstd",
            compression_level=1,
            use_dictionary=strings,
            row_group_size=group_rows,
        )


def write_parquet_parts(path: Path, schema: pa.Schema, parts: Iterable[pa.Table]) -> None:
    """Write tables of one schema as one Parquet file, one after another, in flat memory."""
    with atomic(path) as temporary, pq.ParquetWriter(temporary, schema, compression="zstd") as out:
        for part in parts:
            out.write_table(part)


def write_receipt(artifact: Path, receipt: Receipt) -> None:
    """Write the receipt of an artifact beside it."""
    write_json(receipt_path(artifact), asdict(receipt))


def read_receipt(artifact: Path) -> Receipt | None:
    """Read the receipt of an artifact; None if it has none or a file it vouches for is gone."""
    path = receipt_path(artifact)
    receipt = _RECEIPTS.get(path, lambda: _parse_receipt(path, read_json(path)))
    if receipt is None:
        return None
    files = [artifact, *(artifact.with_name(name) for name in receipt.sha256)]
    return receipt if all(path.exists() for path in files) else None


def receipt_in(look: Look, artifact: str) -> Receipt | None:
    """The same as `read_receipt` of a file that has this name in a folder, as of a look at it."""
    name = receipt_name(artifact)
    if name not in look:
        return None
    receipt = _RECEIPTS.get_as_of(
        look, name, lambda: _parse_receipt(look.folder / name, read_json_in(look, name))
    )
    if receipt is None or not all(name in look for name in (artifact, *receipt.sha256)):
        return None
    return receipt


def read_json_in(look: Look, name: str) -> Any:
    """The same as `read_json` of a file that has this name in a folder, as of a look at it.

    Raises:
        WorkspaceError: it is no JSON.
    """
    try:
        return parse_json(look.folder / name, look.read(name))
    except FileNotFoundError:
        return None


def _parse_receipt(path: Path, value: Any) -> Receipt | None:
    if value is None:
        return None
    try:
        receipt = Receipt(**value)
        list(receipt.sha256)
    except (TypeError, AttributeError) as error:
        raise WorkspaceError(
            f"{path} is damaged ({error}): delete it and run again, or run "
            "`naturalist verify --repair`"
        ) from error
    return receipt


def is_done(artifact: Path, fingerprint: str) -> bool:
    """Whether an artifact was made from the inputs and options that `fingerprint` stands for."""
    receipt = read_receipt(artifact)
    return receipt is not None and receipt.fingerprint == fingerprint


def is_done_in(look: Look, artifact: str, fingerprint: str) -> bool:
    """The same as `is_done` of a file that has this name in a folder, as of a look at it."""
    receipt = receipt_in(look, artifact)
    return receipt is not None and receipt.fingerprint == fingerprint


def folder_stamp(*folders: Path) -> tuple[tuple[int, int], ...] | None:
    """A value that is another one as soon as a file was written into, or removed from, a folder.

    Inode and time of last change of each; zeros if it is not there. None if one of them changed so
    recently that it may change again within a tick of its drive's clock: then nothing can be said.
    """
    result = tuple(_inode_and_time(folder) for folder in folders)
    latest = time.time_ns() - SETTLED_NS
    return None if any(mtime_ns > latest for _, mtime_ns in result) else result


def _inode_and_time(folder: Path) -> tuple[int, int]:
    try:
        status = folder.stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


_MEMOS: "list[FolderMemo[Any]]" = []


def forget_folders() -> None:
    """Read all folders again: others have written into them, perhaps from other machines.

    The system that shares a drive may tell of their changes only after a minute.
    """
    for memo in _MEMOS:
        memo.clear()


class FolderMemo(Generic[T]):
    """Values that this process read out of folders, read again only after one of them changed.

    A run asks several times what is done, and there may be a hundred thousand receipts. Only for
    folders in which files appear whole, by renaming, as everything in this module makes them.
    """

    def __init__(self) -> None:
        self._held: dict[Hashable, tuple[object, T]] = {}
        _MEMOS.append(self)

    def clear(self) -> None:
        """Read everything again when it is next asked for."""
        self._held.clear()

    def get(self, key: Hashable, folders: Iterable[Path], read: Callable[[], T]) -> T:
        """The value of a key; `read` makes it from what is in `folders`."""
        # Before reading, so that what changes meanwhile makes it another one.
        stamp = folder_stamp(*folders)
        held = self._held.get(key)
        if stamp is not None and held is not None and held[0] == stamp:
            return held[1]
        value = read()
        self._held[key] = (stamp, value)
        return value


class FileMemo(Generic[T]):
    """Values that this process read out of single files, each read again when its file changed.

    A run asks tens of times for the receipts and summaries of all batches, most of which are as old
    as the workspace. Each process reads each of them at least once, so that it notices a damaged
    one; a file that was replaced or written into has another inode, size or time. One that changed
    a moment ago may change again within a tick of its drive's clock: it is not held. The file is
    opened for that: where a drive is shared, only opening tells what others have written.
    """

    def __init__(self, most: int = 10_000) -> None:
        self._held: dict[str, tuple[object, T]] = {}
        self._most = most

    def get(self, path: Path, read: Callable[[], T]) -> T:
        """What `read` makes of the file; it is not to be changed by who gets it."""
        # Before reading, so that what changes meanwhile makes it another one.
        stamp = _stamp_of(path)
        return read() if stamp is None else self._get(str(path), stamp, read)

    def get_as_of(self, look: Look, name: str, read: Callable[[], T]) -> T:
        """The same for a file of a folder that was looked at as a whole."""
        stamp = look.stamp(name)
        return read() if stamp is None else self._get(f"{look.folder}/{name}", stamp, read)

    def _get(self, path: str, stamp: Stamp, read: Callable[[], T]) -> T:
        held = self._held.get(path)
        if held is not None and held[0] == stamp:
            return held[1]
        value = read()
        if is_settled(stamp):
            if len(self._held) >= self._most:
                self._held.clear()
            self._held[path] = (stamp, value)
        return value


def _stamp_of(path: Path) -> Stamp | None:
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return None
    try:
        return stamp_of(os.fstat(handle))
    finally:
        os.close(handle)


_RECEIPTS = FileMemo["Receipt | None"]()


def fingerprint(*parts: Any) -> str:
    """Hex SHA-256 of values that JSON can hold, the same on every machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remove_temporaries_of(path: Path) -> None:
    """Remove what killed writers of one file left beside it; only its only writer may call it."""
    start, end = _temporary_name(path, "/").split("/")
    for left in path.parent.iterdir():
        if left.name.startswith(start) and left.name.endswith(end):
            left.unlink(missing_ok=True)


def remove_temporaries(root: Path) -> int:
    """Remove what killed writers left below `root`; only the holder of the lock may call it."""
    removed = 0
    for path in root.rglob(f".*{TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
        removed += 1
    return removed
