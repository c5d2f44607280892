"""Decoding reduces as far as asked and no further, and never gives half a picture."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.images.making import LIMITS, difference, encoded, photo

from naturalist.errors import PictureError
from naturalist.images import Pixels, decode
from naturalist.reasons import Reason

OPTIONS = {
    "jpeg": ("JPEG", {}),
    "grey jpeg": ("JPEG", {}),
    "cmyk jpeg": ("JPEG", {}),
    "progressive jpeg": ("JPEG", {"progressive": True}),
    "png": ("PNG", {}),
}
MODES = {"grey jpeg": "L", "cmyk jpeg": "CMYK"}

sides = st.integers(1, 120)


def check_size(pixels: Pixels, width: int, height: int, longer: int, shorter: int) -> None:
    """The picture is not below what was asked, not above its own size, and keeps its aspect."""
    got_height, got_width = pixels.shape[:2]
    assert max(got_width, got_height) >= min(longer, max(width, height))
    assert min(got_width, got_height) >= min(shorter, min(width, height))
    assert 1 <= got_width <= width
    assert 1 <= got_height <= height
    assert abs(got_width * height - got_height * width) <= max(width, height)
    if not longer and not shorter:
        assert (got_width, got_height) == (width, height)


@pytest.mark.parametrize("kind", OPTIONS)
@given(width=sides, height=sides, longer=st.integers(0, 150), shorter=st.integers(0, 150))
def test_a_reduced_picture_is_never_smaller_than_asked(
    kind: str, width: int, height: int, longer: int, shorter: int
) -> None:
    pillow_name, options = OPTIONS[kind]
    image = Image.new(MODES.get(kind, "RGB"), (width, height))
    picture = decode(encoded(image, pillow_name, **options), LIMITS, longer=longer, shorter=shorter)
    assert (picture.width, picture.height) == (width, height)
    check_size(picture.pixels, width, height, longer, shorter)


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize(("longer", "shorter", "size"), [(100, 0, 100), (0, 75, 100), (51, 0, 51)])
def test_a_large_picture_is_reduced_close_to_what_was_asked(
    kind: str, longer: int, shorter: int, size: int
) -> None:
    pillow_name, options = OPTIONS[kind]
    image = photo(800, 600).convert(MODES.get(kind, "RGB"))
    data = encoded(image, pillow_name, **options)
    reduced = decode(data, LIMITS, longer=longer, shorter=shorter).pixels
    assert size <= reduced.shape[1] <= 2 * size
    whole = Image.fromarray(decode(data, LIMITS).pixels)
    expected = np.asarray(whole.resize((reduced.shape[1], reduced.shape[0])))
    assert difference(reduced, expected) < 6


@pytest.mark.parametrize("pillow_name", ["GIF", "PNG", "WEBP", "TIFF"])
def test_only_the_first_frame_of_an_animation_is_read(pillow_name: str) -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if pillow_name == "WEBP" else {}
    data = encoded(frames[0], pillow_name, save_all=True, append_images=frames[1:], **options)
    pixels = decode(data, LIMITS).pixels
    assert pixels.shape == (10, 20, 3)
    assert np.unique(pixels.reshape(-1, 3), axis=0).tolist() == [[255, 0, 0]]


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_a_file_cut_short_is_refused_as_truncated(pillow_name: str, share: float) -> None:
    options = {"JPEG": {"progressive": share == 0.9}}.get(pillow_name, {})
    data = encoded(photo(200, 150), pillow_name, **options)
    with pytest.raises(PictureError) as caught:
        decode(data[: int(len(data) * share)], LIMITS)
    assert caught.value.reason is Reason.TRUNCATED


@pytest.mark.parametrize("longer", [0, 60])
def test_a_jpeg_whose_lower_part_is_missing_is_truncated_even_with_an_end_marker(
    longer: int,
) -> None:
    data = encoded(photo(400, 300), "JPEG")
    with pytest.raises(PictureError) as caught:
        decode(data[: len(data) // 2] + b"\xff\xd9", LIMITS, longer=longer)
    assert caught.value.reason is Reason.TRUNCATED


def test_a_jpeg_with_little_damage_is_read() -> None:
    data = encoded(photo(400, 300), "JPEG", quality=60, restart_marker_blocks=4)
    middle = len(data) // 2
    damaged = data[:middle] + b"\x00" * 20 + data[middle + 20 :]
    pixels = decode(damaged, LIMITS).pixels
    assert difference(pixels, decode(data, LIMITS).pixels) < 5


@pytest.mark.parametrize("pillow_name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF"])
def test_bytes_after_the_picture_do_not_matter(pillow_name: str) -> None:
    data = encoded(photo(60, 40), pillow_name)
    trailed = data + b"PK\x03\x04" + bytes(range(256)) * 4
    assert np.array_equal(decode(trailed, LIMITS).pixels, decode(data, LIMITS).pixels)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_a_jpeg_is_decoded_as_pillow_decodes_it(subsampling: str) -> None:
    data = encoded(photo(301, 203), "JPEG", subsampling=subsampling)
    with Image.open(io.BytesIO(data)) as image:
        expected = np.asarray(image.convert("RGB"))
    assert difference(decode(data, LIMITS).pixels, expected) < 1


@pytest.mark.parametrize("pillow_name", ["PNG", "WEBP", "BMP", "TIFF", "PPM"])
@pytest.mark.parametrize("size", [(1003, 769), (2047, 1535)])
def test_a_large_picture_is_resized_without_being_shifted(
    pillow_name: str, size: tuple[int, int]
) -> None:
    # A slope shows it: each pixel says where it is.
    across = np.linspace(0, 255, size[0]).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(across[None, :, None], (size[1], size[0], 3)).copy())
    options = {"lossless": True} if pillow_name == "WEBP" else {}
    pixels = decode(encoded(image, pillow_name, **options), LIMITS, longer=100).pixels
    assert pixels.shape[1] == 100
    middle = (np.arange(100) + 0.5) / 100 * 255
    assert np.abs(pixels[:, 2:-2].astype(float) - middle[None, 2:-2, None]).max() < 1.5
