"""PBM, PGM, PPM, PAM and PFM are read in every variant, and stripped of their comments."""

from pathlib import Path

import numpy as np
import pytest
from tests.images.making import LIMITS, photo

from naturalist.errors import PictureError
from naturalist.images import Doubt, Header, decode, read_header, sniff, strip_metadata
from naturalist.reasons import Reason

RGB = np.asarray(photo(37, 23))
GREY = RGB[:, :, 1]
OPACITY = np.broadcast_to(np.linspace(0, 255, 37).astype(np.uint8), (23, 37))


def numbers(samples: np.ndarray) -> bytes:
    return "\n".join(" ".join(map(str, row.ravel())) for row in samples).encode()


def bits(picture: np.ndarray) -> np.ndarray:
    return (picture < 128).astype(np.uint8)


def scaled(picture: np.ndarray, top: int) -> np.ndarray:
    return np.rint(picture / 255.0 * top).astype(np.uint8 if top < 256 else ">u2")


def check(data: bytes, expected: np.ndarray) -> tuple[Doubt, ...]:
    assert sniff(data[:4096]).format == "netpbm"
    assert read_header(data, LIMITS) == Header("netpbm", 37, 23)
    picture = decode(data, LIMITS)
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    assert np.abs(picture.pixels - expected.astype(float)).max() <= 1
    assert np.array_equal(decode(strip_metadata(data, "netpbm") or b"", LIMITS).pixels,
                          picture.pixels)  # fmt: skip
    return tuple(remark.doubt for remark in picture.remarks)


@pytest.mark.parametrize("comment", [b"", b"# by Jane Doe\n"])
def test_black_and_white_as_digits_and_as_bits(comment: bytes) -> None:
    head = comment + b"37 23\n"
    expected = np.where(bits(GREY), 0, 255)
    check(b"P1\n" + head + numbers(bits(GREY)), expected)
    check(b"P1\n" + head + numbers(bits(GREY)).replace(b" ", b""), expected)
    check(b"P4\n" + head + np.packbits(bits(GREY), axis=1).tobytes(), expected)


@pytest.mark.parametrize("top", [1, 15, 100, 255, 1023, 4095, 65535])
@pytest.mark.parametrize(("text", "binary", "picture"), [(2, 5, GREY), (3, 6, RGB)])
def test_levels_are_scaled_by_the_largest_that_the_file_states(
    top: int, text: int, binary: int, picture: np.ndarray
) -> None:
    samples = scaled(picture, top)
    expected = samples.astype(float) / top * 255
    head = f"37\t23\n# a comment\n{top}\n".encode()
    assert check(f"P{text} ".encode() + head + numbers(samples), expected) == ()
    assert check(f"P{binary}\n".encode() + head + samples.tobytes(), expected) == ()


def test_twelve_bits_in_sixteen_leave_a_remark() -> None:
    data = b"P5\n37 23\n65535\n" + scaled(GREY, 4095).tobytes()
    assert check(data, GREY / 16.0) == (Doubt.UNUSED_RANGE,)


@pytest.mark.parametrize(("depth", "kind"), [(1, "GRAYSCALE"), (3, "RGB"), (4, "RGB_ALPHA")])
def test_pam_with_and_without_opacity(depth: int, kind: str) -> None:
    samples = {1: GREY[:, :, None], 3: RGB, 4: np.dstack([RGB, OPACITY])}[depth]
    head = f"P7\nWIDTH 37\nHEIGHT 23\nDEPTH {depth}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n"
    shown = samples[:, :, :3].astype(float)
    if depth == 4:
        shown = shown * (OPACITY[..., None] / 255) + 255 - OPACITY[..., None]
    check(head.encode() + samples.tobytes(), shown)


@pytest.mark.parametrize(("order", "scale"), [("<", "-1.0"), (">", "1.0")])
@pytest.mark.parametrize(("kind", "picture"), [("f", GREY), ("F", RGB)])
def test_floats_lie_upside_down_in_either_byte_order(
    kind: str, picture: np.ndarray, order: str, scale: str
) -> None:
    samples = (picture[::-1] / 255.0).astype(f"{order}f4")
    check(f"P{kind}\n37 23\n{scale}\n".encode() + samples.tobytes(), picture)


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5, 6])
def test_samples_that_are_missing_make_it_truncated(kind: int) -> None:
    head = f"P{kind}\n37 23\n" + ("" if kind in (1, 4) else "255\n")
    body = numbers(bits(GREY)) if kind <= 3 else bytes(90)
    for read, reason in ((decode, Reason.TRUNCATED),):
        with pytest.raises(PictureError) as caught:
            read(head.encode() + body[:90], LIMITS)
        assert caught.value.reason is reason


def test_a_header_without_sense_is_refused() -> None:
    for data in (b"P5\n0 23\n255\n" + bytes(99), b"P5\n3 3\n70000\n" + bytes(99)):
        with pytest.raises(PictureError) as caught:
            read_header(data, LIMITS)
        assert caught.value.reason is Reason.BROKEN_HEADER


def test_stripping_takes_comments_and_what_lies_behind() -> None:
    data = b"P6\n# by Jane Doe\n37 23\n255\n" + RGB.tobytes() + b"# GPS 52.1"
    stripped = strip_metadata(data, "netpbm")
    assert stripped == b"P6\n37 23\n255\n" + RGB.tobytes()


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
def test_what_pillow_writes_is_read(mode: str, tmp_path: Path) -> None:
    image = photo(37, 23).convert(mode)
    image.save(tmp_path / "x.ppm")
    check((tmp_path / "x.ppm").read_bytes(), np.asarray(image.convert("RGB")))
