"""JPEG 2000 of any depth keeps its brightest samples, and is turned as its boxes say."""

import struct

import numpy as np
import pytest
from tests.images.making import LIMITS, photo

from naturalist.errors import PictureError
from naturalist.images import decode, read_header, readable_formats
from naturalist.images.stripping import exif_with_orientation
from naturalist.reasons import Reason

imagecodecs = pytest.importorskip("imagecodecs", reason="the test group is not installed")
pytestmark = pytest.mark.skipif(
    "jpeg2000" not in readable_formats(), reason="Pillow has no JPEG 2000 here"
)

RGB = np.clip(np.asarray(photo(83, 61)).astype(int) * 1.5, 0, 255).astype(np.uint8)
OPACITY = np.broadcast_to(np.linspace(0, 255, 83).astype(np.uint8), (61, 83))
PICTURES = {
    "grey": RGB[:, :, 1],
    "grey and opacity": np.dstack([RGB[:, :, 1], OPACITY]),
    "rgb": RGB,
    "rgb and opacity": np.dstack([RGB, OPACITY]),
}
_EXIF_BOX = b"JpgTiffExif->JP2"


@pytest.mark.parametrize("reversible", [True, False])
@pytest.mark.parametrize("codec", ["jp2", "j2k"])
@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("kind", PICTURES)
def test_each_depth_gives_what_another_decoder_gives(
    kind: str, bits: int, codec: str, reversible: bool
) -> None:
    samples = np.rint(PICTURES[kind] / 255.0 * (2**bits - 1))
    data = imagecodecs.jpeg2k_encode(
        samples.astype(np.uint8 if bits == 8 else np.uint16),
        codecformat=codec,
        reversible=reversible,
        bitspersample=bits,
        level=0 if reversible else 60,
    )
    expected = imagecodecs.jpeg2k_decode(data) / (2.0**bits - 1) * 255
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    if "opacity" in kind:
        opacity = expected[:, :, -1:]
        expected = expected[:, :, :-1] * (opacity / 255) + 255 - opacity
    pixels = decode(data, LIMITS).pixels
    assert pixels.max() == 255
    assert np.abs(pixels - expected).max() <= 2


def test_signed_deep_colours_are_unsupported_rather_than_wrong() -> None:
    data = bytearray(imagecodecs.jpeg2k_encode(RGB.astype(np.uint16) * 257, codecformat="j2k"))
    for component in range(3):
        data[42 + 3 * component] |= 0x80
    for read in (read_header, decode):
        with pytest.raises(PictureError, match="signed") as caught:
            read(bytes(data), LIMITS)
        assert caught.value.reason is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_orientation_in_an_exif_or_xmp_box_turns_the_picture(orientation: int) -> None:
    plain = imagecodecs.jpeg2k_encode(RGB, codecformat="jp2", reversible=True)
    xmp = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
    packet = f"<x><tiff:Orientation>{orientation}</tiff:Orientation></x>".encode()
    turns = {3: 2, 6: 3, 8: 1}
    for body in (_EXIF_BOX + exif_with_orientation(orientation), xmp + packet):
        data = plain + struct.pack(">I4s", 8 + len(body), b"uuid") + body
        expected = np.rot90(RGB, turns[orientation])
        header = read_header(data, LIMITS)
        assert (header.height, header.width) == expected.shape[:2]
        assert np.array_equal(decode(data, LIMITS).pixels, expected)
