"""Small pictures of each format, ways to spoil them, and what must hold whatever the bytes.

`python -m tests.images.fuzzing SECONDS` goes on with new mutations for so long, and writes what
breaks the rules into the folder `fuzzed` (see docs/pictures.md). It ends with 1 if there was any.
"""

import functools
import io
import random
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image
from tests.images.making import encoded, photo, png_file, tiff_file

from naturalist.errors import PictureError
from naturalist.images import (
    PictureLimits,
    decode,
    previews,
    read_header,
    readable_formats,
    strip_metadata,
)

LIMITS = PictureLimits(max_pixels=4_000_000, max_whole_pixels=1_000_000)
"""Low, so that a mutated size costs neither memory nor time."""


@functools.cache
def seeds() -> dict[str, bytes]:
    """One small real photo in many formats, with and without metadata."""
    image = photo(48, 32)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a cat"
    made = {
        "jpeg": encoded(image, "JPEG", exif=exif),
        "progressive jpeg": encoded(image, "JPEG", progressive=True, subsampling="4:2:2"),
        "cmyk jpeg": encoded(image.convert("CMYK"), "JPEG"),
        "png": encoded(image, "PNG", exif=exif),
        "palette png": encoded(image.quantize(16), "PNG", transparency=3),
        "deep png": _deep_png(image),
        "gif": encoded(image, "GIF"),
        "animated gif": encoded(image, "GIF", save_all=True, append_images=[photo(40, 20)]),
        "webp": encoded(image, "WEBP", exif=exif, xmp=b'<x tiff:Orientation="6"/>'),
        "lossless webp": encoded(image.convert("RGBA"), "WEBP", lossless=True),
        "bmp": encoded(image, "BMP"),
        "bit field bmp": _bit_field_bmp(image),
        **_tiffs(image, exif),
        **_netpbms(image),
    }
    if "avif" in readable_formats():
        made["avif"] = encoded(image, "AVIF", speed=10)
    if "jpeg2000" in readable_formats():
        made["jpeg2000"] = encoded(image, "JPEG2000")
        made["deep jpeg2000"] = _deep_jpeg2000()
    return made


def _deep_png(image: Image.Image) -> bytes:
    words = np.asarray(image).astype(np.uint16) * 257
    return png_file(words, 2, 16, {b"sBIT": b"\x0c\x0c\x0c"}, adam7=True)


def _bit_field_bmp(image: Image.Image) -> bytes:
    """A BMP of 32 bits whose header is turned into one with masks."""
    plain = encoded(image.convert("RGBA"), "BMP")
    masks = b"".join(mask.to_bytes(4, "little") for mask in (0xFF0000, 0xFF00, 0xFF, 0xFF000000))
    head = bytearray(plain[:54])
    head[10:14], head[14:18], head[30:34] = (
        (54 + 70).to_bytes(4, "little"), (108).to_bytes(4, "little"), b"\3\0\0\0",
    )  # fmt: skip
    start = int.from_bytes(plain[10:14], "little")
    return bytes(head) + masks + bytes(54) + plain[start:]


def _tiffs(image: Image.Image, exif: Image.Exif) -> dict[str, bytes]:
    rgb = np.asarray(image)
    words = rgb.astype("<u2") * 257
    planes = [words[:, :, k].tobytes() for k in range(3)]
    common = {256: (4, [48]), 257: (4, [32]), 259: (3, [1]), 278: (4, [32])}
    deep = {**common, 258: (3, [16] * 3), 262: (3, [2]), 277: (3, [3]), 284: (3, [2])}
    packed = {**common, 258: (3, [12]), 262: (3, [0]), 277: (3, [1])}
    halves = {**common, 258: (3, [8] * 3), 262: (3, [6]), 277: (3, [3]), 530: (3, [2, 2])}
    return {
        "tiff": encoded(image, "TIFF", exif=exif),
        "packed tiff": encoded(image, "TIFF", compression="tiff_lzw"),
        "deflated tiff": encoded(image, "TIFF", compression="tiff_deflate"),
        "fax tiff": encoded(image.convert("1"), "TIFF", compression="group4"),
        "jpeg tiff": encoded(image, "TIFF", compression="jpeg"),
        "float tiff": encoded(image.convert("F"), "TIFF"),
        "palette tiff": encoded(image.quantize(16), "TIFF"),
        "planar tiff": tiff_file(deep, planes),
        "big-endian planar tiff": tiff_file(deep, planes, ">"),
        "12-bit tiff": tiff_file(packed, [rgb[:, :, 0].tobytes() + rgb[:16, :, 1].tobytes()]),
        "subsampled tiff": tiff_file(halves, [rgb.tobytes()[: 24 * 16 * 6]]),
    }


def _netpbms(image: Image.Image) -> dict[str, bytes]:
    rgb = np.asarray(image)
    grey = " ".join(map(str, rgb[:, :, 0].ravel())).encode()
    return {
        "ppm": b"P6\n# a cat\n48 32\n255\n" + rgb.tobytes(),
        "deep pgm": b"P5 48 32 4095\n" + (rgb[:, :, 0].astype(">u2") * 16).tobytes(),
        "plain pgm": b"P2 48 32 255\n" + grey,
        "pbm": b"P4 48 32\n" + np.packbits(rgb[:, :, 0] > 99, axis=1).tobytes(),
        "plain pbm": b"P1 48 32\n" + b"01" * (24 * 32),
        "pam": b"P7\nWIDTH 48\nHEIGHT 32\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n"
        + rgb.tobytes(),
        "pfm": b"PF\n48 32\n-1.0\n" + (rgb / 255.0).astype("<f4").tobytes(),
    }


def _deep_jpeg2000() -> bytes:
    """16 bits of grey, of which the header then says that they are colours."""
    grey = np.asarray(photo(48, 32).convert("L")).astype(np.uint16) * 257
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG2000")
    return buffer.getvalue()


def check(data: bytes, longer: int) -> str:
    """A header or a reason; a picture with previews or a reason; and the two agree."""
    try:
        header = read_header(data, LIMITS)
    except PictureError:
        header = None
    try:
        picture = decode(data, LIMITS, longer=longer)
    except PictureError as error:
        return error.reason
    assert header is not None
    assert (header.format, header.width, header.height) == (
        picture.format,
        picture.width,
        picture.height,
    )
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.shape[2] == 3
    assert min(picture.pixels.shape) > 0
    previews(picture.pixels)
    strip_metadata(data, picture.format)
    return "read"


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, most often near the beginning; perhaps cut, doubled or filled up."""
    spoilt = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        within = chance.choice((64, 400, len(spoilt)))
        value = chance.choice((0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)))
        spoilt[chance.randrange(min(within, len(spoilt)))] = value
    if chance.random() < 0.2:
        del spoilt[chance.randrange(len(spoilt)) :]
    if spoilt and chance.random() < 0.2:
        at = chance.randrange(len(spoilt))
        spoilt[at:at] = spoilt[at : at + chance.randrange(1, 64)]
    return bytes(spoilt)


def fuzz(seconds: float, folder: Path, seed: int) -> Counter[str]:
    """Mutate and check for so long; inputs that break a rule are kept in `folder`."""
    chance, outcomes, end = random.Random(seed), Counter[str](), time.monotonic() + seconds
    kinds = sorted(seeds().items())
    while time.monotonic() < end:
        kind, data = chance.choice(kinds)
        spoilt = mutated(data, chance)
        start = time.monotonic()
        try:
            outcome = check(spoilt, chance.choice((0, 20)))
        except Exception as error:  # noqa: BLE001  anything but PictureError breaks the rules
            outcome = f"BROKEN {type(error).__name__}"
        if time.monotonic() - start > 5:
            outcome = "BROKEN slow"
        if outcome.startswith("BROKEN"):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{kind.replace(' ', '-')}-{sum(outcomes.values())}").write_bytes(spoilt)
            print(f"{outcome}: a mutated {kind}, kept in {folder}", flush=True)
        outcomes[outcome] += 1
    return outcomes


def _main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(1 << 32)
    print(f"fuzzing for {seconds:g} s, seed {seed}", flush=True)
    outcomes = fuzz(seconds, Path("fuzzed"), seed)
    for outcome, count in outcomes.most_common():
        print(f"{count:9,} {outcome}")
    return int(any(outcome.startswith("BROKEN") for outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(_main())
