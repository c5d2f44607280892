"""A picture is turned by whatever states how, and published so that readers turn it too."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from tests.images.making import LIMITS, difference, encoded, quarters

from naturalist.images import decode, read_header, strip_metadata
from naturalist.images.stripping import exif_with_orientation

TURNED = {1: 0, 3: 2, 6: 3, 8: 1}
SECRET = "GPS 52.1 N"


def expected(orientation: int) -> np.ndarray:
    return np.rot90(quarters(), TURNED[orientation])


def xmp(orientation: int, *, as_element: bool = False) -> bytes:
    stated = f'tiff:Orientation="{orientation}"'
    if as_element:
        inner = f"<tiff:Orientation>{orientation}</tiff:Orientation>"
        return f"<rdf:Description>{inner}{SECRET}</rdf:Description>".encode()
    return f"<rdf:Description {stated}>{SECRET}</rdf:Description>".encode()


def raw_profile(orientation: int, name: str = "exif") -> str:
    body = b"Exif\0\0" + exif_with_orientation(orientation)
    digits = body.hex()
    lines = "\n".join(digits[at : at + 72] for at in range(0, len(digits), 72))
    return f"\n{name}\n{len(body):8d}\n{lines}\n"


def png_with_text(orientation: int, kind: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    if kind.startswith("profile"):
        name = "APP1" if kind.endswith("APP1") else "exif"
        info.add_text(f"Raw profile type {name}", raw_profile(orientation), zip="zip" in kind)
    else:
        packet = xmp(orientation, as_element="element" in kind).decode()
        info.add_itxt("XML:com.adobe.xmp", packet, zip="zip" in kind)
    return encoded(quarters(), "PNG", pnginfo=info)


def jpeg_with_xmp(orientation: int) -> bytes:
    plain = encoded(quarters(), "JPEG", quality=95, subsampling=0)
    body = b"http://ns.adobe.com/xap/1.0/\0" + xmp(orientation)
    return plain[:2] + struct.pack(">HH", 0xFFE1, len(body) + 2) + body + plain[2:]


def webp_with_xmp(orientation: int) -> bytes:
    return encoded(quarters(), "WEBP", lossless=True, xmp=xmp(orientation))


MAKERS = {
    **{
        f"png {kind}": ("png", lambda o, kind=kind: png_with_text(o, kind))
        for kind in (
            "profile", "profile zip", "profile APP1", "xmp", "xmp zip", "xmp element",
        )
    },
    "jpeg xmp": ("jpeg", jpeg_with_xmp),
    "webp xmp": ("webp", webp_with_xmp),
}  # fmt: skip


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("kind", MAKERS)
def test_each_mark_turns_the_picture_and_survives_stripping(kind: str, orientation: int) -> None:
    name, make = MAKERS[kind]
    data = make(orientation)
    header = read_header(data, LIMITS)
    assert (header.height, header.width) == expected(orientation).shape[:2]
    assert difference(decode(data, LIMITS).pixels, expected(orientation)) < 4
    stripped = strip_metadata(data, name)
    assert stripped is not None
    assert SECRET.encode() not in stripped
    assert difference(decode(stripped, LIMITS).pixels, expected(orientation)) < 4
    # Readers of what is published know EXIF only.
    left = dict(Image.open(io.BytesIO(stripped)).getexif())
    assert left == ({274: orientation} if orientation != 1 else {})


def test_exif_counts_before_a_profile_and_a_profile_before_xmp() -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp(3).decode())
    info.add_text("Raw profile type exif", raw_profile(8))
    assert difference(decode(encoded(quarters(), "PNG", pnginfo=info), LIMITS).pixels,
                      expected(8)) < 4  # fmt: skip
    exif = Image.Exif()
    exif[274] = 6
    data = encoded(quarters(), "PNG", pnginfo=info, exif=exif)
    assert difference(decode(data, LIMITS).pixels, expected(6)) < 4


@pytest.mark.parametrize(
    "text", ["", "\nexif\n  12\nzz zz", "\nexif\n 9\n45786966", "no profile at all"]
)
def test_a_profile_that_is_none_is_ignored(text: str) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type exif", text)
    data = encoded(quarters(), "PNG", pnginfo=info)
    assert np.array_equal(decode(data, LIMITS).pixels, quarters())


def test_a_profile_that_is_not_deflated_is_ignored() -> None:
    body = b"Raw profile type exif\0\0not deflated"
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body
    chunk += struct.pack(">I", zlib.crc32(b"zTXt" + body))
    plain = encoded(quarters(), "PNG")
    data = plain[:33] + chunk + plain[33:]
    assert np.array_equal(decode(data, LIMITS).pixels, quarters())


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("as_element", [False, True])
def test_a_tiff_that_pillow_decodes_is_turned_once_by_xmp(
    orientation: int, as_element: bool
) -> None:
    data = io.BytesIO()
    packet = xmp(orientation, as_element=as_element)
    Image.fromarray(quarters()).save(
        data, "TIFF", compression="jpeg", quality=95, tiffinfo={700: packet}
    )
    pixels = decode(data.getvalue(), LIMITS).pixels
    assert difference(pixels, expected(orientation)) < 8
    header = read_header(data.getvalue(), LIMITS)
    assert (header.height, header.width) == pixels.shape[:2]
