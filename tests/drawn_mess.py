"""Awkward files made by a script, for a clone that has no collection of real ones beside it.

Names, sizes and ways of being awkward are those of the collection that is shared among developers;
pictures are drawn. `tests/images/test_mess.py` and `tests/pipeline/mess_outcomes.py` say what is to
become of each.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, features

from drawn_photos import LOOKS, draw

Named = Iterator[tuple[str, bytes]]


def draw_mess(folder: Path) -> Path:
    """Write `generated/` and `real/`; gives the folder."""
    for makers in (_generated, _named_oddly, _pictures, _broken, _bombs):
        for name, data in makers():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    (folder / "generated/broken-link.jpg").symlink_to("nothing-is-here.jpg")
    return folder


# pictures and their bytes


def _photo(width: int = 240, height: int = 198, seed: int = 0) -> Image.Image:
    look = LOOKS["animal/farm" if seed else "animal/zoo"]
    return draw(look, np.random.default_rng([99, seed])).resize((width, height))


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def _jpeg(width: int = 240, height: int = 198, seed: int = 0, **options: Any) -> bytes:
    return _saved(_photo(width, height, seed), "JPEG", **{"quality": 85} | options)


def _frames(width: int, height: int, count: int) -> dict[str, Any]:
    more = [_photo(width, height, seed) for seed in range(1, count)]
    return {"save_all": True, "append_images": more}


def _clear(picture: Image.Image) -> Image.Image:
    """The same, seen through at one side."""
    picture = picture.convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    return picture


def _chunk(name: bytes, data: bytes) -> bytes:
    body = name + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _png(width: int, height: int, bits: int, rows: bytes, more: bytes = b"") -> bytes:
    """A PNG of RGB rows, each after a byte for its filter; `more` are chunks before them."""
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, 2, 0, 0, 0))
    pixels = _chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + header + more + pixels + _chunk(b"IEND", b"")


def _png16(width: int, height: int, more: bytes = b"") -> bytes:
    pixels = np.asarray(_photo(width, height).convert("RGB")).astype(">u2") * 257
    rows = np.ascontiguousarray(pixels).reshape(height, -1).view(np.uint8)
    return _png(width, height, 16, np.pad(rows, ((0, 0), (1, 0))).tobytes(), more)


def _tiff_of_lab() -> bytes:
    """CIELAB with 16 bits a channel, which Pillow has no mode for."""
    tags = {256: 4, 257: 4, 258: 0, 259: 1, 262: 8, 273: 0, 277: 3, 278: 4, 279: 96}
    at = 8 + 2 + 12 * len(tags) + 4
    bits, strip = struct.pack("<HHH", 16, 16, 16), bytes(96)
    rows = b""
    for tag, value in tags.items():
        count = 3 if tag == 258 else 1
        value = {258: at, 273: at + len(bits)}.get(tag, value)
        rows += struct.pack("<HHII", tag, 4 if tag in (273, 279) else 3, count, value)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + rows + bytes(4) + bits + strip


def _exif(*entries: tuple[int, int, int, int]) -> bytes:
    """EXIF of tag, type, count and value."""
    rows = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return b"Exif\0\0II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + rows + bytes(4)


def _giant_jpeg() -> bytes:
    """A grey JPEG of 20000 x 14000 pixels: every block is six bits, "no change, nothing more"."""
    head = bytearray(_saved(Image.new("L", (8, 8), 128), "JPEG"))
    at = head.index(b"\xff\xc0")
    head[at + 5 : at + 9] = struct.pack(">HH", 14000, 20000)
    scan = head.index(b"\xff\xda")
    start = scan + 2 + int.from_bytes(head[scan + 2 : scan + 4])
    blocks = 20000 * 14000 // 64
    return bytes(head[:start]) + b"\x28\xa2\x8a" * (blocks // 4) + b"\xff\xd9"


def _heif(width: int, height: int) -> bytes:
    if find_spec("pillow_heif") is None:
        return b"\0\0\0\x18ftypheic\0\0\0\0heicmif1" + bytes(200)
    import pillow_heif

    made: Any = pillow_heif.from_pillow(_photo(width, height))
    buffer = io.BytesIO()
    made.save(buffer)
    return buffer.getvalue()


def _where_read(feature: str, kind: str, width: int, height: int, stub: bytes) -> bytes:
    return _saved(_photo(width, height), kind) if features.check(feature) else stub


# the files


def _generated() -> Named:
    photo, jpeg = _photo(), _jpeg()
    pack = io.BytesIO()
    with zipfile.ZipFile(pack, "w") as archive:
        archive.writestr("inside.txt", "behind a picture")
    text = zlib.compress(bytes(60_000_000))
    grey = photo.convert("L")
    sixteen = (np.asarray(grey).astype(np.uint16) + 1) * 200
    files = {
        "progressive.jpg": _jpeg(progressive=True),
        "halfway.jpg": jpeg[: len(jpeg) // 2],
        "trailing-zip.jpg": jpeg + pack.getvalue(),
        "png-named.jpg": _saved(photo, "PNG"),
        "photo_without_extension": jpeg,
        "photo.jpg.txt": jpeg,
        "folder.jpg/inside.jpg": jpeg,
        "notes.txt": b"These are not the pictures.\n",
        "empty.jpg": b"",
        "noise.jpg": np.random.default_rng(0).bytes(4000),
        "Thumbs.db": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504),
        "._PHOTO.JPG": b"\0\x05\x16\x07\0\x02\0\0Mac OS X" + bytes(108),
        "wide-20000x2.png": _saved(Image.new("RGB", (20000, 2), (90, 120, 40)), "PNG"),
        "ztxt-bomb.png": _png(2, 1, 8, bytes(7), _chunk(b"zTXt", b"note\0\0" + text)),
        "palette-alpha.png": _saved(photo.quantize(64), "PNG", transparency=3),
        "one-bit.png": _saved(photo.convert("1"), "PNG"),
        "grey16.png": _saved(Image.fromarray(sixteen), "PNG"),
        "float.tif": _saved(Image.fromarray(np.asarray(grey, np.float32) / 255), "TIFF"),
        "plain.webp": _saved(photo, "WEBP"),
        "near-dup-small.jpg": _saved(photo.resize((120, 99)), "JPEG", quality=70),
        "anim.png": _saved(photo, "PNG", **_frames(240, 198, 2)),
    }
    yield from ((f"generated/{name}", data) for name, data in files.items())


def _named_oddly() -> Named:
    names = [
        "naïve café 花 ☕.jpg", " leading and trailing .jpg", "new\nline.jpg", "tab\there.jpg",
        "quote'\"`$(id);&.jpg", "<img src=x onerror=alert(1)>.jpg", "=1+1.jpg", "-rf.jpg",
        f"{'x' * 240}.jpg", "\u00e9.jpg", "case/Cat.jpg", "case/cat.jpg", ".hidden/photo.jpg",
        "dogs/image_0001.jpg",
    ]  # fmt: skip
    for k, name in enumerate(names):
        yield f"generated/{name}", _jpeg(seed=k + 1)


def _pictures() -> Named:
    """Unusual ones that can be read."""
    through = Image.new("P", (300, 300))
    files = {
        "imageNotFound.gif": _saved(_photo(300, 300, 20), "GIF"),
        "subject02.sleepy": _saved(_photo(320, 243, 21).convert("L"), "GIF"),
        "fogra-0-100-100-0.tif": _saved(
            _photo(1000, 1000, 22).convert("CMYK"), "TIFF", compression="tiff_lzw"
        ),
        "Flag_of_the_Netherlands-16bit.png": _png16(900, 600),
        "swiss.png": _saved(_photo(68, 68, 23).quantize(16), "PNG"),
        "tbgn2c16.png": _png16(32, 32, _chunk(b"tRNS", struct.pack(">HHH", 257, 514, 771))),
        "full-transparent.png": _saved(through, "PNG", transparency=0),
        "grey-plus-alpha.gif": _saved(Image.new("P", (2, 1)), "GIF", transparency=0),
        "rotating-squares.webp": _saved(_photo(80, 80, 24), "WEBP", **_frames(80, 80, 9)),
        "5_webp_a.webp": _saved(_clear(_photo(300, 300, 25)), "WEBP"),
        "Landscape_3.jpg": _jpeg(600, 450, 26, exif=_exif((0x0112, 3, 1, 3))),
        "big-height.webp": _saved(_photo(13, 169, 27), "WEBP", **_frames(13, 169, 12)),
        "relax.jp2": _where_read("jpg_2000", "JPEG2000", 320, 240, b"\xff\x4f\xff\x51" + bytes(99)),
        "pitm.avif": _where_read("avif", "AVIF", 4096, 800, b"\0\0\0\x18ftypavif" + bytes(99)),
        "gain-map.jpg": _jpeg(3840, 2160, 28) + _jpeg(960, 540, 29),
        "IMG_5195.HEIC": _heif(2566, 3313),
        "samplefilehub.heif": _heif(640, 426),
        "corrupted.jpg": _jpeg(3648, 2736, 30, exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(64)),
        "67-0_length_string.jpg": _jpeg(4032, 2012, 31, exif=_exif((0x010E, 2, 0, 0))),
        "Crémieux11.tiff": _saved(_clear(_photo(199, 47, 32)), "TIFF"),
        "WWL_(Polaroid)_ION230.jpg": _jpeg(75, 100, 33),
        "hopper.bmp": _saved(_photo(128, 128, 34), "BMP"),
        "hopper_bad_exif.jpg": _garbled(
            _saved(
                _photo(500, 500, 35).convert("L"),
                "JPEG",
                exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff",
            )
        ),
        "giant-image.jpg": _giant_jpeg(),
    }  # fmt: skip
    yield from ((f"real/{name}", data) for name, data in files.items())


def _garbled(jpeg: bytes) -> bytes:
    """With bytes lost early in its data, so that nearly all blocks after them are off."""
    at = len(jpeg) // 5
    return jpeg[:at] + jpeg[at + 512 :]


def _broken() -> Named:
    """Cut off, damaged, or no picture at all."""
    large = _jpeg(590, 393, 40)
    files = {
        "00090.jpg": large[:-20],
        "truncated.jpg": _jpeg(2725, 2225, 41)[:10_000],
        "truncated.png": _saved(_photo(294, 240, 42), "PNG")[:10_000],
        "corrupt-header.jpg": b"\xff\xd8\xff\xe0\0\x10JFIF\0" + bytes(1011),
        "broken.png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDX" + bytes(64),
        "crash-63b1dffefc8c075ddc606c0a2f5fdc15ece78863.tif": b"II*\0\x08\0\0\0" + bytes(60),
        "cielab-dagams.tiff": _tiff_of_lab(),
        "check.svg": b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>\n',
        ".DS_Store": b"\0\0\0\x01Bud1" + bytes(2000),
        "hopper_merged.psd": b"8BPS\0\x01" + bytes(2000),
        "lfs-pointer_100080576_f52e8ee070_n.jpg": (
            b"version https://git-lfs.github.com/spec/v1\n"
            b"oid sha256:" + b"0" * 64 + b"\nsize 26797\n"
        ),
    }
    yield from ((f"real/{name}", data) for name, data in files.items())


def _bombs() -> Named:
    """Small files that announce gigabytes."""
    bmp = bytearray(_saved(Image.new("RGB", (16, 16)), "BMP"))
    bmp[18:22] = struct.pack("<i", 200_000_000)
    square = struct.pack("<HH", 65535, 65535)
    gif = b"GIF89a" + square + b"\x80\0\0" + bytes(6) + b"," + bytes(4) + square
    yield "real/badwidth.bmp", bytes(bmp)
    yield "real/decompression_bomb.gif", gif + b"\0\x02\x02\x4c\x01\0;"
    yield "real/65536-uint32-limit.png", _png(65536, 65536, 8, bytes(100_000))
