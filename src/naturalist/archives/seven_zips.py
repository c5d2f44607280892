"""Reading 7z archives: their methods are those of the standard library, one after another.

Files that were packed together are unpacked together, from front to back, and one that nobody
wants is only passed over. Not read: PPMd, BCJ2 and other filters for programs, and passwords.
"""

import bz2
import lzma
import stat
import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

from naturalist.archives.deflate64 import Deflate64
from naturalist.archives.kinds import SEVEN_ZIP_SIGNATURE
from naturalist.archives.limits import RATIO_FLOOR_BYTES, ArchiveLimits
from naturalist.archives.seven_zip_header import (
    ENCODED_HEADER,
    PLAIN_HEADER,
    Block,
    Coder,
    File,
    Reader,
    read_header,
    read_streams,
)
from naturalist.archives.streams import (
    PIECE_BYTES,
    UNPACKER_MEMORY_BYTES,
    Decompressor,
    Entry,
    Inflater,
    Limited,
    Readable,
    Slice,
    Unpacked,
    broken,
    decompressor,
    file_size,
    lzma_settings,
)
from naturalist.errors import PictureError
from naturalist.reasons import Reason

_START = struct.Struct("<6s2BLQQL")
# 7-Zip packs a header once.
_MAX_PACKED_HEADERS = 4

_COPY, _LZMA, _LZMA2, _DELTA = b"\x00", b"\x03\x01\x01", b"\x21", b"\x03"
_DEFLATE, _DEFLATE_64, _BZIP2 = b"\x04\x01\x08", b"\x04\x01\x09", b"\x04\x02\x02"
_ZSTD, _LZ4, _AES = b"\x04\xf7\x11\x01", b"\x04\xf7\x11\x04", b"\x06\xf1\x07\x01"
_BRANCH_FILTERS = {
    b"\x04": lzma.FILTER_X86,
    b"\x03\x03\x01\x03": lzma.FILTER_X86,
    b"\x03\x03\x02\x05": lzma.FILTER_POWERPC,
    b"\x03\x03\x04\x01": lzma.FILTER_IA64,
    b"\x03\x03\x05\x01": lzma.FILTER_ARM,
    b"\x03\x03\x07\x01": lzma.FILTER_ARMTHUMB,
    b"\x03\x03\x08\x05": lzma.FILTER_SPARC,
}
_NAMES = {b"\x03\x04\x01": "PPMd", b"\x0a": "ARM64"} | dict.fromkeys(_BRANCH_FILTERS, "BCJ")


def seven_zip_entries(
    file: IO[bytes], spend: Callable[[int], None], limits: ArchiveLimits
) -> Iterator[Entry]:
    """Every member that is no folder, in stored order.

    Raises `PictureError` where the header is missing or damaged, or cannot be read.
    """
    archive = _Archive(file, spend, limits)
    blocks, files = archive.header()
    streams = archive.streams(blocks)
    for one in files:
        result = next(streams, None) if one.has_stream else None
        if one.has_stream and result is None:
            raise broken("the 7z archive lists more files than it holds")
        if not one.is_folder:
            yield _entry(one, result)


class _Stream:
    """The bytes of one file, inside of what was packed together."""

    def __init__(self, solid: "_Solid", start: int, size_bytes: int, checksum: int) -> None:
        self.solid = solid
        self.size_bytes = size_bytes
        self._start = start
        self._left_bytes = size_bytes
        self._stated_crc = checksum
        self._crc = 0

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes, fewer only at the file's end."""
        count = min(count, self._left_bytes)
        data = self.solid.read(self._start, count)
        self._start += count
        self._left_bytes -= count
        self._crc = zlib.crc32(data, self._crc)
        if not self._left_bytes and self._stated_crc not in (-1, self._crc):
            raise broken("the checksum (CRC-32) of the member does not match its bytes")
        return data


def _entry(file: File, stream: _Stream | None) -> Entry:
    if stream is None:
        return Entry(file.name, 0, 0, _Nothing, _refusal(file))
    refusal = _refusal(file) or stream.solid.block.refusal
    packed_bytes = stream.solid.block.packed_bytes
    return Entry(file.name, stream.size_bytes, packed_bytes, lambda: stream, refusal)


def _refusal(file: File) -> PictureError | None:
    kind = stat.S_IFMT(file.unix_mode)
    if kind == stat.S_IFLNK:
        return PictureError(Reason.SPECIAL_FILE, "a symbolic link inside a 7z: not followed")
    if kind not in (0, stat.S_IFREG):
        return PictureError(Reason.SPECIAL_FILE, "a pipe, a socket or a device inside a 7z")
    return None


class _Nothing:
    def read(self, count: int, /) -> bytes:
        """No bytes."""
        return b""


class _Archive:
    """One file with a 7z archive in it, from its signature on."""

    def __init__(
        self, file: IO[bytes], spend: Callable[[int], None], limits: ArchiveLimits
    ) -> None:
        self._file = file
        self._spend = spend
        self._limits = limits
        self._start = file.tell() + _START.size
        self._size_bytes = file_size(file) - self._start

    def header(self) -> tuple[Sequence[Block], Iterator[File]]:
        """The blocks and the files."""
        data = self._stored_header()
        for _ in range(_MAX_PACKED_HEADERS):
            if not data:
                return [], iter(())
            reader = Reader(data)
            mark = reader.byte()
            if mark == PLAIN_HEADER:
                streams, files = read_header(reader)
                return [self._checked(block) for block in streams.blocks], files
            if mark != ENCODED_HEADER:
                break
            data = self._unpacked_header(read_streams(reader).blocks)
        raise broken("the header of the 7z archive is damaged")

    def _stored_header(self) -> bytes:
        self._file.seek(self._start - _START.size)
        start = self._file.read(_START.size)
        if len(start) < _START.size or not start.startswith(SEVEN_ZIP_SIGNATURE):
            raise broken("the 7z archive ends in its first bytes")
        _, _, _, start_crc, offset, size_bytes, crc = _START.unpack(start)
        if zlib.crc32(start[12:]) != start_crc:
            raise broken("the first bytes of the 7z archive are damaged")
        if offset + size_bytes > self._size_bytes:
            raise broken(
                "the 7z archive has no header at its end: is the download or copy incomplete, or "
                "is it one part of a split archive?"
            )
        self._check_header_size(size_bytes, size_bytes)
        self._file.seek(self._start + offset)
        data = self._file.read(size_bytes)
        if zlib.crc32(data) != crc:
            raise broken("the header of the 7z archive is damaged")
        return data

    def _check_header_size(self, size_bytes: int, packed_bytes: int) -> None:
        allowed_bytes = max(RATIO_FLOOR_BYTES, self._limits.max_archive_ratio * packed_bytes)
        if size_bytes > min(allowed_bytes, UNPACKER_MEMORY_BYTES):
            raise PictureError(
                Reason.ARCHIVE_RATIO,
                f"{packed_bytes:,} bytes would unpack to a header of {size_bytes:,} bytes",
            )

    def _unpacked_header(self, blocks: Sequence[Block]) -> bytes:
        if len(blocks) != 1 or len(blocks[0].files) != 1:
            raise broken("the header of the 7z archive is damaged")
        [block] = blocks
        if block.refusal:
            raise block.refusal
        self._check_header_size(block.files[0], block.packed_bytes)
        [stream] = self.streams([self._checked(block)])
        if stream.solid.block.refusal:
            raise stream.solid.block.refusal
        return b"".join(iter(lambda: stream.read(PIECE_BYTES), b""))

    def _checked(self, block: Block) -> Block:
        """The same block, with a `refusal` where it cannot be unpacked."""
        if block.offset + block.packed_bytes > self._size_bytes:
            raise broken("the compressed data of the 7z archive is truncated")
        refusal = block.refusal or _method_refusal(block.coders)
        return Block(
            block.offset, block.packed_bytes, block.coders, block.files, block.checksums, refusal
        )

    def streams(self, blocks: Sequence[Block]) -> Iterator[_Stream]:
        """Every file with bytes, in stored order."""
        for block in blocks:
            solid = _Solid(self._file, self._start, block, self._spend)
            at = 0
            for size_bytes, checksum in zip(block.files, block.checksums, strict=True):
                yield _Stream(solid, at, size_bytes, checksum)
                at += size_bytes


class _Solid:
    """What was packed together, read forward; opened when its first byte is asked for."""

    def __init__(
        self, file: IO[bytes], base: int, block: Block, spend: Callable[[int], None]
    ) -> None:
        self._file = file
        self._base = base
        self.block = block
        self._spend = spend
        self._position = 0
        self._source: Readable | None = None

    def read(self, start: int, count: int) -> bytes:
        """`count` bytes from `start` on, which is at or behind the last byte that was read."""
        if self._source is None:
            packed = Slice(self._file, self._base + self.block.offset, self.block.packed_bytes)
            self._source = _unpacking(packed, self.block.coders)
        while self._position < start:
            self._next(self._source, min(PIECE_BYTES, start - self._position))
        return self._next(self._source, count) if count else b""

    def _next(self, source: Readable, count: int) -> bytes:
        data = source.read(count)
        self._position += len(data)
        self._spend(len(data))
        if len(data) < count:
            raise broken("the compressed data of the 7z archive is truncated")
        return data


def _method_refusal(coders: Sequence[Coder]) -> PictureError | None:
    for coder in coders:
        if coder.method == _AES:
            return PictureError(Reason.ARCHIVE_ENCRYPTED, "a 7z archive with a password")
    try:
        _unpacking(_Nothing(), coders)
    except PictureError as error:
        return error
    return None


def _unpacking(packed: Readable, coders: Sequence[Coder]) -> Readable:
    """What comes out of the last coder, where `packed` goes into the first."""
    source: Readable = packed
    waiting = list(coders)
    while waiting:
        coder = waiting.pop(0)
        if coder.method == _COPY:
            continue
        if coder.method in (_LZMA, _LZMA2):
            filters = [_lzma_filter(coder)]
            # liblzma undoes these filters in one go with its own.
            while coder.method == _LZMA2 and waiting and (more := _filter(waiting[0])):
                filters.insert(0, more)
                waiting.pop(0)
            source = Unpacked(source.read, _raw_lzma(filters))
        else:
            source = _unpacked(source, coder)
        source = Limited(source, coder.size_bytes)
    return source


def _unpacked(source: Readable, coder: Coder) -> Readable:
    if coder.method == _DEFLATE:
        return Unpacked(source.read, Inflater(-zlib.MAX_WBITS))
    if coder.method == _DEFLATE_64:
        return Deflate64(source)
    if coder.method == _BZIP2:
        return Unpacked(source.read, bz2.BZ2Decompressor(), "bz2")
    if coder.method == _ZSTD:
        return Unpacked(source.read, decompressor("zst"), "zst")
    if coder.method == _LZ4:
        return Unpacked(source.read, decompressor("lz4"), "lz4")
    name = _NAMES.get(coder.method, "unknown")
    raise PictureError(
        Reason.UNSUPPORTED_ARCHIVE,
        f"compression method {coder.method.hex()} ({name}) is not supported: unpack the archive "
        "with 7-Zip (7z x) and use the folder as the source",
    )


def _lzma_filter(coder: Coder) -> dict[str, Any]:
    if coder.method == _LZMA:
        return lzma_settings(coder.settings)
    if len(coder.settings) != 1 or coder.settings[0] > 40:
        raise broken("the settings of LZMA2 in the 7z archive are damaged")
    value = coder.settings[0]
    dictionary_bytes = (2 | value & 1) << (value // 2 + 11) if value < 40 else (1 << 32) - 1
    if dictionary_bytes > UNPACKER_MEMORY_BYTES:
        raise broken(f"unpacking the member needs {dictionary_bytes:,} bytes of memory")
    return {"id": lzma.FILTER_LZMA2, "dict_size": dictionary_bytes}


def _filter(coder: Coder) -> dict[str, Any] | None:
    if coder.method == _DELTA:
        return {"id": lzma.FILTER_DELTA, "dist": coder.settings[0] + 1 if coder.settings else 1}
    branch = _BRANCH_FILTERS.get(coder.method)
    return None if branch is None or coder.settings else {"id": branch}


def _raw_lzma(filters: list[dict[str, Any]]) -> Decompressor:
    try:
        return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters)
    except (lzma.LZMAError, ValueError) as error:
        raise broken(f"the settings of LZMA in the archive are damaged: {error}") from error
