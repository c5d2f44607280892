"""Taking published files apart: what is packed, escaped or encoded in them is looked at too."""

import base64
import binascii
import contextlib
import io
import json
import re
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic_core import from_json

from naturalist.errors import StoreError
from naturalist.images import sniff
from naturalist.snapshots import parquet

_ROWS_AT_ONCE = 4096
_MOST_BYTES = 256 << 20
"""Of what one packed member unpacks to; more is cut off, which no honest file reaches."""
_TEXT_SUFFIXES = ("json", "md", "txt", "csv", "svg", "html")
_SCRIPT = re.compile(rb'naturalistData\(("[^"]*"),("(?:[^"\\]|\\.)*")\)')


@dataclass(frozen=True)
class Piece:
    """Bytes of a published file as a reader would see them.

    Attributes:
        part: where in the file: a column, a member; empty for the file's own bytes.
        data: the bytes.
        is_text: whether they are text.
        is_picture: whether they are a whole picture.
    """

    part: str
    data: bytes
    is_text: bool = False
    is_picture: bool = False


def pieces(name: str, data: bytes) -> Iterator[Piece]:
    """The bytes of a file, and everything that is packed in it, once unpacked.

    Args:
        name: its name, whose suffix says how it is taken apart.
        data: its bytes.

    Raises:
        StoreError: it is a Parquet file that breaks the bounds of `snapshots.parquet`.
    """
    suffix = name.rpartition(".")[2].lower()
    if sniff(data[:4096]).readable:
        yield from _of_picture("", data)
        return
    yield Piece("", data, is_text=suffix in _TEXT_SUFFIXES)
    for inner in _UNPACKERS.get(suffix, _nothing)(name, data):
        # An archive may hold pictures; anything deeper naturalist never publishes.
        yield from _of_picture(inner.part, inner.data) if _is_picture(inner) else (inner,)


def _is_picture(piece: Piece) -> bool:
    return not piece.is_text and sniff(piece.data[:4096]).readable


def _of_picture(part: str, data: bytes) -> Iterator[Piece]:
    yield Piece(part, data, is_picture=True)
    yield from (Piece(f"{part} text".strip(), text, is_text=True) for text in _png_texts(data))


def _png_texts(data: bytes) -> Iterator[bytes]:
    """Compressed texts of a PNG, unpacked."""
    if not data.startswith(b"\x89PNG"):
        return
    for match in re.finditer(rb"zTXt|iTXt", data):
        size = int.from_bytes(data[match.start() - 4 : match.start()], "big")
        yield from _inflated_at_any(data[match.end() : match.end() + min(size, _MOST_BYTES)])


def _inflated_at_any(chunk: bytes) -> Iterator[bytes]:
    for match in re.finditer(rb"\x78[\x01\x5e\x9c\xda]", chunk[:4096]):
        try:
            yield zlib.decompressobj().decompress(chunk[match.start() :], _MOST_BYTES)
        except zlib.error:
            continue
        return


def _nothing(name: str, data: bytes) -> Iterator[Piece]:
    yield from ()


def _of_parquet(name: str, data: bytes) -> Iterator[Piece]:
    with parquet.opened(data, name) as file:
        yield Piece("footer", _key_values(file), is_text=True)
        for group in range(file.num_row_groups):
            for batch in file.iter_batches(_ROWS_AT_ONCE, row_groups=[group]):
                for field, column in zip(batch.schema, batch.columns, strict=True):
                    yield from _of_column(field.name, column)


def _key_values(file: pq.ParquetFile) -> bytes:
    """The metadata of file and columns; pyarrow keeps the second encoded in the first."""
    metadata = dict(file.metadata.metadata or {})
    metadata.pop(b"ARROW:schema", None)
    schema = file.schema_arrow
    of_fields = [(field.name.encode(), *(field.metadata or {}).items()) for field in schema]
    return repr((metadata, of_fields, dict(schema.metadata or {}))).encode()


def _of_column(name: str, column: pa.Array) -> Iterator[Piece]:
    """Texts joined, and each binary value by itself; numbers say nothing."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        yield from _of_column(name, column.dictionary)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = (value for value in column.to_pylist() if value is not None)
        yield Piece(name, "\n".join(texts).encode("utf-8", "surrogatepass"), is_text=True)
    elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        values = [value for value in column.to_pylist() if value]
        pictures = [value for value in values if sniff(value[:4096]).readable]
        yield from (Piece(name, value) for value in pictures)
        others = [value for value in values if not sniff(value[:4096]).readable]
        yield Piece(name, b"\n".join(others), is_text=True)
    elif pa.types.is_struct(kind):
        for field, values in zip(kind, column.flatten(), strict=True):
            yield from _of_column(f"{name}.{field.name}", values)
    elif hasattr(column, "flatten") and not pa.types.is_primitive(kind):
        yield from _of_column(name, column.flatten())


def _of_json(name: str, data: bytes) -> Iterator[Piece]:
    """Every text of a document without its escapes; the Delta log has a document a line."""
    texts = _texts_of(data) or [text for line in data.splitlines() for text in _texts_of(line)]
    yield Piece("texts", "\n".join(texts).encode("utf-8", "surrogatepass"), is_text=True)


def _texts_of(document: bytes) -> list[str]:
    try:
        return list(_texts(from_json(document)))
    except ValueError:
        return []


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _of_script(name: str, data: bytes) -> Iterator[Piece]:
    """The payloads of an exported dashboard: JSON, or bytes as base64."""
    for match in _SCRIPT.finditer(data):
        part, payload = json.loads(match[1]), json.loads(match[2]).encode()
        try:
            yield Piece(part, base64.b64decode(payload, validate=True))
        except binascii.Error:
            yield from (Piece(part, inner.data, is_text=True) for inner in _of_json("x", payload))
            yield from _thumbnails(part, payload)


def _thumbnails(part: str, payload: bytes) -> Iterator[Piece]:
    for text in _texts_of(payload):
        if text.startswith(("data:image/", "/9j/")):
            with contextlib.suppress(binascii.Error):
                yield Piece(part, base64.b64decode(text.rpartition(",")[2], validate=True))


def _of_tar(name: str, data: bytes) -> Iterator[Piece]:
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
            for member in archive:
                owner = f"{member.uname} {member.gname} {member.linkname} {member.pax_headers}"
                yield Piece(f"{member.name} header", f"{member.name} {owner}".encode(), True)
                file = archive.extractfile(member) if member.isfile() else None
                if file is not None:
                    yield Piece(member.name, file.read(_MOST_BYTES))
    except (tarfile.TarError, OSError, ValueError) as error:
        raise StoreError(f"{name} cannot be read as a tar: {error}") from error


def _of_zip(name: str, data: bytes) -> Iterator[Piece]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                with archive.open(member) as file:
                    yield Piece(member.filename, file.read(_MOST_BYTES))
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise StoreError(f"{name} cannot be read as an archive: {error}") from error


_UNPACKERS: dict[str, Callable[[str, bytes], Iterator[Piece]]] = {
    "parquet": _of_parquet,
    "json": _of_json,
    "js": _of_script,
    "tar": _of_tar,
    "npz": _of_zip,
    "zip": _of_zip,
}
