"""Reading forward through bytes, packed or plain, in pieces of bounded size."""

import bz2
import lzma
import os
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal, Protocol

from naturalist.errors import PictureError
from naturalist.reasons import Reason

PIECE_BYTES = 1 << 20
_PACKED_PIECE_BYTES = 1 << 17

# xz -9 needs 65 MiB; a file may ask for 4 GiB.
UNPACKER_MEMORY_BYTES = 1 << 28

Packing = Literal["gz", "bz2", "xz"]

_SIGNATURES: dict[Packing, bytes] = {"gz": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00"}


class Readable(Protocol):
    """Something that is read from front to back."""

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only at the end."""


class Decompressor(Protocol):
    """The part of `bz2.BZ2Decompressor` and `lzma.LZMADecompressor` that is used here."""

    @property
    def eof(self) -> bool:
        """Whether the packed data has come to its own end."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more comes out before something goes in."""

    @property
    def unused_data(self) -> bytes:
        """What was fed in and lies after the end of the packed data."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """At most `max_length` bytes more."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as an archive lists it, before anything of it is read.

    `open` gives the file's bytes from the start, may be called once, and only until the next entry
    is asked for; reading raises `PictureError`. An entry with a `refusal` is not to be opened.
    """

    name: bytes
    size_bytes: int
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


def decompressor(packing: Packing) -> Decompressor:
    """A fresh decompressor for one gzip, bzip2 or xz stream."""
    if packing == "gz":
        return Inflater(16 + zlib.MAX_WBITS)
    if packing == "bz2":
        return bz2.BZ2Decompressor()
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=UNPACKER_MEMORY_BYTES)


def unpack(engine: Decompressor, data: bytes, most: int) -> bytes:
    """`engine.decompress`, whose many exceptions for damaged data become `PictureError`."""
    try:
        return engine.decompress(data, most)
    except (zlib.error, lzma.LZMAError, OSError, EOFError, ValueError) as error:
        raise broken(f"the packed data is damaged: {error}") from error


class Unpacked:
    """What `engine` makes of the packed bytes that `fetch` hands out.

    With `packing`, further streams of that kind appended to the first are read on, as gzip, bzip2
    and xz do; zeros and anything else after the last one are ignored.
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
        while count > 0 and (piece := self._piece(min(count, PIECE_BYTES))):
            pieces.append(piece)
            count -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _piece(self, most: int) -> bytes:
        while not self._ended:
            packed = b""
            if self._engine.needs_input:
                packed = self._waiting or self._fetch(_PACKED_PIECE_BYTES)
                self._waiting = b""
                if not packed:
                    raise broken("the packed data ends too early")
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
        signature = _SIGNATURES[self._packing]
        rest = self._engine.unused_data.lstrip(b"\0")
        while len(rest) < len(signature) and (more := self._fetch(_PACKED_PIECE_BYTES)):
            rest = (rest + more).lstrip(b"\0")
        self._ended = not rest.startswith(signature)
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
