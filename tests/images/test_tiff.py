"""TIFF of every layout gives the pixels that were written, whatever else reads it wrongly."""

import io
import itertools
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps
from tests.images.making import LIMITS, photo, tiff_file

from naturalist.errors import PictureError
from naturalist.images import Doubt, Header, Pixels, decode, read_header
from naturalist.reasons import Reason

tifffile = pytest.importorskip("tifffile", reason="the test group is not installed")
pytest.importorskip("imagecodecs", reason="the test group is not installed")

RGB = np.asarray(photo(83, 61))
GREY = np.ascontiguousarray(RGB[:, :, 1])
OPACITY = np.broadcast_to(np.linspace(0, 255, 83).astype(np.uint8), (61, 83))
FLAT = np.rint(RGB * (OPACITY[..., None] / 255.0) + 255 - OPACITY[..., None])
COMPRESSIONS = (None, "lzw", "deflate", "packbits", "zstd", "lzma")
DEPTHS = {"u1": 8, "u2": 16, "u4": 32, "f2": 16, "f4": 32, "f8": 64}
MAX_SAMPLE, FLOAT_MAX_SAMPLE, XMP, ORIENTATION = 281, 341, 700, 274


def written(samples: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, samples, **options)
    return buffer.getvalue()


def sampled(picture: np.ndarray, dtype: str, bits: int) -> np.ndarray:
    share = picture / 255.0
    return (share if dtype[0] == "f" else np.rint(share * (2.0**bits - 1))).astype(dtype)


def check(data: bytes, expected: np.ndarray, *, within: float = 1.0) -> tuple[Doubt, ...]:
    """Decoded as expected, and the header agrees; returns the doubts."""
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    picture = decode(data, LIMITS)
    assert picture.pixels.shape == (*expected.shape[:2], 3)
    assert np.abs(picture.pixels.astype(float) - expected).max() <= within
    header = Header(picture.format, picture.width, picture.height)
    assert read_header(data, LIMITS) == header == Header("tiff", *expected.shape[1::-1])
    return tuple(remark.doubt for remark in picture.remarks)


def predictors(dtype: str, compression: str | None, order: str) -> tuple[int | None, ...]:
    if compression in (None, "packbits"):
        return (None,)
    if dtype[0] == "f":
        return (None, 3)
    return (None, 2)


layouts = [
    (order, compression, tile, dtype, predictor)
    for order, compression, tile, dtype in itertools.product(
        "<>", COMPRESSIONS, (None, (32, 48)), DEPTHS
    )
    for predictor in predictors(dtype, compression, order)
]


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize(("order", "compression", "tile", "dtype", "predictor"), layouts)
def test_colours_of_every_depth_order_and_compression(
    order: str, compression: str, tile: Any, dtype: str, predictor: int, planar: str
) -> None:
    samples = sampled(RGB, dtype, DEPTHS[dtype]).astype(f"{order}{dtype}")
    if planar == "separate":
        samples = np.ascontiguousarray(samples.transpose(2, 0, 1))
    data = written(
        samples,
        byteorder=order,
        photometric="rgb",
        planarconfig=planar,
        compression=compression,
        tile=tile,
        predictor=predictor,
        rowsperstrip=None if tile else 7,
    )
    assert set(check(data, RGB)) <= {Doubt.GUESSED_RANGE}


@pytest.mark.parametrize("photometric", ["minisblack", "miniswhite"])
@pytest.mark.parametrize("dtype", ["u1", "u2", "u4"])
@pytest.mark.parametrize("order", "<>")
def test_grey_with_black_or_white_as_zero_in_files_of_either_size(
    order: str, dtype: str, photometric: str
) -> None:
    samples = sampled(GREY, dtype, DEPTHS[dtype]).astype(f"{order}{dtype}")
    data = written(samples, byteorder=order, photometric=photometric, bigtiff=order == ">")
    check(data, GREY if photometric == "minisblack" else 255 - GREY)


@pytest.mark.parametrize("bits", [1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15])
@pytest.mark.parametrize("picture", [GREY, RGB], ids=["grey", "rgb"])
def test_packed_samples_are_unpacked(bits: int, picture: Pixels) -> None:
    samples = sampled(picture, "u2", bits)
    shape = (*picture.shape[:2], -1)
    digits = np.unpackbits(samples.astype(">u2").view(np.uint8).reshape(*picture.shape, 2), axis=-1)
    rows = np.packbits(digits[..., 16 - bits :].reshape(picture.shape[0], -1), axis=1)
    count = picture.reshape(shape).shape[2]
    entries = {
        256: (4, [83]), 257: (4, [61]), 258: (3, [bits] * count), 259: (3, [1]),
        262: (3, [2 if count == 3 else 1]), 277: (3, [count]), 278: (4, [61]),
    }  # fmt: skip
    for order in "<>":
        data = tiff_file(entries, [rows.tobytes()], order)
        assert check(data, np.rint(samples / (2**bits - 1) * 255)) == ()


@pytest.mark.parametrize(("dtype", "bits"), [("i1", 8), ("i2", 16), ("i4", 32)])
def test_signed_samples_are_read_from_zero_or_around_it_with_a_remark(
    dtype: str, bits: int
) -> None:
    positive = sampled(GREY, "f8", bits) * (2.0 ** (bits - 1) - 1)
    data = written(np.rint(positive).astype(dtype), photometric="minisblack")
    assert check(data, GREY) == (Doubt.GUESSED_RANGE,)
    around = np.rint(GREY / 255.0 * (2.0**bits - 1)) - 2.0 ** (bits - 1)
    data = written(around.astype(dtype), photometric="minisblack")
    assert check(data, GREY) == (Doubt.GUESSED_RANGE,)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_opacity_is_flattened_over_white_and_padding_is_not_opacity(
    dtype: str, planar: str
) -> None:
    factor = 257 if dtype == "u2" else 1
    over = np.dstack([RGB, OPACITY]).astype(int) * factor
    premultiplied = over.copy()
    premultiplied[:, :, :3] = np.rint(over[:, :, :3] * (OPACITY[..., None] / 255.0))
    for samples, extra, expected in (
        (over, "unassalpha", FLAT),
        (premultiplied, "assocalpha", FLAT),
        (over, "unspecified", RGB),
    ):
        stored = samples.astype(dtype)
        if planar == "separate":
            stored = np.ascontiguousarray(stored.transpose(2, 0, 1))
        data = written(stored, photometric="rgb", extrasamples=[extra], planarconfig=planar)
        assert check(data, expected, within=2) == ()


def test_bands_beyond_colour_are_left_out_with_a_remark() -> None:
    samples = np.dstack([RGB, GREY, GREY])
    data = written(samples, photometric="rgb", extrasamples=["unspecified"] * 2)
    assert check(data, RGB) == (Doubt.IGNORED_BANDS,)


@pytest.mark.parametrize("factor", [1, 256, 257])
def test_a_colour_map_of_eight_or_sixteen_bits_gives_its_colours(factor: int) -> None:
    palette = Image.fromarray(RGB).quantize(200)
    table = np.zeros((3, 256), np.uint16)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    table[:, : len(colours)] = colours.T * factor
    data = written(np.asarray(palette), photometric="palette", colormap=table)
    check(data, np.asarray(palette.convert("RGB")), within=0)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
def test_inks_become_colours(dtype: str, planar: str) -> None:
    ink = np.asarray(Image.fromarray(RGB).convert("CMYK"))
    samples = (ink.astype(int) * (257 if dtype == "u2" else 1)).astype(dtype)
    if planar == "separate":
        samples = np.ascontiguousarray(samples.transpose(2, 0, 1))
    data = written(samples, photometric="separated", planarconfig=planar)
    check(data, np.asarray(Image.fromarray(ink, "CMYK").convert("RGB")))


@pytest.mark.parametrize("rows_per_strip", [8, 45])
@pytest.mark.parametrize("unit", [(1, 1), (2, 1), (1, 2), (2, 2), (4, 1), (4, 4)])
def test_chroma_that_pixels_share_is_spread(unit: tuple[int, int], rows_per_strip: int) -> None:
    across, down = unit
    whole = np.asarray(photo(61, 45).convert("YCbCr"))
    padded = np.pad(whole, ((0, -45 % down), (0, -61 % across), (0, 0)), "edge")
    blocks = padded.reshape(-(-45 // down), down, -(-61 // across), across, 3).swapaxes(1, 2)
    luma = blocks[..., 0].reshape(*blocks.shape[:2], -1)
    chroma = blocks[..., 1:].mean(axis=(2, 3)).round().astype(np.uint8)
    units = np.concatenate([luma, chroma], axis=2)
    strips = [
        units[row // down : -(-min(45, row + rows_per_strip) // down)].tobytes()
        for row in range(0, 45, rows_per_strip)
    ]
    entries = {
        256: (4, [61]), 257: (4, [45]), 258: (3, [8, 8, 8]), 259: (3, [1]), 262: (3, [6]),
        277: (3, [3]), 278: (4, [rows_per_strip]), 530: (3, [across, down]),
    }  # fmt: skip
    pixels = decode(tiff_file(entries, strips), LIMITS).pixels
    spread = np.dstack([whole[:, :, 0], chroma.repeat(down, 0).repeat(across, 1)[:45, :61]])
    expected = np.asarray(Image.fromarray(spread, "YCbCr").convert("RGB"))
    assert np.abs(pixels.astype(int) - expected).max() <= 2


def test_bits_in_reversed_order_are_turned_round() -> None:
    digits = np.packbits(GREY > 128, axis=1)
    turned = np.packbits(np.unpackbits(digits, axis=1).reshape(61, -1, 8)[:, :, ::-1], axis=2)
    entries = {
        256: (4, [83]), 257: (4, [61]), 258: (3, [1]), 259: (3, [1]), 262: (3, [1]),
        266: (3, [2]), 277: (3, [1]), 278: (4, [61]),
    }  # fmt: skip
    check(tiff_file(entries, [turned.tobytes()]), (GREY > 128) * 255)


def pages(*layers: tuple[Pixels, int], below: int = 0) -> bytes:
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        for number, (picture, kind) in enumerate(layers):
            count = below if number == 0 else 0
            writer.write(picture, photometric="rgb", subfiletype=kind, subifds=count)
    return buffer.getvalue()


SMALL = np.ascontiguousarray(RGB[::4, ::4])


@pytest.mark.parametrize(
    "data",
    [
        pages((RGB, 0), (SMALL, 1)),
        pages((SMALL, 1), (RGB, 0)),
        pages((RGB, 2), (255 - RGB, 2)),
        pages((RGB, 0), (SMALL, 1), below=1),
    ],
    ids=["whole first", "reduced first", "two pages", "reduced below"],
)
def test_the_first_page_that_is_whole_is_the_picture(data: bytes) -> None:
    check(data, RGB, within=0)


def test_a_page_of_fax_behind_a_reduced_page_is_read() -> None:
    bits = np.asarray(Image.fromarray(GREY).convert("1"))
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as writer:
        writer.write(SMALL, photometric="rgb", subfiletype=1)
        writer.write(bits, photometric="minisblack", compression="lzw")
    check(buffer.getvalue(), bits * 255, within=0)


def test_the_files_own_mark_says_what_is_white() -> None:
    twelve = sampled(GREY, "u2", 12)
    stated = written(twelve, photometric="minisblack", extratags=[(MAX_SAMPLE, 3, 1, 4095, True)])
    assert check(stated, GREY) == ()
    floats = GREY.astype(np.float32) * 7
    mark = [(FLOAT_MAX_SAMPLE, 11, 1, 255.0 * 7, True)]
    assert check(written(floats, photometric="minisblack", extratags=mark), GREY) == ()


def test_a_mark_that_is_the_largest_value_of_the_picture_does_not_brighten_it() -> None:
    dim = sampled(GREY // 2 + 40, "u2", 16)
    mark = [(MAX_SAMPLE, 3, 1, int(dim.max()), True)]
    assert check(written(dim, photometric="minisblack", extratags=mark), GREY // 2 + 40) == ()


@pytest.mark.parametrize("bits", [8, 10, 12, 14])
def test_a_deep_picture_that_uses_few_of_its_bits_is_remarked_upon(bits: int) -> None:
    samples = np.maximum(sampled(GREY, "u2", bits), 1)
    data = written(samples, photometric="minisblack")
    assert check(data, np.rint(samples / 257.0)) == (Doubt.UNUSED_RANGE,)


@pytest.mark.parametrize("white", [255.0, 1023.0, 4095.0, 65535.0])
def test_floats_take_the_smallest_customary_range_with_a_remark(white: float) -> None:
    samples = (GREY / 255.0 * white).astype(np.float32)
    data = written(samples, photometric="minisblack")
    assert check(data, samples / white * 255.0, within=1) == (Doubt.GUESSED_RANGE,)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_orientation_in_the_tag_or_in_xmp_turns_the_picture(orientation: int) -> None:
    packet = f'<x tiff:Orientation="{orientation}"/>'.encode()
    tagged = [(ORIENTATION, 3, 1, orientation, True)]
    in_xmp = [(XMP, 1, len(packet), packet, True)]
    image = Image.fromarray(RGB)
    image.getexif()[ORIENTATION] = orientation
    expected = np.asarray(ImageOps.exif_transpose(image))
    for extra in (tagged, in_xmp):
        check(written(RGB, photometric="rgb", extratags=extra, metadata=None), expected, within=0)


@pytest.mark.parametrize(
    ("compression", "name"),
    [
        (50002, "JPEG XL"), (34712, "JPEG 2000"), (34887, "LERC"), (50001, "WebP"),
        (34934, "JPEG XR"), (34933, "PNG"), (34661, "JBIG"), (12345, "compression 12345"),
    ],
)  # fmt: skip
def test_what_cannot_be_decompressed_is_unsupported_and_named(compression: int, name: str) -> None:
    entries = {
        256: (4, [4]), 257: (4, [4]), 258: (3, [8]), 259: (3, [compression]), 262: (3, [1]),
        277: (3, [1]), 278: (4, [4]),
    }  # fmt: skip
    for read in (read_header, decode):
        with pytest.raises(PictureError, match=name) as caught:
            read(tiff_file(entries, [bytes(16)]), LIMITS)
        assert caught.value.reason is Reason.UNSUPPORTED_FORMAT


def test_a_cameras_sensor_data_are_unsupported() -> None:
    entries = {
        256: (4, [4]), 257: (4, [4]), 258: (3, [8]), 259: (3, [1]), 262: (3, [32803]),
        277: (3, [1]), 278: (4, [4]),
    }  # fmt: skip
    with pytest.raises(PictureError, match="sensor"):
        decode(tiff_file(entries, [bytes(16)]), LIMITS)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_strip_that_lacks_bytes_is_refused(compression: str | None) -> None:
    data = written(RGB, photometric="rgb", compression=compression, rowsperstrip=61)
    (offset,) = tifffile.TiffFile(io.BytesIO(data)).pages[0].dataoffsets
    (size,) = tifffile.TiffFile(io.BytesIO(data)).pages[0].databytecounts
    at_end = offset + size == len(data)
    with pytest.raises(PictureError) as caught:
        decode(data[: offset + size // 2] if at_end else data[: len(data) // 2], LIMITS)
    assert caught.value.reason in (Reason.TRUNCATED, Reason.BROKEN_PIXELS, Reason.BROKEN_HEADER)


def test_samples_that_would_unpack_to_too_much_are_refused_unread() -> None:
    entries = {
        256: (4, [9000]), 257: (4, [9000]), 258: (3, [64] * 64), 259: (3, [8]), 262: (3, [1]),
        277: (3, [64]), 278: (4, [9000]), 339: (3, [3] * 64),
    }  # fmt: skip
    for read in (read_header, decode):
        with pytest.raises(PictureError) as caught:
            read(tiff_file(entries, [bytes(16)]), LIMITS)
        assert caught.value.reason is Reason.TOO_MANY_PIXELS


@pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd"])
def test_segments_are_decompressed_some_at_a_time(
    compression: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naturalist.images.tiff.segments._BYTES_AT_ONCE", 3 * 83 * 3 * 7)
    for tile in (None, (16, 32)):
        rows = None if tile else 7
        check(written(RGB, photometric="rgb", compression=compression, tile=tile,
                      rowsperstrip=rows), RGB, within=0)  # fmt: skip


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_opacity_beside_a_palette_is_flattened_over_white(order: str) -> None:
    indices = (np.arange(12 * 10) % 256).reshape(10, 12).astype(np.uint8)
    opacity = np.repeat(np.array([0, 255], np.uint8), 60).reshape(10, 12)
    table = np.arange(256) * np.array([[1], [0], [2]]) % 256 * 257
    rows = np.stack([indices, opacity], axis=2).tobytes()
    entries = {
        256: (3, [12]), 257: (3, [10]), 258: (3, [8, 8]), 259: (3, [1]), 262: (3, [3]),
        277: (3, [2]), 278: (3, [10]), 320: (3, table.ravel().tolist()), 338: (3, [2]),
    }  # fmt: skip
    colours = (table.T // 257)[indices]
    expected = np.where(opacity[:, :, None] == 0, 255, colours)
    assert check(tiff_file(entries, [rows], order), expected) == ()
