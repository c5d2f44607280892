"""Reading zip archives by their central directory, one record at a time."""

import lzma
import stat
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from naturalist.archives.deflate64 import Deflate64
from naturalist.archives.kinds import SPLIT_ZIP_SIGNATURE
from naturalist.archives.streams import (
    PIECE_BYTES,
    Decompressor,
    Entry,
    Inflater,
    Packing,
    Readable,
    Slice,
    Unpacked,
    broken,
    decompressor,
    file_size,
    lzma_settings,
)
from naturalist.archives.unread import split
from naturalist.errors import PictureError
from naturalist.reasons import Reason

_END = struct.Struct("<4s4H2LH")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR_64 = struct.Struct("<4sLQL")
_RECORD = struct.Struct("<4s4B4H3L5H2L")
_LARGEST_RECORD_BYTES = _RECORD.size + 3 * 0xFFFF
_LOCAL = struct.Struct("<4s5H3L2H")
_MAX_COMMENT_BYTES = 0xFFFF
_MAX_SIZE_BYTES = (1 << 63) - 1

_STORED, _DEFLATED, _DEFLATED_64, _LZMA = 0, 8, 9, 14
_PACKINGS: dict[int, Packing] = {12: "bz2", 20: "zst", 93: "zst", 95: "xz"}
_METHODS = {_STORED, _DEFLATED, _DEFLATED_64, _LZMA, *_PACKINGS}
_METHOD_NAMES = {1: "Shrink", 6: "Implode", 96: "JPEG", 97: "WavPack", 98: "PPMd"}
_ENCRYPTED_FLAGS = 1 << 0 | 1 << 6 | 1 << 13
_MADE_BY_UNIX, _DOS_FOLDER = 3, 0x10


class Directory(NamedTuple):
    """The central directory: its place, and what the end record says of it."""

    start: int
    size_bytes: int
    shift: int
    """How far everything lies behind where it says: the bytes before a self-extracting zip."""
    records: int


class _Record(NamedTuple):
    """One record of the central directory, sizes of the zip64 extension included."""

    name: bytes
    made_by: int
    flags: int
    method: int
    crc: int
    packed_bytes: int
    size_bytes: int
    attributes: int
    offset: int

    @property
    def unix_type(self) -> int:
        """The file type bits of the Unix mode, 0 where there is none."""
        return stat.S_IFMT(self.attributes >> 16) if self.made_by == _MADE_BY_UNIX else 0

    @property
    def is_folder(self) -> bool:
        """Whether the record is a folder: named like one, or marked as one, and without data."""
        return not self.size_bytes and (
            self.name.endswith(b"/") or bool(self.attributes & _DOS_FOLDER)
        )


def zip_entries(file: IO[bytes], spend: Callable[[int], None]) -> Iterator[Entry]:
    """Every member that is no folder, in the order of the central directory.

    Raises `PictureError` where the directory is missing or damaged, and as soon as members are
    seen to share their packed bytes, as they do in bombs.
    """
    directory = find_directory(file)
    claimed_bytes = 0
    seen = 0
    for record in _records(file, directory):
        seen += 1
        claimed_bytes += _LOCAL.size + record.packed_bytes
        if claimed_bytes > directory.start:
            raise broken("members of the zip overlap each other")
        if not record.is_folder:
            yield _entry(file, record, spend)
    if seen & 0xFFFF != directory.records & 0xFFFF:
        raise broken(f"the zip lists {seen:,} members but announces {directory.records:,}")


def find_directory(file: IO[bytes]) -> Directory:
    """Where the central directory lies, by the end record.

    Raises `PictureError` where there is none, or where it is in another piece of a split zip.
    """
    size_bytes = file_size(file)
    tail_start = max(0, size_bytes - _END.size - _MAX_COMMENT_BYTES)
    file.seek(tail_start)
    tail = file.read(size_bytes - tail_start)
    at = tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - _END.size + 4))
    if at < 0:
        file.seek(0)
        if file.read(len(SPLIT_ZIP_SIGNATURE)) == SPLIT_ZIP_SIGNATURE:
            raise split("the first part of a split zip")
        raise broken("the zip has no end record: is the download or copy incomplete?")
    _, disk, _, _, records, length, offset, _ = _END.unpack_from(tail, at)
    end = tail_start + at
    wide = _end_64(file, end)
    if wide is not None:
        end -= _LOCATOR_64.size + _END_64.size
        records, length, offset = wide
    elif disk not in (0, 0xFFFF):
        raise split("the last part of a split zip")
    start = end - length
    if start < 0:
        raise broken("the directory of the zip is larger than the zip")
    return Directory(start, length, start - offset, records)


def _end_64(file: IO[bytes], end: int) -> tuple[int, int, int] | None:
    """Records, size and offset of the directory from the zip64 end record, if there is one."""
    start = end - _LOCATOR_64.size - _END_64.size
    if start < 0:
        return None
    file.seek(start)
    result = file.read(_END_64.size + _LOCATOR_64.size)
    if result[_END_64.size :][:4] != b"PK\x06\x07" or result[:4] != b"PK\x06\x06":
        return None
    if _LOCATOR_64.unpack_from(result, _END_64.size)[3] > 1:
        raise split("the last part of a split zip")
    *_, records, length, offset = _END_64.unpack_from(result)
    return records, length, offset


def _records(file: IO[bytes], directory: Directory) -> Iterator[_Record]:
    source = Slice(file, directory.start, directory.size_bytes)
    window, at, more = b"", 0, True
    while True:
        if more and len(window) - at < _LARGEST_RECORD_BYTES:
            piece = source.read(PIECE_BYTES)
            window, at, more = window[at:] + piece, 0, bool(piece)
        if at == len(window):
            return
        record, at = _record(window, at, directory.shift)
        yield record


def _record(window: bytes, at: int, shift: int) -> tuple[_Record, int]:
    if len(window) - at < _RECORD.size or window[at : at + 4] != b"PK\x01\x02":
        raise broken("the directory of the zip is damaged: members may be missing")
    fields = _RECORD.unpack_from(window, at)
    (_, _, made_by, _, _, flags, method, _, _, crc, packed, size) = fields[:12]
    (name_length, extra_length, comment_length, _, _, attributes, offset) = fields[12:]
    at += _RECORD.size
    name = window[at : at + name_length].partition(b"\0")[0]
    extra = window[at + name_length : at + name_length + extra_length]
    size, packed, offset = _widened(extra, size, packed, offset)
    at += name_length + extra_length + comment_length
    if at > len(window):
        raise broken("the directory of the zip ends in the middle of a record")
    return (
        _Record(name, made_by, flags, method, crc, packed, size, attributes, offset + shift),
        at,
    )


def _widened(extra: bytes, *values: int) -> Iterator[int]:
    """Size, packed size and offset, each taken from the zip64 extra field where it says so."""
    wide = _zip64_field(extra)
    for value in values:
        if value == 0xFFFFFFFF and len(wide) >= 8:
            yield int.from_bytes(wide[:8], "little")
            wide = wide[8:]
        else:
            yield value


def _zip64_field(extra: bytes) -> bytes:
    at = 0
    while at + 4 <= len(extra):
        tag, length = struct.unpack_from("<2H", extra, at)
        if tag == 1:
            return extra[at + 4 : at + 4 + length]
        at += 4 + length
    return b""


def _entry(file: IO[bytes], record: _Record, spend: Callable[[int], None]) -> Entry:
    return Entry(
        record.name,
        min(record.size_bytes, _MAX_SIZE_BYTES),
        record.packed_bytes,
        lambda: _Body(file, record, spend),
        _refusal(record),
    )


def _refusal(record: _Record) -> PictureError | None:
    if record.flags & _ENCRYPTED_FLAGS:
        return PictureError(Reason.ARCHIVE_ENCRYPTED, "a zip member with a password")
    if record.unix_type == stat.S_IFLNK:
        return PictureError(Reason.SPECIAL_FILE, "a symbolic link inside a zip: not followed")
    if record.unix_type not in (0, stat.S_IFREG):
        return PictureError(Reason.SPECIAL_FILE, "a pipe, a socket or a device inside a zip")
    if record.method not in _METHODS:
        name = _METHOD_NAMES.get(record.method, "unknown")
        return PictureError(
            Reason.UNSUPPORTED_ARCHIVE,
            f"compressed with method {record.method} ({name}), which is not supported: unpack the "
            "zip with another program (7z x) and use the folder as the source",
        )
    if not 0 <= record.offset <= _MAX_SIZE_BYTES or record.size_bytes > _MAX_SIZE_BYTES:
        return broken("impossible sizes in the directory of the zip")
    return None


class _Body:
    """The unpacked bytes of a member, checked against their stated size and CRC-32."""

    def __init__(self, file: IO[bytes], record: _Record, spend: Callable[[int], None]) -> None:
        self._left_bytes = record.size_bytes
        self._stated_crc = record.crc
        self._crc = 0
        self._spend = spend
        self._source = _source(file, record)

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes, fewer only at the member's end."""
        count = min(count, self._left_bytes)
        data = self._source.read(count)
        self._spend(len(data))
        self._left_bytes -= len(data)
        self._crc = zlib.crc32(data, self._crc)
        if len(data) < count:
            raise broken("the member has fewer bytes than the zip announces")
        if not self._left_bytes and self._crc != self._stated_crc:
            raise broken("the checksum (CRC-32) of the member does not match its bytes")
        return data


def _source(file: IO[bytes], record: _Record) -> Readable:
    file.seek(record.offset)
    local = file.read(_LOCAL.size)
    if len(local) < _LOCAL.size or local[:4] != b"PK\x03\x04":
        raise broken("the member is not where the directory of the zip says it is")
    *_, name_length, extra_length = _LOCAL.unpack(local)
    start = record.offset + _LOCAL.size + name_length + extra_length
    packed = Slice(file, start, record.packed_bytes)
    if record.method == _STORED:
        return packed
    if record.method == _DEFLATED_64:
        return Deflate64(packed)
    return Unpacked(packed.read, _engine(record.method, packed))


def _engine(method: int, packed: Slice) -> Decompressor:
    if method == _DEFLATED:
        return Inflater(-zlib.MAX_WBITS)
    if method == _LZMA:
        return _lzma_engine(packed.read(9))
    return decompressor(_PACKINGS[method])


def _lzma_engine(header: bytes) -> Decompressor:
    """A decompressor from the header of APPNOTE 5.8.8: version, length, LZMA properties."""
    if len(header) < 9 or header[2:4] != b"\x05\x00":
        raise broken("the LZMA header of the member is damaged")
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=[lzma_settings(header[4:])])
    except lzma.LZMAError as error:
        raise broken(f"the LZMA header of the member is damaged: {error}") from error
