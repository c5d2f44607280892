"""PBM, PGM, PPM and PAM (P1 to P7), and PFM: the plain formats of many older collections.

The first picture of a file is read; samples are scaled by the file's own largest value.
Source: the manual pages pbm(5), pgm(5), ppm(5), pam(5) and pfm(5) of Netpbm.
"""

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import PictureError
from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Remark
from naturalist.images.samples import (
    Scale,
    as_rgb,
    eight_bits,
    over_white,
    scale_of,
    transparency_remarks,
)
from naturalist.reasons import Reason

_SPACE = rb"(?:\s|#[^\n\r]*[\n\r])"
_BITS = re.compile(rb"P([14])" + _SPACE + rb"+(\d{1,9})" + _SPACE + rb"+(\d{1,9})\s")
_LEVELS = re.compile(
    rb"P([2356])" + (_SPACE + rb"+(\d{1,9})") * 3 + rb"(?:\s)"  # one white space, then samples
)
_FLOATS = re.compile(rb"P([fF])\s+(\d{1,9})\s+(\d{1,9})\s+([-+]?[0-9.eE+-]{1,30})\s")
_PAM_HEAD = re.compile(rb"P7\s*\n((?:[^\n]*\n){1,64}?)ENDHDR[^\n]*\n")
_MOST_HEAD = 1 << 16
_TEXT_PART = 1 << 20


@dataclass(frozen=True)
class Netpbm:
    """What the header says; `start` is where the samples begin."""

    kind: str
    width: int
    height: int
    channels: int
    top: float
    start: int
    has_alpha: bool = False

    @property
    def samples(self) -> int:
        """How many samples the picture has."""
        return self.width * self.height * self.channels


def read_netpbm(data: bytes) -> Netpbm:
    """Read the header; raises BROKEN_HEADER."""
    head = data[:_MOST_HEAD]
    result = _plain(head) or _floats(head) or _pam(head)
    if result is None or result.width <= 0 or result.height <= 0:
        raise PictureError(Reason.BROKEN_HEADER, "a PBM, PGM, PPM, PAM or PFM without a header")
    if not np.isfinite(result.top) or (result.kind not in "fF" and not 0 < result.top < 65536):
        raise PictureError(
            Reason.BROKEN_HEADER, f"P{result.kind} with {result.top:g} as its maximum value"
        )
    return result


def _plain(head: bytes) -> Netpbm | None:
    if bits := _BITS.match(head):
        return Netpbm(bits[1].decode(), int(bits[2]), int(bits[3]), 1, 1, bits.end())
    if levels := _LEVELS.match(head):
        kind = levels[1].decode()
        channels = 3 if kind in "36" else 1
        width, height, top = (int(levels[k]) for k in (2, 3, 4))
        return Netpbm(kind, width, height, channels, top, levels.end())
    return None


def _floats(head: bytes) -> Netpbm | None:
    result = _FLOATS.match(head)
    if not result:
        return None
    kind = result[1].decode()
    try:
        scale = float(result[4])
    except ValueError:
        return None
    return Netpbm(
        kind, int(result[2]), int(result[3]), 3 if kind == "F" else 1, scale, result.end()
    )


def _pam(head: bytes) -> Netpbm | None:
    result = _PAM_HEAD.match(head)
    if not result:
        return None
    lines = (line.split(None, 1) for line in result[1].splitlines() if not line.startswith(b"#"))
    fields = {line[0]: line[1].strip() for line in lines if len(line) == 2}
    try:
        numbers = [int(fields[name]) for name in (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")]
    except (KeyError, ValueError):
        return None
    width, height, depth, top = numbers
    has_alpha = fields.get(b"TUPLTYPE", b"").endswith(b"_ALPHA") or depth in (2, 4)
    if not 1 <= depth <= 4:
        raise PictureError(Reason.UNSUPPORTED_FORMAT, f"PAM with {depth} samples per pixel")
    return Netpbm("7", width, height, depth, top, result.end(), has_alpha)


def decode_netpbm(data: bytes, header: Netpbm) -> tuple[Pixels, list[Remark]]:
    """Decode to uint8 (H, W, 3), and what is doubtful about the picture.

    Raises:
        PictureError: TRUNCATED where samples are missing, BROKEN_PIXELS for what are none.
    """
    if header.kind in "14":
        bits = _bits_as_text(data, header) if header.kind == "1" else _packed_bits(data, header)
        return as_rgb(np.where(bits, 0, 255).astype(np.uint8)), []
    if header.kind in "fF":
        return _from_floats(data, header)
    words = _as_text(data, header) if header.kind in "23" else _binary(data, header)
    values = np.minimum(words, int(header.top)).reshape(header.height, header.width, -1)
    scale = Scale(0.0, header.top)
    if header.top == 65535:
        scale = scale_of(values, 16)
    pixels = eight_bits(values, scale)
    if not header.has_alpha:
        return as_rgb(pixels), list(scale.remarks)
    opacity = pixels[:, :, -1]
    remarks = [*scale.remarks, *transparency_remarks(float(opacity.max(initial=0)))]
    return as_rgb(over_white(pixels[:, :, :-1], opacity)), remarks


def _stored(data: bytes, header: Netpbm, size: int) -> bytes:
    if len(data) - header.start < size:
        detail = f"P{header.kind} with {len(data) - header.start} bytes of {size}"
        raise PictureError(Reason.TRUNCATED, detail)
    return data[header.start : header.start + size]


def _packed_bits(data: bytes, header: Netpbm) -> NDArray[np.uint8]:
    stride = -(-header.width // 8)
    stored = np.frombuffer(_stored(data, header, stride * header.height), np.uint8)
    return np.unpackbits(stored.reshape(header.height, stride), axis=1)[:, : header.width]


def _binary(data: bytes, header: Netpbm) -> NDArray[Any]:
    dtype = np.dtype("u1" if header.top < 256 else ">u2")
    stored = _stored(data, header, header.samples * dtype.itemsize)
    return np.frombuffer(stored, dtype).astype(dtype.newbyteorder("="), copy=False)


def _bits_as_text(data: bytes, header: Netpbm) -> NDArray[np.bool_]:
    """P1: each digit is a sample, white space between them may be missing."""
    text = re.sub(rb"#[^\n\r]*", b"", data[header.start :])
    digits = np.frombuffer(text, np.uint8)
    digits = digits[(digits == ord("0")) | (digits == ord("1"))][: header.samples]
    _check_count(len(digits), header)
    ones: NDArray[np.bool_] = digits == ord("1")
    return ones.reshape(header.height, header.width)


def _as_text(data: bytes, header: Netpbm) -> NDArray[np.uint16]:
    text = re.sub(rb"#[^\n\r]*", b"", data[header.start :])
    values = np.empty(header.samples if header.samples <= len(text) else 0, np.uint16)
    _check_count(len(values), header)
    count, at = 0, 0
    # In parts: numbers as objects of Python would take fifty times the file.
    while count < len(values) and at < len(text):
        end = at + _TEXT_PART
        while end < len(text) and not text[end : end + 1].isspace():
            end += 1
        part = _numbers(text[at:end], header)[: len(values) - count]
        values[count : count + len(part)] = part
        count, at = count + len(part), end
    _check_count(count, header)
    return values


def _numbers(text: bytes, header: Netpbm) -> NDArray[np.uint16]:
    try:
        numbers = [int(word) for word in text.split()]
    except ValueError as error:
        raise PictureError(Reason.BROKEN_PIXELS, f"P{header.kind}: {error}"[:200]) from error
    return np.clip(np.array(numbers, np.int64), 0, 65535).astype(np.uint16)


def _check_count(count: int, header: Netpbm) -> None:
    if count < header.samples:
        detail = f"P{header.kind} with {count} samples of {header.samples}"
        raise PictureError(Reason.TRUNCATED, detail)


def _from_floats(data: bytes, header: Netpbm) -> tuple[Pixels, list[Remark]]:
    order = "<" if header.top < 0 else ">"
    stored = _stored(data, header, header.samples * 4)
    values = np.frombuffer(stored, f"{order}f4").astype("=f4")
    rows = values.reshape(header.height, header.width, header.channels)[::-1]
    scale = scale_of(rows, 32)
    return as_rgb(eight_bits(rows, scale)), list(scale.remarks)


def without_comments(data: bytes) -> bytes:
    """The same picture without its comments and what lies behind it; PAM and PFM have none."""
    header = read_netpbm(data)
    if header.kind in "7fF":
        return data
    head = f"P{header.kind}\n{header.width} {header.height}\n".encode()
    head += b"" if header.kind in "14" else f"{int(header.top)}\n".encode()
    if header.kind in "123":
        return head + re.sub(rb"#[^\n\r]*", b"", data[header.start :])
    word_bytes = 1 if header.top < 256 else 2
    size = header.samples * word_bytes
    if header.kind == "4":
        size = -(-header.width // 8) * header.height
    return head + data[header.start : header.start + size]
