"""Headers give the upright size without decoding, and refuse what must not be decoded."""

import struct
import subprocess
import sys
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image
from tests.images.making import LIMITS, encoded, photo

from naturalist.errors import PictureError
from naturalist.images import Header, PictureLimits, decode, read_header
from naturalist.reasons import Reason

SMALL = PictureLimits(max_pixels=1000, max_whole_pixels=1000, max_metadata_bytes=1000)


def refusal(data: bytes, limits: PictureLimits = LIMITS) -> Reason:
    """The reason that both the header and the decoder refuse a file for."""
    reasons = set()
    for read in (read_header, decode):
        with pytest.raises(PictureError) as caught:
            read(data, limits)
        reasons.add(caught.value.reason)
    (reason,) = reasons
    return reason


def chunk(kind: bytes, body: bytes) -> bytes:
    crc = zlib.crc32(kind + body)
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png_with(*chunks: bytes) -> bytes:
    """A small PNG with more chunks after its header."""
    plain = encoded(photo(30, 20), "PNG")
    return plain[:33] + b"".join(chunks) + plain[33:]


def tiff_with_overlapping_tags(tags: int, size_bytes: int) -> bytes:
    """A TIFF of which each of many private tags claims the same bytes."""
    body = encoded(photo(30, 20), "TIFF").ljust(size_bytes, b"\x00")
    (directory,) = struct.unpack_from("<I", body, 4)
    (count,) = struct.unpack_from("<H", body, directory)
    real = body[directory + 2 : directory + 2 + 12 * count]
    forged = b"".join(struct.pack("<HHII", 60000 + n, 1, size_bytes - 8, 8) for n in range(tags))
    head = struct.pack("<2sHI", b"II", 42, len(body))
    return head + body[8:] + struct.pack("<H", count + tags) + real + forged + bytes(4)


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_the_header_tells_format_and_size(pillow_name: str) -> None:
    header = read_header(encoded(photo(31, 20), pillow_name), LIMITS)
    assert header == Header(pillow_name.lower(), 31, 20)


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_a_picture_with_more_pixels_than_allowed_is_refused_before_decoding(
    pillow_name: str,
) -> None:
    assert refusal(encoded(photo(40, 30), pillow_name), SMALL) is Reason.TOO_MANY_PIXELS


def test_only_a_jpeg_that_is_decoded_row_by_row_may_pass_the_limit_for_whole_pictures() -> None:
    limits = PictureLimits(max_pixels=2000, max_whole_pixels=1000)
    assert read_header(encoded(photo(40, 30), "JPEG"), limits).width == 40
    assert decode(encoded(photo(40, 30), "JPEG"), limits, longer=20).pixels.shape == (15, 20, 3)
    progressive = encoded(photo(40, 30), "JPEG", progressive=True)
    assert refusal(progressive, limits) is Reason.TOO_MANY_PIXELS
    assert refusal(encoded(photo(40, 30), "PNG"), limits) is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize(
    "text",
    [
        chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(5000))),
        chunk(b"iTXt", b"Comment\x00\x01\x00en\x00Note\x00" + zlib.compress(bytes(5000))),
        chunk(b"iCCP", b"Profile\x00\x00" + zlib.compress(bytes(5000))),
        chunk(b"tEXt", b"Comment\x00" + b"a" * 5000),
        chunk(b"zTXt", b"Comment\x00\x00" + zlib.compress(bytes(600))) * 2,
    ],
)
def test_text_that_unpacks_to_more_than_allowed_is_refused(text: bytes) -> None:
    assert refusal(png_with(text), SMALL) is Reason.METADATA_TOO_LARGE
    assert read_header(png_with(text), LIMITS).width == 30


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"zTXt", b"Comment\x00\x00 this is not a zlib stream"),
        chunk(b"iTXt", b"no end of the keyword"),
        chunk(b"iCCP", b""),
        chunk(b"eXIf", b"MM\x00*\xff\xff\xff\xff and more"),
        struct.pack(">I", 4) + b"tEXtabcd" + b"\x00\x00\x00\x00",
    ],
)
def test_damaged_metadata_does_not_cost_a_png_its_pixels(damaged: bytes) -> None:
    plain, marked = encoded(photo(30, 20), "PNG"), png_with(damaged)
    assert np.array_equal(decode(marked, LIMITS).pixels, decode(plain, LIMITS).pixels)


def test_a_tiff_whose_tags_overlap_is_refused_for_what_it_would_unpack_to() -> None:
    data = tiff_with_overlapping_tags(tags=600, size_bytes=60_000)
    assert refusal(data) is Reason.METADATA_TOO_LARGE
    assert read_header(tiff_with_overlapping_tags(1, 60_000), LIMITS).width == 30


@pytest.mark.parametrize(
    ("start", "reason"),
    [
        (b"\xff\xd8\xff\xd9", Reason.BROKEN_HEADER),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", Reason.BROKEN_HEADER),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x00\x00\x10\x03", Reason.BROKEN_HEADER),
        (b"\xff\xd8\xff\xc0\x00\x11\x08\x00", Reason.BROKEN_HEADER),
        (b"\xff\xd8\xff\xc0\x00\x11\x0c\x00\x10\x00\x10\x03", Reason.UNSUPPORTED_FORMAT),
        (b"\xff\xd8\xff\xc3\x00\x11\x08\x00\x10\x00\x10\x03", Reason.UNSUPPORTED_FORMAT),
        (b"\xff\xd8\xff\xf7\x00\x11\x08\x00\x10\x00\x10\x03", Reason.UNSUPPORTED_FORMAT),
        (b"\x89PNG\r\n\x1a\n", Reason.BROKEN_HEADER),
        (b"GIF89a", Reason.BROKEN_HEADER),
        (b"II*\x00\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", Reason.BROKEN_HEADER),
        (b"RIFF\xff\x00\x00\x00WEBPVP8 ", Reason.TRUNCATED),
    ],
)
def test_a_header_that_cannot_be_used_says_why(start: bytes, reason: Reason) -> None:
    assert refusal(start) is reason


def test_a_picture_of_a_pixel_layout_that_pillow_does_not_know_is_unsupported() -> None:
    data = bytearray(encoded(Image.new("RGB", (4, 4)), "TIFF"))
    (directory,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, directory)
    for at in range(directory + 2, directory + 2 + 12 * count, 12):
        if struct.unpack_from("<H", data, at) == (262,):
            struct.pack_into("<HHIHH", data, at, 262, 3, 1, 32803, 0)
    assert refusal(bytes(data)) is Reason.UNSUPPORTED_FORMAT


def test_the_host_programs_warnings_and_limits_stay_as_they_are() -> None:
    limit, filters = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    decode(encoded(photo(40, 30), "GIF"), LIMITS)
    assert limit == Image.MAX_IMAGE_PIXELS
    assert list(warnings.filters) == filters


def test_nothing_is_printed_or_warned_about_a_broken_tiff(
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = bytearray(encoded(photo(64, 64), "TIFF", compression="tiff_lzw"))
    data[8:2000] = bytes(1992)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_header(bytes(data), LIMITS)
        with pytest.raises(PictureError):
            decode(bytes(data), LIMITS)
    assert capfd.readouterr() == ("", "")


def test_what_pillow_logs_about_a_broken_tiff_is_not_printed() -> None:
    data = bytearray(encoded(photo(30, 20), "TIFF"))
    at = data.index(struct.pack("<HHI", 277, 3, 1)) + 8
    data[at : at + 2] = b"\xff\xff"
    code = (
        "import sys; from naturalist.images import *; from naturalist.errors import PictureError\n"
        "try: read_header(sys.stdin.buffer.read(), PictureLimits())\n"
        "except PictureError as error: print(error.reason)"
    )
    done = subprocess.run([sys.executable, "-c", code], input=bytes(data), capture_output=True)
    assert (done.stdout.strip(), done.stderr) == (b"broken_header", b"")
