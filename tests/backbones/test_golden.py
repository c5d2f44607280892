"""What must never change under a name that people have features of."""

import hashlib
from importlib import resources

import numpy as np
import pytest

from naturalist import backbones

SHA256 = {
    "lite0-ranges-v1.json": "7a328d0418706bfb5bdc57e3ac64d436aa20f759abc5168075f41d6f8b6bb8a5",
    "lite0-statistics-512-v1.npy": (
        "0c772f839634e95103fb97421c4098af65438afaa4a16264c74979dd738342fe"
    ),
    "relu6-ranges-v1.json": "e204f265363c53d7a1465eee5e79bc5bbdd88aa1a7561aac89be160071652e21",
}
FIRST_VALUES = {
    "efficientnet_lite0": [0.1785, 0.8559, -0.1555, -0.6021, -0.9499, 0.0868],
    "efficientnet_lite0_int8": [0.0397, 0.9476, 0.0536, -0.4819, -0.8885, 0.4036],
}


def test_shipped_numbers_are_the_published_ones() -> None:
    folder = resources.files("naturalist.backbones") / "numbers"
    found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in folder.iterdir()}
    assert found == SHA256


def _picture(side: int) -> np.ndarray:
    """A smooth pattern that no decoder or resizer has touched."""
    y, x = np.mgrid[0:side, 0:side] / side
    waves = [np.sin(9 * x + 3 * y), np.cos(7 * y - 2 * x), np.sin(20 * x * y)]
    return np.rint(127.5 + 127 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("name", FIRST_VALUES)
def test_a_known_picture_keeps_its_vector(name: str) -> None:
    backbone = backbones.load(name)
    (vector,) = backbone.features(_picture(backbone.spec.side)[np.newaxis])
    np.testing.assert_allclose(vector[:6], FIRST_VALUES[name], atol=2e-3)
