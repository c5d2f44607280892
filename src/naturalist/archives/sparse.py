"""The data of tar members: plain, and sparse in the four ways of GNU tar."""

from collections import deque

from naturalist.archives.kinds import TAR_BLOCK_BYTES, tar_number
from naturalist.archives.streams import Forward, broken

SPARSE_MAP_KEYWORDS = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")

# A map this large describes 50,000 holes.
_MAX_MAP_BYTES = 1 << 20


class Body:
    """The stored bytes of one member; `left_bytes` are still to be read."""

    def __init__(self, stream: Forward, size_bytes: int) -> None:
        self.stream = stream
        self.left_bytes = size_bytes

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes, fewer only at the member's end."""
        count = min(count, self.left_bytes)
        data = self.stream.read(count)
        self.left_bytes -= len(data)
        if len(data) < count:
            raise broken("the archive ends in the middle of this member")
        return data


class Sparse:
    """A sparse member as the file it was: its stored pieces, and zeros between them.

    `numbers` holds offset and length of each stored piece in turn, in rising order.
    """

    def __init__(self, body: Body, numbers: list[int], size_bytes: int) -> None:
        self._body = body
        self._runs = _runs(numbers, body.left_bytes, size_bytes)

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes, fewer only at the member's end."""
        pieces = []
        while count > 0 and self._runs:
            stored, length = self._runs.popleft()
            if length > count:
                self._runs.appendleft((stored, length - count))
                length = count
            pieces.append(self._body.read(length) if stored else self._zeros(length))
            count -= length
        return b"".join(pieces)

    def _zeros(self, count: int) -> bytes:
        self._body.stream.spend(count)
        return bytes(count)


def _runs(numbers: list[int], stored_bytes: int, size_bytes: int) -> deque[tuple[bool, int]]:
    """Lengths of stored pieces (True) and holes (False), in the order of the file."""
    runs: deque[tuple[bool, int]] = deque()
    position = 0
    for offset, length in zip(numbers[::2], numbers[1::2], strict=False):
        runs.append((False, offset - position))
        runs.append((True, length))
        position = offset + length
    runs.append((False, size_bytes - position))
    stored_length = sum(length for stored, length in runs if stored)
    if min(length for _, length in runs) < 0 or stored_length != stored_bytes:
        raise broken("the map of a sparse member contradicts itself")
    return runs


def decimal(field: bytes) -> int:
    """A number of a pax header or a sparse map, from 0 to 2**63 - 1."""
    value = int(field) if field.isdigit() and len(field) < 20 else -1
    if not 0 <= value < 1 << 63:
        raise broken(f"a pax header has an impossible size: {field[:40]!r}")
    return value


def old_sparse_map(block: bytes, stream: Forward) -> tuple[list[int], int]:
    """The map and the unpacked size of a member of GNU type S, whose header is `block`.

    The map goes on in blocks of its own behind the header, which are read here.
    """
    fields = block[386:482]
    goes_on = block[482]
    while goes_on:
        more = stream.read(TAR_BLOCK_BYTES)
        if len(more) < TAR_BLOCK_BYTES or len(fields) > _MAX_MAP_BYTES:
            raise broken("the map of a sparse member has no end")
        fields += more[:504]
        goes_on = more[504]
    size_bytes = tar_number(block[483:495])
    numbers = [tar_number(fields[at : at + 12]) for at in range(0, len(fields), 12)]
    if size_bytes is None or None in numbers:
        raise broken("the map of a sparse member contains something that is not a size")
    pieces = zip(numbers[::2], numbers[1::2], strict=True)
    return [number or 0 for piece in pieces if piece[1] for number in piece], size_bytes


def map_before_data(body: Body) -> list[int]:
    """The map of a member of GNU sparse format 1.0: decimal lines in front of the data."""
    text = _map_block(body)
    count = decimal(text.partition(b"\n")[0])
    lines = text.count(b"\n")
    blocks = [text]
    while lines < 1 + 2 * count:
        if len(blocks) * TAR_BLOCK_BYTES > _MAX_MAP_BYTES:
            raise broken("the map of a sparse member has no end")
        blocks.append(_map_block(body))
        lines += blocks[-1].count(b"\n")
    return [decimal(line) for line in b"".join(blocks).split(b"\n")[1 : 1 + 2 * count]]


def _map_block(body: Body) -> bytes:
    block = body.read(TAR_BLOCK_BYTES)
    if not block:
        raise broken("the map of a sparse member has no end")
    return block
