"""Every awkward file of the shared collection is read as it should be, or has its reason."""

import json
from pathlib import Path

import pytest
from tests.images.making import LIMITS

from naturalist.errors import PictureError
from naturalist.images import Header, decode, read_header, readable_formats
from naturalist.reasons import Reason

KANGAROO = Header("jpeg", 240, 198)
HEIC = "heic" in readable_formats()

READ = {
    "real/imageNotFound.gif": Header("gif", 300, 300),
    "real/subject02.sleepy": Header("gif", 320, 243),
    "real/fogra-0-100-100-0.tif": Header("tiff", 1000, 1000),
    "real/Flag_of_the_Netherlands-16bit.png": Header("png", 900, 600),
    "real/swiss.png": Header("png", 68, 68),
    "real/tbgn2c16.png": Header("png", 32, 32),
    "real/full-transparent.png": Header("png", 300, 300),
    "real/grey-plus-alpha.gif": Header("gif", 2, 1),
    "real/rotating-squares.webp": Header("webp", 80, 80),
    "real/5_webp_a.webp": Header("webp", 300, 300),
    "real/Landscape_3.jpg": Header("jpeg", 600, 450),
    "real/giant-image.jpg": Header("jpeg", 20000, 14000),
    "real/big-height.webp": Header("webp", 13, 169),
    "real/relax.jp2": Header("jpeg2000", 320, 240),
    "real/pitm.avif": Header("avif", 4096, 800),
    "real/gain-map.jpg": Header("jpeg", 3840, 2160),
    "real/IMG_5195.HEIC": Header("heic", 2566, 3313),
    "real/samplefilehub.heif": Header("heic", 640, 426),
    "real/corrupted.jpg": Header("jpeg", 3648, 2736),
    "real/67-0_length_string.jpg": Header("jpeg", 4032, 2012),
    "real/Crémieux11.tiff": Header("tiff", 199, 47),
    "real/WWL_(Polaroid)_ION230.jpg": Header("jpeg", 75, 100),
    "real/hopper.bmp": Header("bmp", 128, 128),
    "generated/progressive.jpg": KANGAROO,
    "generated/trailing-zip.jpg": KANGAROO,
    "generated/png-named.jpg": Header("png", 240, 198),
    "generated/photo_without_extension": KANGAROO,
    "generated/photo.jpg.txt": KANGAROO,
    "generated/wide-20000x2.png": Header("png", 20000, 2),
    "generated/palette-alpha.png": Header("png", 240, 198),
    "generated/one-bit.png": Header("png", 240, 198),
    "generated/grey16.png": Header("png", 240, 198),
    "generated/float.tif": Header("tiff", 240, 198),
    "generated/plain.webp": Header("webp", 240, 198),
    "generated/near-dup-small.jpg": Header("jpeg", 120, 99),
    "generated/anim.png": Header("png", 240, 198),
    "generated/naïve café 花 ☕.jpg": KANGAROO,
    "generated/ leading and trailing .jpg": KANGAROO,
    "generated/new\nline.jpg": KANGAROO,
    "generated/tab\there.jpg": KANGAROO,
    "generated/quote'\"`$(id);&.jpg": KANGAROO,
    "generated/<img src=x onerror=alert(1)>.jpg": KANGAROO,
    "generated/=1+1.jpg": KANGAROO,
    "generated/-rf.jpg": KANGAROO,
    f"generated/{'x' * 240}.jpg": KANGAROO,
    "generated/\xe9.jpg": KANGAROO,
    "generated/case/Cat.jpg": KANGAROO,
    "generated/case/cat.jpg": KANGAROO,
    "generated/.hidden/photo.jpg": KANGAROO,
    "generated/dogs/image_0001.jpg": KANGAROO,
    "generated/folder.jpg/inside.jpg": KANGAROO,
}

REFUSED = {
    "real/lfs-pointer_100080576_f52e8ee070_n.jpg": Reason.GIT_LFS_POINTER,
    "real/cielab-dagams.tiff": Reason.UNSUPPORTED_FORMAT,
    "real/corrupt-header.jpg": Reason.BROKEN_HEADER,
    "real/65536-uint32-limit.png": Reason.TOO_MANY_PIXELS,
    "real/check.svg": Reason.UNSUPPORTED_FORMAT,
    "real/.DS_Store": Reason.NOT_A_PICTURE,
    "real/hopper_merged.psd": Reason.UNSUPPORTED_FORMAT,
    "real/decompression_bomb.gif": Reason.TOO_MANY_PIXELS,
    "real/broken.png": Reason.BROKEN_HEADER,
    "real/badwidth.bmp": Reason.TOO_MANY_PIXELS,
    "real/crash-63b1dffefc8c075ddc606c0a2f5fdc15ece78863.tif": Reason.BROKEN_HEADER,
    "generated/empty.jpg": Reason.EMPTY_FILE,
    "generated/noise.jpg": Reason.NOT_A_PICTURE,
    "generated/notes.txt": Reason.NOT_A_PICTURE,
    "generated/Thumbs.db": Reason.NOT_A_PICTURE,
    "generated/._PHOTO.JPG": Reason.NOT_A_PICTURE,
    "generated/ztxt-bomb.png": Reason.METADATA_TOO_LARGE,
}

BROKEN_PIXELS = {
    "real/00090.jpg": Reason.TRUNCATED,
    "real/truncated.jpg": Reason.TRUNCATED,
    "real/truncated.png": Reason.TRUNCATED,
    "generated/halfway.jpg": Reason.TRUNCATED,
    # Its EXIF block has the wrong length, and nearly all blocks of its pixels are garbled.
    "real/hopper_bad_exif.jpg": Reason.DAMAGED,
}
"""Files whose header can be read, and whose pixels cannot."""

NO_BYTES = {"generated/broken-link.jpg"}
"""Not for this layer: there is nothing to hand over."""


def contents(mess: Path, name: str) -> bytes:
    if READ.get(name, KANGAROO).format not in readable_formats():
        pytest.skip(f"{READ[name].format} cannot be decoded here")
    return (mess / name).read_bytes()


def test_the_tables_name_every_file_of_the_manifest(shared: Path) -> None:
    lines = (shared / "mess-manifest.tsv").read_text(encoding="utf-8").splitlines()
    listed = {json.loads(line.split("\t")[0]) for line in lines[2:]}
    assert listed == READ.keys() | REFUSED.keys() | BROKEN_PIXELS.keys() | NO_BYTES


@pytest.mark.parametrize("name", READ)
def test_a_file_that_can_be_read_gives_its_format_and_upright_size(mess: Path, name: str) -> None:
    data = contents(mess, name)
    assert read_header(data, LIMITS) == READ[name]
    picture = decode(data, LIMITS, longer=160)
    assert Header(picture.format, picture.width, picture.height) == READ[name]
    assert picture.pixels.shape[2] == 3
    assert min(picture.pixels.shape) > 0
    assert max(picture.pixels.shape) >= min(160, max(picture.width, picture.height))


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_cannot_be_used_gives_its_reason_from_the_header(mess: Path, name: str) -> None:
    data = contents(mess, name)
    for read in (read_header, decode):
        with pytest.raises(PictureError) as caught:
            read(data, LIMITS)
        assert caught.value.reason is REFUSED[name]


@pytest.mark.parametrize("name", BROKEN_PIXELS)
@pytest.mark.parametrize("longer", [0, 160])
def test_a_truncated_file_is_refused_at_any_scale(mess: Path, name: str, longer: int) -> None:
    data = contents(mess, name)
    read_header(data, LIMITS)
    with pytest.raises(PictureError) as caught:
        decode(data, LIMITS, longer=longer)
    assert caught.value.reason is BROKEN_PIXELS[name]


@pytest.mark.skipif(HEIC, reason="the extra `heic` is installed")
def test_heic_is_recognised_and_refused_without_its_extra(mess: Path) -> None:
    for name in ("real/IMG_5195.HEIC", "real/samplefilehub.heif"):
        with pytest.raises(PictureError) as caught:
            read_header((mess / name).read_bytes(), LIMITS)
        assert caught.value.reason is Reason.UNSUPPORTED_FORMAT


def test_a_giant_jpeg_is_read_reduced_and_refused_whole(mess: Path) -> None:
    data = (mess / "real/giant-image.jpg").read_bytes()
    assert decode(data, LIMITS, longer=160).pixels.shape == (1750, 2500, 3)
    with pytest.raises(PictureError) as caught:
        decode(data, LIMITS)
    assert caught.value.reason is Reason.TOO_MANY_PIXELS
