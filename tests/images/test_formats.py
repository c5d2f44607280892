"""Formats are told by content: magic numbers, boxes and the first TIFF directory."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.images.making import encoded, photo

from naturalist.images import EXTENSIONS, HEAD_BYTES, readable_formats, sniff
from naturalist.reasons import Reason

ALWAYS = {"jpeg": "JPEG", "png": "PNG", "gif": "GIF", "webp": "WEBP", "bmp": "BMP", "tiff": "TIFF"}
OPTIONAL = {"avif": "AVIF", "jpeg2000": "JPEG2000"}


def box(major: bytes, *compatible: bytes) -> bytes:
    brands = b"".join(compatible)
    return struct.pack(">I", 16 + len(brands)) + b"ftyp" + major + bytes(4) + brands + bytes(64)


def tiff_directory(*entries: tuple[int, int]) -> bytes:
    """A little-endian TIFF whose first directory holds these tags, one LONG each."""
    body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries)
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + body + bytes(4)


@pytest.mark.parametrize(("name", "pillow_name"), (ALWAYS | OPTIONAL).items())
def test_what_pillow_writes_is_recognised(name: str, pillow_name: str) -> None:
    if name not in readable_formats():
        pytest.skip(f"Pillow has no {name} here")
    sniffed = sniff(encoded(photo(40, 30), pillow_name)[:HEAD_BYTES])
    assert sniffed.format == name
    assert sniffed.readable


def test_the_common_formats_are_always_readable_and_each_has_an_extension() -> None:
    assert ALWAYS.keys() <= readable_formats() <= EXTENSIONS.keys()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<!-- drawn -->\n<svg width="1">', "svg"),
        (b"8BPS\x00\x01" + bytes(20), "psd"),
        (b"\xff\x0a" + bytes(20), "jxl"),
        (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
        (
            b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00\x68\x04\x00\x00\x16\x00\x00\x00",
            "",
        ),
        # An icon's directory entry must be there as a whole.
        (
            b"\x00\x00\x01\x00\x01\x00\x10\x10\x00\x00\x01\x00\x20\x00\x68\x04\x00\x00\x16\x00\x00\x00"
            + bytes(9),
            "ico",
        ),
        (b"FUJIFILMCCD-RAW 0201", "raw"),
        (b"II*\x00\x10\x00\x00\x00CR\x02\x00" + bytes(20), "raw"),
        (box(b"crx ", b"crx "), "raw"),
        (tiff_directory((254, 1), (256, 160), (330, 900)), "raw"),
        (tiff_directory((256, 160), (50706, 0x0104)), "raw"),
        (b"%!PS-Adobe-3.0 EPSF-3.0", "eps"),
        (bytes(128) + b"DICM", "dicom"),
    ],
)
def test_other_picture_formats_are_named_and_called_unsupported(head: bytes, name: str) -> None:
    sniffed = sniff(head)
    expected = Reason.UNSUPPORTED_FORMAT if name else Reason.NOT_A_PICTURE
    assert (sniffed.format, sniffed.reason) == (name, expected)


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"", Reason.EMPTY_FILE),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", Reason.GIT_LFS_POINTER),
        (b"BMW is a maker of cars, not a picture, and this is only text", Reason.NOT_A_PICTURE),
        (b"P3 is a processor of 1999", Reason.NOT_A_PICTURE),
        (b"<!DOCTYPE html><html><svg></svg></html>", Reason.NOT_A_PICTURE),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", Reason.NOT_A_PICTURE),
        (b"%PDF-1.7", Reason.NOT_A_PICTURE),
        (b"PK\x03\x04", Reason.NOT_A_PICTURE),
        (box(b"isom", b"isom", b"mp42"), Reason.NOT_A_PICTURE),
    ],
)
def test_what_is_no_picture_says_why(head: bytes, reason: Reason) -> None:
    assert (sniff(head).format, sniff(head).reason) == ("", reason)


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (box(b"heic", b"mif1", b"heic"), "heic"),
        (box(b"mif1", b"mif1", b"heic"), "heic"),
        (box(b"mif1", b"mif1", b"avif", b"miaf"), "avif"),
        (box(b"avis", b"avif"), "avif"),
    ],
)
def test_brands_tell_heic_from_avif(head: bytes, name: str) -> None:
    assert sniff(head).format == name
    assert sniff(head).readable == (name in readable_formats())


@given(st.binary(max_size=600))
def test_any_bytes_get_an_answer(head: bytes) -> None:
    sniffed = sniff(head)
    assert sniffed.readable == (sniffed.format in readable_formats())
