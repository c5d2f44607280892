"""Reading forward through bytes, packed or plain, in pieces of bounded size."""

import bz2
import lzma
import os
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal, Protocol

import lz4.frame

from naturalist.errors import PictureError
from naturalist.reasons import Reason

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE_BYTES = 1 << 20
PACKED_PIECE_BYTES = 1 << 17

# xz -9 needs 65 MiB, zstd --long 128 MiB; a file may ask for 4 GiB.
_WINDOW_BITS = 28
UNPACKER_MEMORY_BYTES = 1 << _WINDOW_BITS

Packing = Literal["gz", "bz2", "xz", "lzma", "zst", "lz4"]

# Frames that hold no data, which zstd and lz4 alike may put anywhere (pzstd begins with one).
SKIPPABLE = tuple(bytes([first]) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))
SIGNATURES: dict[Packing, tuple[bytes, ...]] = {
    "gz": (b"\x1f\x8b\x08",),
    "bz2": (b"BZh",),
    "xz": (b"\xfd7zXZ\x00",),
    # The properties that every known program writes, and a dictionary of at least 64 KiB.
    "lzma": (b"\x5d\x00\x00",),
    "zst": (b"\x28\xb5\x2f\xfd", *SKIPPABLE),
    "lz4": (b"\x04\x22\x4d\x18", *SKIPPABLE),
}
_LONGEST_SIGNATURE = 6


class Readable(Protocol):
    """Something that is read from front to back."""

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only at the end."""


class Decompressor(Protocol):
    """The part of `bz2.BZ2Decompressor` and its likes that is used here."""

    @property
    def eof(self) -> bool:
        """Whether the packed data has come to its own end."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something goes in."""

    @property
    def unused_data(self) -> bytes | None:
        """What was fed in and lies after the end of the packed data."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as an archive lists it, before anything of it is read.

    `open` gives the file's bytes from the start, may be called once, and only until the next entry
    is asked for; reading raises `PictureError`. An entry with a `refusal` is not to be opened.
    `size_bytes` is None where only unpacking tells it.
    """

    name: bytes
    size_bytes: int | None
    packed_bytes: int
    open: Callable[[], Readable]
    refusal: PictureError | None = None


def broken(detail: str) -> PictureError:
    """The error for an archive, or a part of one, that is damaged."""
    return PictureError(Reason.ARCHIVE_BROKEN, detail)


class Inflater:
    """zlib with the manners of the other decompressors."""

    def __init__(self, wbits: int) -> None:
        self._zlib = zlib.decompressobj(wbits)
        self._starved = True

    @property
    def eof(self) -> bool:
        """Whether the packed data has come to its own end."""
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something goes in."""
        return self._starved

    @property
    def unused_data(self) -> bytes:
        """What was fed in and lies after the end of the packed data."""
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes more."""
        unpacked = self._zlib.decompress(self._zlib.unconsumed_tail or data, max_length)
        # A full answer may hold more back, even with all input consumed.
        self._starved = len(unpacked) < max_length
        return unpacked


_MAKERS: dict[Packing, Callable[[], Decompressor]] = {
    "gz": lambda: Inflater(16 + zlib.MAX_WBITS),
    "bz2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=UNPACKER_MEMORY_BYTES),
    "lzma": lambda: lzma.LZMADecompressor(lzma.FORMAT_ALONE, memlimit=UNPACKER_MEMORY_BYTES),
    "zst": lambda: zstd.ZstdDecompressor(
        options={zstd.DecompressionParameter.window_log_max: _WINDOW_BITS}
    ),
    "lz4": lz4.frame.LZ4FrameDecompressor,
}


def decompressor(packing: Packing) -> Decompressor:
    """A fresh decompressor for one stream (a member, a frame) of this kind."""
    return _MAKERS[packing]()


# lz4 raises RuntimeError.
_DAMAGE = (
    *(zlib.error, lzma.LZMAError, zstd.ZstdError),
    *(OSError, EOFError, ValueError, RuntimeError),
)


_WANT_OF_MEMORY = "not enough memory"
"""How zstd says that this machine lacks memory, with the error of damaged data."""


def unpack(engine: Decompressor, data: bytes, most: int) -> bytes:
    """`engine.decompress`, whose many exceptions for damaged data become `PictureError`."""
    try:
        return engine.decompress(data, most)
    except _DAMAGE as error:
        if _WANT_OF_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        raise broken(f"the compressed data is damaged: {error}") from error


class Unpacked:
    """What `engine` makes of the packed bytes that `fetch` hands out.

    With `packing`, further streams of that kind appended to the first are read on, as the programs
    of these formats do; zeros and anything else after the last one are ignored.
    """

    def __init__(
        self,
        fetch: Callable[[int], bytes],
        engine: Decompressor,
        packing: Packing | None = None,
    ) -> None:
        self._fetch = fetch
        self._engine = engine
        self._packing = packing
        self._waiting = b""
        self._ended = False

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only where the packed data properly ends."""
        pieces = []
        while count > 0 and (piece := self.read_some(min(count, PIECE_BYTES))):
            pieces.append(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def read_some(self, most: int) -> bytes:
        """Between 1 and `most` of the next bytes; none only where the packed data ends."""
        while not self._ended:
            packed = b""
            if self._engine.needs_input:
                packed = self._waiting or self._fetch(PACKED_PIECE_BYTES)
                self._waiting = b""
                if not packed:
                    raise broken("the compressed data is truncated")
            piece = unpack(self._engine, packed, most)
            if self._engine.eof:
                self._begin_next_stream()
            if piece:
                return piece
        return b""

    def _begin_next_stream(self) -> None:
        if self._packing is None:
            self._ended = True
            return
        signatures = SIGNATURES[self._packing]
        rest = (self._engine.unused_data or b"").lstrip(b"\0")
        while len(rest) < _LONGEST_SIGNATURE and (more := self._fetch(PACKED_PIECE_BYTES)):
            rest = (rest + more).lstrip(b"\0")
        self._ended = not rest.startswith(signatures)
        self._waiting = rest
        self._engine = decompressor(self._packing)


class Forward:
    """A stream that can only be read and skipped; `spend` is told of every byte read."""

    def __init__(self, source: Readable, spend: Callable[[int], None]) -> None:
        self._source = source
        self.spend = spend

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only at the end."""
        data = self._source.read(count)
        self.spend(len(data))
        return data

    def skip(self, count: int) -> None:
        """Pass over `count` bytes; raises `PictureError` when there are not so many."""
        while count > 0:
            passed = len(self.read(min(count, PIECE_BYTES)))
            if not passed:
                raise broken("the archive ends in the middle of a member")
            count -= passed


class ForwardFile(Forward):
    """The same over a seekable file, which skips without reading."""

    def __init__(self, file: IO[bytes], spend: Callable[[int], None]) -> None:
        super().__init__(file, spend)
        self._file = file
        self._size_bytes = file_size(file)

    def skip(self, count: int) -> None:
        """Pass over `count` bytes; raises `PictureError` when there are not so many."""
        if self._file.tell() + count > self._size_bytes:
            raise broken("the archive ends in the middle of a member")
        self._file.seek(count, os.SEEK_CUR)


class Joined:
    """Bytes that were read ahead, then the rest of where they came from."""

    def __init__(self, head: bytes, rest: Readable) -> None:
        self._head = head
        self._rest = rest

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only at the end."""
        if not self._head:
            return self._rest.read(count)
        piece, self._head = self._head[:count], self._head[count:]
        return piece + self._rest.read(count - len(piece)) if len(piece) < count else piece


def file_size(file: IO[bytes]) -> int:
    """The size of a seekable file in bytes; its position stays."""
    position = file.tell()
    file.seek(0, os.SEEK_END)
    size_bytes = file.tell()
    file.seek(position)
    return size_bytes


class Limited:
    """The first bytes of a stream that may not know where it ends."""

    def __init__(self, source: Readable, size_bytes: int) -> None:
        self._source = source
        self._left_bytes = size_bytes

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only at the end."""
        data = self._source.read(min(count, self._left_bytes))
        self._left_bytes -= len(data)
        return data


class Slice:
    """Part of a seekable file that others read from too."""

    def __init__(self, file: IO[bytes], start: int, size_bytes: int) -> None:
        self._file = file
        self._position = start
        self._end = start + size_bytes

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only at the end of the slice or of the file."""
        self._file.seek(self._position)
        data = self._file.read(min(count, self._end - self._position))
        self._position += len(data)
        return data


def lzma_settings(packed: bytes) -> dict[str, int]:
    """The filter for `lzma` from the five bytes of LZMA properties, as in zip and 7z."""
    if len(packed) != 5 or packed[0] >= 9 * 5 * 5:
        raise broken("the LZMA header of the member is damaged")
    dictionary_bytes = int.from_bytes(packed[1:], "little")
    if dictionary_bytes > UNPACKER_MEMORY_BYTES:
        raise broken(f"unpacking the member needs {dictionary_bytes:,} bytes of memory")
    return {
        "id": lzma.FILTER_LZMA1,
        "dict_size": max(dictionary_bytes, 4096),
        "lc": packed[0] % 9,
        "lp": packed[0] // 9 % 5,
        "pb": packed[0] // 45,
    }
