"""Reading tar archives (V7, ustar, pax, GNU) from front to back."""

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import NamedTuple

from naturalist.archives.kinds import TAR_BLOCK_BYTES, is_tar_header, tar_number
from naturalist.archives.sparse import (
    SPARSE_MAP_KEYWORDS,
    Body,
    Sparse,
    decimal,
    map_before_data,
    old_sparse_map,
)
from naturalist.archives.streams import Entry, Forward, Readable, broken
from naturalist.errors import PictureError
from naturalist.reasons import Reason

# Names and sparse maps are far smaller; a hostile header may claim gigabytes.
_MAX_EXTENSION_BYTES = 1 << 20
_ZERO_BLOCK = bytes(TAR_BLOCK_BYTES)

_LONG_NAME, _LONG_LINK, _PAX, _SOLARIS_PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"X", b"g"
_EXTENSIONS = (_LONG_NAME, _LONG_LINK, _PAX, _SOLARIS_PAX, _PAX_GLOBAL)
_KEYWORDS = frozenset(
    {b"path", b"linkpath", b"size"}
    | {b"GNU.sparse." + key for key in (b"name", b"major", b"map", b"size", b"realsize")}
)
_OLD_REGULAR, _FOLDER, _DUMPED_FOLDER, _SPARSE, _CONTINUED = b"\0", b"5", b"D", b"S", b"M"
_HARD_LINK = b"1"
_SPECIAL = {
    b"2": "a symbolic link to {link} inside a tar: not followed",
    b"3": "a character device",
    b"4": "a block device",
    b"6": "a pipe",
    b"V": "the label of a tar volume",
}


class _Header(NamedTuple):
    kind: bytes
    name: bytes
    link: bytes
    size_bytes: int
    block: bytes


Extended = dict[bytes, bytes]
"""What extension headers say about the next member, under the keywords of pax."""


def tar_entries(stream: Forward) -> Iterator[Entry]:
    """Every member that is no folder, in stored order; tars appended to each other are read on.

    What cannot be read as a header is passed over until a header comes; the walk then ends with
    `PictureError` saying what was wrong. Global pax headers are ignored: none of what they may
    hold names or sizes a single member.
    """
    damage = ""
    ended = False
    extended: Extended = {}
    names = _Names()
    while block := stream.read(TAR_BLOCK_BYTES):
        ended = block == _ZERO_BLOCK
        if ended:
            continue
        header = _parsed(block)
        if header is None:
            damage = damage or "a tar header is missing or damaged"
            extended = {}
        elif header.kind in _EXTENSIONS:
            damage = _extend(extended, header, stream) or damage
        else:
            yield from _member(header, extended, stream, names)
            extended = {}
    if not ended:
        damage = damage or "the tar has no end marker: members may be missing"
    if damage:
        raise broken(damage)


def _parsed(block: bytes) -> _Header | None:
    if not is_tar_header(block):
        return None
    size_bytes = tar_number(block[124:136])
    if size_bytes is None:
        return None
    name = _text(block[:100])
    if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
        name = prefix + b"/" + name
    return _Header(block[156:157], name, _text(block[157:257]), size_bytes, block)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _padded(size_bytes: int) -> int:
    return -(-size_bytes // TAR_BLOCK_BYTES) * TAR_BLOCK_BYTES


def _extend(extended: Extended, header: _Header, stream: Forward) -> str:
    """Note what an extension header says; the return value is what was wrong with it."""
    if header.kind == _PAX_GLOBAL or header.size_bytes > _MAX_EXTENSION_BYTES:
        stream.skip(_padded(header.size_bytes))
        return "" if header.kind == _PAX_GLOBAL else "an extension header is larger than 1 MiB"
    data = stream.read(_padded(header.size_bytes))[: header.size_bytes]
    if len(data) < header.size_bytes:
        raise broken("the archive ends in the middle of an extension header")
    if header.kind == _LONG_NAME:
        extended[b"path"] = _text(data)
    elif header.kind == _LONG_LINK:
        extended[b"linkpath"] = _text(data)
    else:
        return _extend_by_pax(extended, data)
    return ""


def _extend_by_pax(extended: Extended, data: bytes) -> str:
    """Keep what matters: hostile headers may hold any number of other keywords."""
    records, whole = _pax_records(data)
    extended.update((keyword, value) for keyword, value in records if keyword in _KEYWORDS)
    sparse_map = [value for keyword, value in records if keyword in SPARSE_MAP_KEYWORDS]
    if sparse_map:
        extended[b"GNU.sparse.map"] = b",".join(sparse_map)
    return "" if whole else "a pax header cannot be read"


def _pax_records(data: bytes) -> tuple[list[tuple[bytes, bytes]], bool]:
    """The records `<length> <keyword>=<value>\\n` of a pax header, and whether that was all."""
    records: list[tuple[bytes, bytes]] = []
    position = 0
    while position < len(data):
        digits = data[position : position + 8].partition(b" ")[0]
        length = int(digits) if digits.isdigit() else 0
        record = data[position + len(digits) + 1 : position + length]
        keyword, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n") or position + length > len(data):
            return records, False
        records.append((keyword, value[:-1]))
        position += length
    return records, True


class _Names:
    """The names of members so far, 8 bytes of hash each."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def add(self, name: bytes) -> None:
        """Note a member."""
        self._seen.add(self._key(name))

    def __contains__(self, name: bytes) -> bool:
        return self._key(name) in self._seen

    @staticmethod
    def _key(name: bytes) -> int:
        plain = b"/".join(part for part in name.split(b"/") if part not in (b"", b"."))
        return int.from_bytes(blake2b(plain, digest_size=8).digest())


def _member(header: _Header, extended: Extended, stream: Forward, names: _Names) -> Iterator[Entry]:
    """Yield the entry of `header`, unless it is a folder, and pass over its data."""
    name = _text(extended.get(b"GNU.sparse.name") or extended.get(b"path", header.name))
    if header.kind == _FOLDER or (header.kind == _OLD_REGULAR and name.endswith(b"/")):
        return
    link = extended.get(b"linkpath", header.link)
    if header.kind == _HARD_LINK:
        yield _hard_link(name, link, names)
        return
    if header.kind in _SPECIAL:
        yield _special(name, _SPECIAL[header.kind], link)
        return
    names.add(name)
    body = Body(stream, decimal(extended.get(b"size", b"%d" % header.size_bytes)))
    padding_bytes = -body.left_bytes % TAR_BLOCK_BYTES
    if header.kind != _DUMPED_FOLDER:
        yield _file(name, header, extended, body)
    stream.skip(body.left_bytes + padding_bytes)


def _special(name: bytes, what: str, link: bytes, reason: Reason = Reason.SPECIAL_FILE) -> Entry:
    detail = what.format(link=link[:200].decode("utf-8", "backslashreplace"))
    return Entry(name, 0, 0, _nothing, PictureError(reason, detail))


def _hard_link(name: bytes, link: bytes, names: _Names) -> Entry:
    """A second name of a member, which tar puts before; without that member its bytes are lost."""
    if link in names:
        names.add(name)
        return _special(name, "a hard link to {link}, which has its own entry in this tar", link)
    what = "a hard link to {link}, which does not come before it in this tar: it has no bytes"
    return _special(name, what, link, Reason.BROKEN_LINK)


def _file(name: bytes, header: _Header, extended: Extended, body: Body) -> Entry:
    packed_bytes = body.left_bytes
    try:
        if header.kind == _CONTINUED:
            raise broken("the rest of a member that began in another volume of this tar")
        size_bytes, read_map = _sparse_map(header, extended, body)
    except PictureError as error:
        return Entry(name, packed_bytes, packed_bytes, _nothing, error)
    if read_map is None:
        return Entry(name, size_bytes, packed_bytes, lambda: body)
    return Entry(name, size_bytes, packed_bytes, lambda: Sparse(body, read_map(), size_bytes))


def _sparse_map(
    header: _Header, extended: Extended, body: Body
) -> tuple[int, Callable[[], list[int]] | None]:
    """The size that the file has when unpacked and, where it is sparse, how to get its map."""
    if header.kind == _SPARSE:
        numbers, size_bytes = old_sparse_map(header.block, body.stream)
        return size_bytes, lambda: numbers
    if extended.get(b"GNU.sparse.major") == b"1":
        return decimal(extended.get(b"GNU.sparse.realsize", b"")), lambda: map_before_data(body)
    if (listed := extended.get(b"GNU.sparse.map")) is not None:
        size_bytes = decimal(extended.get(b"GNU.sparse.size", b""))
        return size_bytes, lambda: [decimal(number) for number in listed.split(b",")]
    return body.left_bytes, None


def _nothing() -> Readable:
    raise AssertionError("an entry with a refusal was opened")
