"""Writing 7z archives for the tests: the format's parts, each as its documentation has it."""

import bz2
import lzma
import struct
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from backports import zstd

File = tuple[bytes, bytes]

_LZMA2 = {"id": lzma.FILTER_LZMA2, "dict_size": 1 << 16}


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


METHODS: dict[str, tuple[bytes, bytes, Callable[[bytes], bytes]]] = {
    "copy": (b"\x00", b"", bytes),
    "lzma2": (b"\x21", b"\x08", lambda d: lzma.compress(d, lzma.FORMAT_RAW, filters=[_LZMA2])),
    "deflate": (b"\x04\x01\x08", b"", _deflated),
    "bzip2": (b"\x04\x02\x02", b"", bz2.compress),
    "zstd": (b"\x04\xf7\x11\x01", b"", zstd.compress),
    "ppmd": (b"\x03\x04\x01", b"", bytes),
    "aes": (b"\x06\xf1\x07\x01", b"", bytes),
}
"""Method, settings and packer; the last two are packed by nobody here."""


def number(value: int) -> bytes:
    """A number in the format's own coding."""
    for extra in range(8):
        if value < 1 << (7 * extra + 7):
            first = (0xFF << (8 - extra)) & 0xFF | value >> (8 * extra)
            return bytes([first]) + (value & ((1 << 8 * extra) - 1)).to_bytes(extra, "little")
    return b"\xff" + value.to_bytes(8, "little")


def bits(values: Sequence[bool]) -> bytes:
    """Bits, the highest of each byte first."""
    packed = bytearray(-(-len(values) // 8))
    for k, value in enumerate(values):
        packed[k >> 3] |= value << (7 - (k & 7))
    return bytes(packed)


@dataclass(frozen=True)
class Item:
    """A member: with `mode` it has Unix attributes; a folder has no data and is no file."""

    name: bytes
    data: bytes = b""
    mode: int = 0
    is_folder: bool = False


def _folder(method: bytes, settings: bytes) -> bytes:
    flags = len(method) | (0x20 if settings else 0)
    more = number(len(settings)) + settings if settings else b""
    return number(1) + bytes([flags]) + method + more


def _streams(method: str, position: int, packed: bytes, files: Sequence[bytes]) -> bytes:
    code, settings, _ = METHODS[method]
    sizes = b"".join(number(len(data)) for data in files[:-1])
    checksums = b"".join(struct.pack("<L", zlib.crc32(data)) for data in files)
    return (
        b"\x06" + number(position) + number(1) + b"\x09" + number(len(packed)) + b"\x00"
        b"\x07\x0b" + number(1) + b"\x00" + _folder(code, settings)
        + b"\x0c" + number(sum(map(len, files))) + b"\x00"
        b"\x08\x0d" + number(len(files)) + b"\x09" + sizes + b"\x0a\x01" + checksums + b"\x00"
        b"\x00"
    )  # fmt: skip


def _property(kind: int, data: bytes) -> bytes:
    return bytes([kind]) + number(len(data)) + data


def _files(items: Sequence[Item]) -> bytes:
    empty = [not item.data for item in items]
    names = b"".join(
        item.name.decode("utf-8", "surrogatepass").encode("utf-16-le", "surrogatepass") + b"\0\0"
        for item in items
    )
    properties = [_property(0x11, b"\0" + names)]
    if any(empty):
        properties.append(_property(0x0E, bits(empty)))
        files = [not item.is_folder for item in items if not item.data]
        properties.append(_property(0x0F, bits(files)))
    if any(item.mode for item in items):
        values = b"".join(struct.pack("<L", 0x8000 | item.mode << 16) for item in items)
        properties.append(_property(0x15, b"\x01\x00" + values))
    return b"\x05" + number(len(items)) + b"".join(properties) + b"\x00"


def seven_zip_of(
    files: Iterable[File | Item],
    method: str = "lzma2",
    *,
    pack_header: bool = True,
    prefix: bytes = b"",
) -> bytes:
    """A 7z of `files` in one block, with a packed header as 7-Zip writes it."""
    items = [file if isinstance(file, Item) else Item(*file) for file in files]
    stored = [item.data for item in items if item.data]
    body = METHODS[method][2](b"".join(stored)) if stored else b""
    header = b"\x01" + (b"\x04" + _streams(method, 0, body, stored) if stored else b"")
    header += _files(items) + b"\x00"
    if pack_header:
        packed = METHODS["lzma2"][2](header)
        start, body = len(body), body + packed
        header = b"\x17" + _streams("lzma2", start, packed, [header])
    return prefix + with_header(body, header)


def with_header(body: bytes, header: bytes) -> bytes:
    """Packed streams and a header, behind the signature header that belongs to them."""
    start = struct.pack("<QQL", len(body), len(header), zlib.crc32(header))
    signature = b"7z\xbc\xaf\x27\x1c\x00\x04" + struct.pack("<L", zlib.crc32(start))
    return signature + start + body + header
