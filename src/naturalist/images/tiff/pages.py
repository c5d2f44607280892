"""Which page of a TIFF file is the picture, and how its samples are laid out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from naturalist.errors import PictureError
from naturalist.images.tiff import directory as tags
from naturalist.images.tiff.directory import Directory
from naturalist.reasons import Reason

Kind = Literal["u", "i", "f"]

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 256, 257, 258, 259, 262, 266
_SAMPLES, _PLANAR, _OLD_SUBFILE_TYPE, _PREDICTOR, _EXTRA, _FORMAT = 277, 284, 255, 317, 338, 339
_REDUCED, _MASK = 1, 4
_KINDS: dict[int, Kind] = {1: "u", 2: "i", 3: "f", 4: "u"}

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_COLOURS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3}
_OF_PILLOW_COLOURS = frozenset({8, 9, 10, 32844, 32845})
_SENSOR = frozenset({32803, 34892})
_READ_HERE = frozenset({1, 5, 8, 32773, 32946, 34925, 50000})
_OF_PILLOW = frozenset({2, 3, 4, 6, 7, 32771, 32809, 34676, 34677})
_NAMES = {
    22610: "JPEG XR", 32766: "NeXT", 32908: "PixarFilm", 32909: "PixarLog", 33003: "JPEG 2000",
    33004: "JPEG 2000", 33005: "JPEG 2000", 33007: "JPEG", 34661: "JBIG", 34712: "JPEG 2000",
    34713: "Nikon NEF", 34887: "LERC", 34933: "PNG", 34934: "JPEG XR", 50001: "WebP",
    50002: "JPEG XL", 52546: "JPEG XL",
}  # fmt: skip
_MOST_SAMPLES = 1024
_MOST_BELOW = 64


@dataclass(frozen=True)
class Page:
    """How the chosen page is stored.

    `kind` and `bits`: type of a sample. `colours`: samples of a pixel that are colour; `extra`:
    meanings of the others (1 premultiplied alpha, 2 alpha, 0 anything). `orientation`: 0 where
    the page does not say. `by_pillow`: whether only Pillow can read it.
    """

    directory: Directory
    width: int
    height: int
    bits: int
    kind: Kind
    samples: int
    colours: int
    extra: tuple[int, ...]
    photometric: int
    compression: int
    predictor: int
    planar: bool
    reversed_bits: bool
    orientation: int
    by_pillow: bool

    @property
    def size_bytes(self) -> int:
        """Size of the samples once unpacked."""
        return self.width * self.height * self.samples * max(1, -(-self.bits // 8))


def choose_page(data: bytes) -> Page:
    """The first page that is neither a reduced copy nor a mask, or else the first of all.

    If all of the chain are such, the first of the sub-directories of the first page that is none.

    Raises:
        PictureError: BROKEN_HEADER without a usable directory, UNSUPPORTED_FORMAT for what
            cannot be read.
    """
    pages = tags.directories(data)
    first = next(pages, None)
    if first is None:
        raise PictureError(Reason.BROKEN_HEADER, "TIFF without a directory")
    if tags.DNG_VERSION in first.entries:
        raise unsupported("a camera raw file (DNG)")
    selected = first
    if not _is_whole(first):
        selected = next(filter(_is_whole, (*pages, *_below(data, first))), first)
    if selected.repeated:
        raise PictureError(Reason.BROKEN_HEADER, "TIFF that declares its size more than once")
    return _page(selected)


def _below(data: bytes, directory: Directory) -> Iterator[Directory]:
    """The sub-directories of a page."""
    for offset in directory.values(tags.SUB_DIRECTORIES)[:_MOST_BELOW]:
        result = tags.directory_at(data, int(offset))
        if result is not None:
            yield result


def _is_whole(directory: Directory) -> bool:
    flags = directory.number(tags.SUBFILE_TYPE, 0)
    return not flags & (_REDUCED | _MASK) and directory.number(_OLD_SUBFILE_TYPE, 1) != 2


def _page(directory: Directory) -> Page:
    width, height = directory.number(_WIDTH, 0), directory.number(_LENGTH, 0)
    if width <= 0 or height <= 0:
        raise PictureError(Reason.BROKEN_HEADER, f"TIFF of {width} x {height} pixels")
    compression, samples = directory.number(_COMPRESSION, 1), directory.number(_SAMPLES, 1)
    photometric = directory.number(_PHOTOMETRIC, RGB if samples >= 3 else BLACK_IS_ZERO)
    by_pillow = compression in _OF_PILLOW or photometric in _OF_PILLOW_COLOURS
    _check_kind(compression, photometric, samples)
    colours = 1 if by_pillow else _COLOURS[photometric]
    if not by_pillow and samples < colours:
        raise PictureError(
            Reason.BROKEN_HEADER, f"TIFF with {samples} samples per pixel for {colours} colours"
        )
    stated = directory.number(tags.ORIENTATION, 0)
    return Page(
        directory=directory,
        width=width,
        height=height,
        bits=1 if by_pillow else _bits(directory, samples),
        kind="u" if by_pillow else _kind(directory, samples),
        samples=samples,
        colours=colours,
        extra=tuple(int(v) for v in directory.values(_EXTRA)[: max(0, samples - colours)]),
        photometric=photometric,
        compression=compression,
        predictor=directory.number(_PREDICTOR, 1),
        planar=directory.number(_PLANAR, 1) == 2 and samples > 1,
        reversed_bits=directory.number(_FILL_ORDER, 1) == 2,
        orientation=stated if 1 <= stated <= 8 else 0,
        by_pillow=by_pillow,
    )


def _check_kind(compression: int, photometric: int, samples: int) -> None:
    if compression not in _READ_HERE | _OF_PILLOW:
        name = _NAMES.get(compression, f"compression {compression}")
        raise unsupported(f"TIFF with {name} inside")
    if photometric in _SENSOR:
        raise unsupported("TIFF with raw camera sensor data")
    if photometric not in _COLOURS and photometric not in _OF_PILLOW_COLOURS:
        raise unsupported(f"TIFF with colours of kind {photometric}")
    if not 0 < samples <= _MOST_SAMPLES:
        raise PictureError(Reason.BROKEN_HEADER, f"TIFF with {samples} samples per pixel")


def _bits(directory: Directory, samples: int) -> int:
    bits = directory.values(_BITS)[:samples]
    if len(np.unique(bits)) > 1:
        raise unsupported(f"TIFF whose samples have {', '.join(map(str, bits[:8]))} bits")
    return int(bits[0]) if len(bits) else 1


def _kind(directory: Directory, samples: int) -> Kind:
    formats = directory.values(_FORMAT)[:samples]
    stated = int(formats[0]) if len(formats) else 1
    if len(np.unique(formats)) > 1 or stated not in _KINDS:
        raise unsupported("TIFF with complex numbers, or samples of several kinds")
    return _KINDS[stated]


def unsupported(detail: str) -> PictureError:
    """The error for what is a sound TIFF and cannot be read here."""
    return PictureError(Reason.UNSUPPORTED_FORMAT, detail)
