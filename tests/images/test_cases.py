"""The pictures that came out wrong once, each compared with the right one beside it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.images.making import LIMITS

from naturalist.errors import PictureError
from naturalist.images import Doubt, decode
from naturalist.reasons import Reason

RIGHT = [
    "tif_u16_miniswhite.tif",
    "planar_u16_tiled.tif",
    "tif_12bit_packed.tif",
    "bmp_v5_alpha_all_zero.bmp",
    "png_raw_profile_exif6.png",
    "rgb16.jp2",
    "tif_page1_thumb_page2_full.tif",
]
DAMAGED = ["zero_hole_4k_middle.jpg", "lost512_at30.jpg", "ascii_ftp_crlf.jpg"]


@pytest.fixture(scope="session")
def cases(shared: Path) -> Path:
    if not (shared / "cases" / "pictures").is_dir():
        pytest.skip("cases is not in the folder `shared` beside the project")
    return shared / "cases" / "pictures"


@pytest.mark.parametrize("name", RIGHT)
def test_a_picture_that_was_wrong_is_right(cases: Path, name: str) -> None:
    picture = decode((cases / name).read_bytes(), LIMITS)
    right = np.asarray(Image.open(cases / f"{name}.ref.png").convert("RGB"))
    assert picture.pixels.shape == right.shape
    assert np.abs(picture.pixels.astype(int) - right).max() <= 1
    assert picture.remarks == ()


def test_a_ppm_is_read(cases: Path) -> None:
    assert decode((cases / "x.ppm").read_bytes(), LIMITS).pixels.shape == (224, 224, 3)


def test_twelve_bits_in_sixteen_without_a_mark_leave_a_remark(cases: Path) -> None:
    picture = decode((cases / "png16_grey_12bit_values.png").read_bytes(), LIMITS)
    assert [remark.doubt for remark in picture.remarks] == [Doubt.UNUSED_RANGE]


def test_jpeg_xl_in_a_tiff_is_unsupported_and_named(cases: Path) -> None:
    with pytest.raises(PictureError, match="JPEG XL") as caught:
        decode((cases / "tif_jxl.tif").read_bytes(), LIMITS)
    assert caught.value.reason is Reason.UNSUPPORTED_FORMAT


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_refused_or_accepted_with_a_remark(cases: Path, name: str) -> None:
    data = (cases / name).read_bytes()
    with pytest.raises(PictureError) as caught:
        decode(data, LIMITS, longer=128)
    assert caught.value.reason is Reason.DAMAGED
    picture = decode(data, replace(LIMITS, damaged="accept"), longer=128)
    assert picture.damage > 0.4
    assert [remark.doubt for remark in picture.remarks] == [Doubt.DAMAGED]
