"""Unpacking Deflate64, which zlib does not."""

from collections.abc import Iterator

from stream_inflate import StreamInflateError, stream_inflate64

from naturalist.archives.streams import PACKED_PIECE_BYTES, Readable, broken


class Deflate64:
    """What the packed bytes of `source` unpack to."""

    def __init__(self, source: Readable) -> None:
        self._source = source
        uncompressed, self._is_done, _ = stream_inflate64()
        self._pieces: Iterator[bytes] = uncompressed(self._packed())
        self._waiting = b""

    def _packed(self) -> Iterator[bytes]:
        while piece := self._source.read(PACKED_PIECE_BYTES):
            yield piece

    def read(self, count: int, /) -> bytes:
        """The next `count` bytes; fewer only where the packed data properly ends."""
        pieces = []
        while count > 0 and (piece := self._waiting or self._next()):
            pieces.append(piece[:count])
            self._waiting = piece[count:]
            count -= len(pieces[-1])
        return b"".join(pieces)

    def _next(self) -> bytes:
        try:
            piece = next(self._pieces, b"")
        except (StreamInflateError, ValueError, IndexError, KeyError, ArithmeticError) as error:
            raise broken(f"the compressed data is damaged: {error!r}") from error
        if not piece and not self._is_done():
            raise broken("the compressed data is truncated")
        return piece
