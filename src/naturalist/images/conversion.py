"""Any picture that Pillow has loaded, as 8-bit RGB over white.

White, because a transparent picture on a web page usually stands on white, and because the black
that padding uses would swallow dark drawings.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from naturalist.images.orientation import Pixels

_WHITE = (255, 255, 255)
_ROWS_AT_ONCE = 256


def to_rgb(image: Image.Image) -> Image.Image:
    """A loaded picture of any Pillow mode, as mode RGB.

    Transparency is flattened over white. Deep greyscale is scaled to 8 bits: 16-bit samples by
    their full range, 32-bit integers and floats by the smallest of 1 (floats only), 255, 65535
    and their own maximum that holds them all; what is negative or no number becomes black.
    """
    if image.mode.startswith("I;16"):
        return _from_grey(_sixteen_bit(image))
    if image.mode in ("I", "F"):
        return _from_grey(_deep_grey(np.asarray(image), is_float=image.mode == "F"))
    if image.mode == "LAB":
        return _from_lab(image)
    if image.has_transparency_data:
        return _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _sixteen_bit(image: Image.Image) -> Pixels:
    values = np.asarray(image)
    grey = _scaled(values, 65535.0)
    key = image.info.get("transparency")
    if isinstance(key, int):
        grey[values == key] = 255
    return grey


def _deep_grey(values: NDArray[np.generic], *, is_float: bool) -> Pixels:
    top = float(np.max(values, initial=0, where=np.isfinite(values)))
    ranges = (1.0, 255.0, 65535.0) if is_float else (255.0, 65535.0)
    return _scaled(values, next((size for size in ranges if top <= size), top))


def _scaled(values: NDArray[np.generic], top: float) -> Pixels:
    """Map 0 to `top` onto 0 to 255, a few rows at a time: floats of a large picture are larger."""
    grey = np.empty(values.shape, np.uint8)
    for row in range(0, len(values), _ROWS_AT_ONCE):
        rows = slice(row, row + _ROWS_AT_ONCE)
        part = np.nan_to_num(values[rows].astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        grey[rows] = np.clip(part / top, 0.0, 1.0) * 255.0 + 0.5
    return grey


def _from_grey(grey: Pixels) -> Image.Image:
    return Image.fromarray(grey).convert("RGB")


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise ValueError("CIELAB could not be converted")
    return converted


def _over_white(image: Image.Image) -> Image.Image:
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    flat = Image.new("RGB", layered.size, _WHITE)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat
