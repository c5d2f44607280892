"""The header of a 7z archive: which packed streams it has, how they unpack, and to which files.

Written after `DOC/7zFormat.txt` of the LZMA SDK (public domain). Whatever a header claims, memory
follows the bytes that it has.
"""

import sys
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from naturalist.archives.streams import broken
from naturalist.errors import PictureError
from naturalist.reasons import Reason

_END, _HEADER, _PROPERTIES, _ADDITIONAL, _STREAMS, _FILES = 0, 1, 2, 3, 4, 5
_PACKED, _FOLDERS, _SUBSTREAMS, _SIZES, _DIGESTS, _FOLDER, _UNPACK_SIZES, _COUNTS = range(6, 14)
_EMPTY_STREAM, _EMPTY_FILE, _NAMES, _ATTRIBUTES = 14, 15, 17, 21
ENCODED_HEADER, PLAIN_HEADER = 23, _HEADER
# 7-Zip knows no folder with more; each costs a decoder.
_MAX_CODERS = 8


class Coder(NamedTuple):
    """One step of unpacking: a method and its settings, and how many bytes come out."""

    method: bytes
    settings: bytes
    size_bytes: int


@dataclass(frozen=True)
class Block:
    """Bytes that were packed together: where they lie, the steps to unpack them, and what is in.

    `offset` counts from the end of the signature header. `files` has the size of each file, and
    `checksums` its CRC-32, -1 where there is none. `refusal` says why nothing of it can be read.
    """

    offset: int
    packed_bytes: int
    coders: tuple[Coder, ...]
    files: Sequence[int]
    checksums: Sequence[int]
    refusal: PictureError | None = None


@dataclass
class Streams:
    """All blocks of an archive, in stored order."""

    blocks: list[Block] = field(default_factory=list)


class File(NamedTuple):
    """One file of an archive: its name as UTF-8, whether it has bytes, and its Unix mode or 0."""

    name: bytes
    has_stream: bool
    is_folder: bool
    unix_mode: int


class Reader:
    """Numbers, bits and bytes from a header; raises `PictureError` where it ends too early."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        if not 0 <= count <= len(self.data) - self.at:
            raise broken("the header of the 7z archive is truncated")
        self.at += count
        return self.data[self.at - count : self.at]

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """A number of 1 to 9 bytes; the leading ones of the first tell how many follow."""
        first = self.byte()
        extra = next((k for k in range(8) if not first & (0x80 >> k)), 8)
        low = int.from_bytes(self.take(extra), "little")
        high = first & ((0x80 >> extra) - 1) if extra < 8 else 0
        return low | high << (8 * extra)

    def count(self) -> int:
        """A number of things that take at least one byte each in what follows, but for one."""
        count = self.number()
        if count > len(self.data) - self.at + 1:
            raise broken("the header of the 7z archive lists more than it can hold")
        return count

    def bits(self, count: int) -> bytes:
        """`count` bits, the highest of each byte first, as bytes of 0 and 1."""
        packed = self.take(-(-count // 8))
        return bytes(packed[k >> 3] >> (7 - (k & 7)) & 1 for k in range(count))

    def optional_bits(self, count: int) -> bytes:
        """`count` bits, behind a byte that is not 0 where all are set."""
        return b"\1" * count if self.byte() else self.bits(count)

    def longs(self, count: int) -> "array[int]":
        """`count` numbers of 32 bits."""
        values = array("I", self.take(4 * count))
        if sys.byteorder == "big":
            values.byteswap()
        return values

    def checksums(self, count: int) -> "array[int]":
        """A CRC-32 for each of `count` things, -1 where there is none."""
        known = self.optional_bits(count)
        listed = iter(self.longs(sum(known)))
        return array("q", (next(listed) if is_known else -1 for is_known in known))

    def expect(self, kind: int) -> None:
        """Pass over a mark that has to come here."""
        if self.byte() != kind:
            raise broken("the header of the 7z archive is damaged")


def read_streams(reader: Reader) -> Streams:
    """The streams, from behind their mark to their end mark."""
    position, sizes = 0, array("Q")
    folders: list[_Folder] = []
    files: Iterator[tuple[Sequence[int], Sequence[int]]] | None = None
    while (kind := reader.byte()) != _END:
        if kind == _PACKED:
            position, sizes = _read_packed(reader)
        elif kind == _FOLDERS:
            folders = _read_folders(reader)
        elif kind == _SUBSTREAMS:
            files = _read_files_in(reader, folders)
        else:
            raise broken("the header of the 7z archive is damaged")
    if files is None:
        files = (([one.size_bytes], [one.checksum]) for one in folders)
    return Streams(list(_blocks(folders, files, position, sizes)))


def _read_packed(reader: Reader) -> tuple[int, "array[int]"]:
    position, count = reader.number(), reader.count()
    sizes = array("Q")
    while (kind := reader.byte()) != _END:
        if kind == _SIZES:
            sizes = array("Q", (reader.number() for _ in range(count)))
        elif kind == _DIGESTS:
            reader.checksums(count)
        else:
            raise broken("the header of the 7z archive is damaged")
    return position, sizes


@dataclass
class _Folder:
    """What the format calls a folder: coders, and which stream goes into which."""

    coders: list[tuple[bytes, bytes]]
    inputs: int
    outputs: int
    binds: dict[int, int]
    """Number of the stream that goes into each bound input."""
    sizes: "array[int]" = field(default_factory=lambda: array("Q"))
    checksum: int = -1

    @property
    def packed_streams(self) -> int:
        return self.inputs - len(self.binds)

    @property
    def last(self) -> int:
        """The number of the output that is bound to no input: the unpacked bytes."""
        bound = set(self.binds.values())
        return next((k for k in range(self.outputs) if k not in bound), 0)

    @property
    def size_bytes(self) -> int:
        return self.sizes[self.last]

    @property
    def chain(self) -> tuple[Coder, ...] | None:
        """The coders in the order of unpacking; None where they do not follow each other."""
        count = len(self.coders)
        if self.inputs != count or self.outputs != count or self.packed_streams != 1:
            return None
        order = [self.last]
        while order[-1] in self.binds and len(order) < count:
            order.append(self.binds[order[-1]])
        if len(set(order)) < count:
            return None
        return tuple(Coder(*self.coders[k], self.sizes[k]) for k in reversed(order))


def _read_folders(reader: Reader) -> list[_Folder]:
    reader.expect(_FOLDER)
    count = reader.count()
    _refuse_external(reader)
    folders = [_read_folder(reader) for _ in range(count)]
    reader.expect(_UNPACK_SIZES)
    for folder in folders:
        folder.sizes = array("Q", (reader.number() for _ in range(folder.outputs)))
    while (kind := reader.byte()) != _END:
        if kind != _DIGESTS:
            raise broken("the header of the 7z archive is damaged")
        for folder, checksum in zip(folders, reader.checksums(count), strict=True):
            folder.checksum = checksum
    return folders


def _read_folder(reader: Reader) -> _Folder:
    coders, inputs, outputs = [], 0, 0
    count = reader.number()
    if not 0 < count <= _MAX_CODERS:
        raise broken("the header of the 7z archive is damaged")
    for _ in range(count):
        flags = reader.byte()
        method = reader.take(flags & 0x0F)
        more = (reader.number(), reader.number()) if flags & 0x10 else (1, 1)
        settings = reader.take(reader.number()) if flags & 0x20 else b""
        coders.append((method, settings))
        inputs, outputs = inputs + more[0], outputs + more[1]
    if flags & 0x80 or max(inputs, outputs) > 4 * _MAX_CODERS or not outputs:
        raise broken("the header of the 7z archive is damaged")
    binds = {reader.number(): reader.number() for _ in range(outputs - 1)}
    if inputs < len(binds) + 1:
        raise broken("the header of the 7z archive is damaged")
    if inputs - len(binds) > 1:
        for _ in range(inputs - len(binds)):
            reader.number()
    return _Folder(coders, inputs, outputs, binds)


def _refuse_external(reader: Reader) -> None:
    if reader.byte():
        raise PictureError(
            Reason.UNSUPPORTED_ARCHIVE,
            "a 7z archive whose header is in an additional stream (not supported)",
        )


def _read_files_in(
    reader: Reader, folders: Sequence[_Folder]
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    """Sizes and checksums of the files in each folder."""
    counts = array("Q", [1]) * len(folders)
    kind = reader.byte()
    if kind == _COUNTS:
        counts = array("Q", (reader.count() for _ in folders))
        kind = reader.byte()
    counted = list(zip(folders, counts, strict=True))
    sizes = [_sizes_in(reader, one, n, kind == _SIZES) for one, n in counted]
    if kind == _SIZES:
        kind = reader.byte()
    checksums = [array("q", [one.checksum if n == 1 else -1]) * n for one, n in counted]
    while kind != _END:
        if kind != _DIGESTS:
            raise broken("the header of the 7z archive is damaged")
        unknown = [k for k, (one, n) in enumerate(counted) if n != 1 or one.checksum < 0]
        listed = reader.checksums(sum(counts[k] for k in unknown))
        at = 0
        for k in unknown:
            checksums[k] = listed[at : at + counts[k]]
            at += counts[k]
        kind = reader.byte()
    return iter(zip(sizes, checksums, strict=True))


def _sizes_in(reader: Reader, folder: _Folder, count: int, are_listed: bool) -> "array[int]":
    """Sizes of the files in a folder: the last has what the others leave."""
    if not count:
        return array("Q")
    if count > 1 and not are_listed:
        raise broken("the header of the 7z archive is damaged")
    sizes = array("Q", (reader.number() for _ in range(count - 1)))
    left_bytes = folder.size_bytes - sum(sizes)
    if left_bytes < 0:
        raise broken("the header of the 7z archive has impossible sizes")
    sizes.append(left_bytes)
    return sizes


def _blocks(
    folders: Sequence[_Folder],
    files: Iterator[tuple[Sequence[int], Sequence[int]]],
    position: int,
    sizes: Sequence[int],
) -> Iterator[Block]:
    stream = 0
    for folder, (file_sizes, checksums) in zip(folders, files, strict=True):
        mine = sizes[stream : stream + folder.packed_streams]
        if len(mine) < folder.packed_streams:
            raise broken("the header of the 7z archive is damaged")
        chain = folder.chain
        refusal = None if chain else _not_a_chain(folder)
        yield Block(position, sum(mine), chain or (), file_sizes, checksums, refusal)
        position += sum(mine)
        stream += folder.packed_streams


def _not_a_chain(folder: _Folder) -> PictureError:
    methods = ", ".join(method.hex() for method, _ in folder.coders)
    return PictureError(
        Reason.UNSUPPORTED_ARCHIVE,
        f"compressed with several streams at once (methods {methods}: BCJ2, for programs), which "
        "is not supported: unpack it with 7-Zip",
    )


def read_header(reader: Reader) -> tuple[Streams, Iterator[File]]:
    """The streams and the files of a plain header, from behind its first mark."""
    streams = Streams()
    while (kind := reader.byte()) != _END:
        if kind == _PROPERTIES:
            while reader.byte() != _END:
                reader.take(reader.number())
        elif kind == _ADDITIONAL:
            read_streams(reader)
        elif kind == _STREAMS:
            streams = read_streams(reader)
        elif kind == _FILES:
            return streams, _read_files(reader)
        else:
            raise broken("the header of the 7z archive is damaged")
    return streams, iter(())


def _read_files(reader: Reader) -> Iterator[File]:
    count = reader.count()
    result: dict[int, Reader] = {}
    while (kind := reader.number()) != _END:
        result[kind] = Reader(reader.take(reader.number()))
    empty = result[_EMPTY_STREAM].bits(count) if _EMPTY_STREAM in result else bytes(count)
    files = iter(result[_EMPTY_FILE].bits(sum(empty)) if _EMPTY_FILE in result else b"")
    if _NAMES not in result:
        raise broken("the 7z archive lists no file names")
    names = _names(result[_NAMES])
    modes = _unix_modes(result.get(_ATTRIBUTES), count)
    for is_empty, mode in zip(empty, modes, strict=True):
        is_file = not is_empty or bool(next(files, 0))
        yield File(next(names), not is_empty, not is_file, mode)


def _names(reader: Reader) -> Iterator[bytes]:
    """Names as UTF-8, one after another."""
    _refuse_external(reader)
    data, start = reader.data, reader.at
    while True:
        end = data.find(b"\0\0", start)
        while end >= 0 and (end - start) % 2:
            end = data.find(b"\0\0", end + 1)
        if end < 0:
            raise broken("the 7z archive lists fewer file names than files")
        text = data[start:end].decode("utf-16-le", "surrogatepass")
        yield text.encode("utf-8", "surrogatepass")
        start = end + 2


def _unix_modes(reader: Reader | None, count: int) -> Iterator[int]:
    """The Unix mode of each file, 0 where there is none."""
    if reader is None:
        return iter(bytes(count))
    known = reader.optional_bits(count)
    _refuse_external(reader)
    listed = iter(reader.longs(sum(known)))
    attributes = (next(listed) if is_known else 0 for is_known in known)
    return (value >> 16 if value & 0x8000 else 0 for value in attributes)
