"""Rows of a table as the text of a CSV file.

Two ways to the same bytes: a serialiser of JSON, which writes floats about three times as fast,
and pyarrow, for machines without it and for numbers that the two write differently. Both write the
shortest digits that read back to the same float32.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from naturalist.schemas import CSV_DELIMITER

try:
    import orjson
except ImportError:  # there is no wheel for this machine
    orjson = None  # type: ignore[assignment]

Vectors = np.ndarray[Any, np.dtype[np.float32]]
Codes = np.ndarray[Any, np.dtype[np.uint8]]

_BLOCK_ROWS = 64
"""So few that numbers and text of a block stay in the processor's cache."""
_MOST = 1e10
"""From here on pyarrow writes an exponent and JSON all digits."""
_FROM_COMMA = np.uint8(ord(CSV_DELIMITER) - ord(","))
_LINE = CSV_DELIMITER.join(["%b", "%b", "%d\n"]).encode()


def lines(names: Sequence[str], vectors: Vectors, labels: Sequence[int]) -> Iterator[bytes]:
    """Lines of a CSV file, each with its end, many at a time: name, values of the vector, label.

    Args:
        names: N names, without delimiters and quotes.
        vectors: float32 (N, dim), with a dim of at least 1.
        labels: N labels.
    """
    for start in range(0, len(names), _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        rows = zip(names[block], _values(vectors[block]), labels[block], strict=True)
        yield b"".join(_LINE % (name.encode(), values, label) for name, values, label in rows)


def _values(vectors: Vectors) -> list[bytes]:
    # False for NaN, too, for which JSON has no word.
    if orjson is not None and np.abs(vectors).max() < _MOST:
        return by_json(vectors)
    return by_arrow(vectors)


def by_json(vectors: Vectors) -> list[bytes]:
    """The values of each vector of (N, dim), all nearer to 0 than 1e10, by the fast way."""
    text = orjson.dumps(np.ascontiguousarray(vectors), option=orjson.OPT_SERIALIZE_NUMPY)
    codes = np.frombuffer(text, np.uint8)
    if (vectors == np.trunc(vectors)).any():
        codes = _without_point_zero(codes)
    ends = np.flatnonzero(codes == ord("]"))[:-1].tolist()
    starts = [len("[["), *(end + len("],[") for end in ends[:-1])]
    # By arithmetic, which takes a fifth of the time of choosing.
    text = (codes + (codes == ord(",")) * _FROM_COMMA).tobytes()
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _without_point_zero(codes: Codes) -> Codes:
    """JSON without the ".0" of whole numbers; the shortest digits of no other number end so."""
    after = codes[2:]
    ends = (after == ord(",")) | (after == ord("]"))
    at = np.flatnonzero((codes[:-2] == ord(".")) & (codes[1:-1] == ord("0")) & ends)
    keep = np.ones(len(codes), bool)
    keep[at] = keep[at + 1] = False
    return codes[keep]


def by_arrow(vectors: Vectors) -> list[bytes]:
    """The values of each vector of (N, dim) by pyarrow."""
    count, dim = vectors.shape
    texts = pc.cast(pa.array(vectors.reshape(-1)), pa.string())
    ends = pa.array(np.arange(0, (count + 1) * dim, dim, dtype=np.int32))
    rows = pc.binary_join(pa.ListArray.from_arrays(ends, texts), CSV_DELIMITER)
    return [row.encode() for row in rows.to_pylist()]
