"""Damaged JPEG is noticed, measured, and refused or accepted as the limits say."""

import itertools
import random
import struct
from dataclasses import replace

import numpy as np
import pytest
from tests.images.making import LIMITS, difference, encoded, photo

from naturalist.errors import PictureError
from naturalist.images import Doubt, PictureLimits, decode, read_header
from naturalist.reasons import Reason

ACCEPT = replace(LIMITS, damaged="accept")
SOUND = encoded(photo(451, 300), "JPEG", quality=85)
SCAN = SOUND.rindex(b"\xff\xda") + 20


def with_hole(data: bytes, at: int, size: int) -> bytes:
    return data[:at] + bytes(size) + data[at + size :]


def without(data: bytes, at: int, size: int) -> bytes:
    return data[:at] + data[at + size :]


PLACES = [SCAN + (len(SOUND) - SCAN) * k // 10 for k in (2, 4, 6)]


@pytest.mark.parametrize("longer", [0, 128])
@pytest.mark.parametrize("at", PLACES)
@pytest.mark.parametrize("spoil", [with_hole, without])
def test_lost_bytes_are_never_accepted_without_a_remark(spoil, at: int, longer: int) -> None:
    data = spoil(SOUND, at, 512)
    read_header(data, LIMITS)
    picture = decode(data, ACCEPT, longer=longer)
    assert [remark.doubt for remark in picture.remarks] == [Doubt.DAMAGED]


def test_what_lost_much_is_refused_by_default() -> None:
    refused = 0
    for spoil, at in itertools.product((with_hole, without), PLACES):
        damaged = spoil(SOUND, at, 512)
        if decode(damaged, ACCEPT, longer=128).damage < 0.1:
            continue
        with pytest.raises(PictureError, match="missing or corrupt") as caught:
            decode(damaged, LIMITS, longer=128)
        assert caught.value.reason is Reason.DAMAGED
        refused += 1
    assert refused >= 5


def test_a_picture_sent_in_text_mode_is_refused() -> None:
    data = SOUND.replace(b"\n", b"\r\n")
    with pytest.raises(PictureError) as caught:
        decode(data, LIMITS, longer=128)
    assert caught.value.reason in (Reason.DAMAGED, Reason.TRUNCATED, Reason.BROKEN_PIXELS)


def test_little_damage_is_accepted_with_a_remark() -> None:
    data = encoded(photo(400, 300), "JPEG", quality=60, restart_marker_blocks=4)
    middle = len(data) // 2
    damaged = with_hole(data, middle, 20)
    picture = decode(damaged, LIMITS)
    assert difference(picture.pixels, decode(data, LIMITS).pixels) < 5
    assert [remark.doubt for remark in picture.remarks] == [Doubt.DAMAGED]
    assert picture.damage < 0.1


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_sound_picture_has_no_damage_and_no_remark(mode: str, options: dict[str, bool]) -> None:
    picture = decode(encoded(photo().convert(mode), "JPEG", **options), LIMITS, longer=128)
    assert (picture.damage, picture.remarks) == (0.0, ())


def test_damage_of_four_colours_is_noticed() -> None:
    data = encoded(photo().convert("CMYK"), "JPEG")
    scan = data.rindex(b"\xff\xda") + 20
    damaged = without(data, scan + (len(data) - scan) // 3, 512)
    picture = decode(damaged, ACCEPT)
    assert [remark.doubt for remark in picture.remarks] == [Doubt.DAMAGED]


def test_no_sound_photo_of_the_shared_collection_is_called_damaged(photos) -> None:
    files = sorted(path for path in photos.rglob("*.jpg"))
    for path in random.Random(1).sample(files, 100):
        assert decode(path.read_bytes(), LIMITS, longer=128).remarks == ()


def many_scans(width: int, height: int, scans: int) -> bytes:
    """A progressive JPEG whose scans say, in a few bytes each, that nothing changes."""
    segments = [
        b"\xff\xdb" + struct.pack(">HB", 67, 0) + bytes([16]) * 64,
        b"\xff\xc2" + struct.pack(">HBHHB", 11, 8, height, width, 1) + bytes([1, 0x11, 0]),
        b"\xff\xc4" + struct.pack(">HB", 20, 0) + bytes([1] + [0] * 16),
        b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1] + [0] * 15) + b"\xe0",
    ]
    blocks = -(-width // 8) * -(-height // 8)
    first = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0, 0) + bytes(-(-blocks // 8))
    runs = "011111111111111" * -(-blocks // 16384)
    packed = np.packbits([int(bit) for bit in runs + "1" * (-len(runs) % 8)]).tobytes()
    more = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 63, 0)
    more += packed.replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + b"".join(segments) + first + more * (scans - 1) + b"\xff\xd9"


def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    for read in (read_header, decode):
        with pytest.raises(PictureError, match="max_scans") as caught:
            read(many_scans(2000, 2000, 3000), LIMITS)
        assert caught.value.reason is Reason.TOO_MANY_SCANS


def test_an_end_marker_in_a_comment_hides_no_scans() -> None:
    data = many_scans(64, 64, 200)
    comment = b"\xff\xfe" + struct.pack(">H", 6) + b"\xff\xd9\xff\xd9"
    at = data.index(b"\xff\xda")
    with pytest.raises(PictureError) as caught:
        decode(data[:at] + comment + data[at:], LIMITS)
    assert caught.value.reason is Reason.TOO_MANY_SCANS


def test_as_many_scans_as_are_allowed_are_decoded() -> None:
    assert decode(many_scans(64, 48, 20), PictureLimits(max_scans=20)).pixels.shape == (48, 64, 3)


def test_scans_of_one_colour_each_count_as_held_whole() -> None:
    limits = PictureLimits(max_pixels=10_000, max_whole_pixels=1_000)
    data = many_scans(64, 48, 2)
    with pytest.raises(PictureError, match="max_whole_pixels"):
        read_header(data, limits)
