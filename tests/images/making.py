"""Pictures to test with: a real photo that comes with scikit-image, encoded in any way."""

import io
from typing import Any

import numpy as np
import skimage.data
from PIL import Image

from naturalist.images import PictureLimits, Pixels

LIMITS = PictureLimits()


def photo(width: int = 451, height: int = 300) -> Image.Image:
    """A real photo of a cat."""
    return Image.fromarray(skimage.data.cat()).resize((width, height))


def quarters(width: int = 60, height: int = 40) -> Pixels:
    """Four flat quarters, each of another colour: every turn and flip shows."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (255, 0, 0)
    pixels[: height // 2, width // 2 :] = (0, 255, 0)
    pixels[height // 2 :, : width // 2] = (0, 0, 255)
    pixels[height // 2 :, width // 2 :] = (255, 255, 0)
    return pixels


def encoded(image: Image.Image | Pixels, format_name: str, **options: Any) -> bytes:
    """The bytes of a file holding `image`."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, format_name, **options)
    return buffer.getvalue()


def difference(one: Pixels, other: Pixels) -> float:
    """Mean absolute difference, in grey levels."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean())
