"""Any picture that Pillow has loaded, as 8-bit RGB over white.

White, because a transparent picture on a web page usually stands on white, and because the black
that padding uses would swallow dark drawings.
"""

import numpy as np
from PIL import Image, ImageCms

from naturalist.images.orientation import Pixels
from naturalist.images.remarks import Remark
from naturalist.images.samples import as_rgb, eight_bits, scale_of, transparency_remarks

_WHITE = (255, 255, 255)
_DEEP_BITS = {"I": 32, "F": 32}
_MARGIN = 8
"""A large picture is averaged down to so many times the size that it will be resized to."""


def to_rgb(image: Image.Image, size: tuple[int, int]) -> tuple[Pixels, list[Remark]]:
    """A loaded picture of any Pillow mode, as uint8 (H, W, 3), and what is doubtful about it.

    Transparency is flattened over white; deep greyscale is scaled as `samples` says. `size` is the
    width and height that it will be resized to: a much larger picture comes averaged.
    """
    if image.mode.startswith("I;16") or image.mode in _DEEP_BITS:
        values = np.asarray(image)
        values = values.astype(values.dtype.newbyteorder("="), copy=False)
        scale = scale_of(values, _DEEP_BITS.get(image.mode, 16))
        return as_rgb(eight_bits(values, scale)), list(scale.remarks)
    remarks: list[Remark] = []
    if image.mode != "LAB" and image.has_transparency_data:
        image = image if image.mode == "RGBA" else image.convert("RGBA")
        remarks = transparency_remarks(_largest(image.getchannel("A")))
    return np.asarray(_averaged(_eight_bit_rgb(image), size)), remarks


def _averaged(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Copying a large picture costs more than averaging it; no pixel is left out at the edges."""
    width, height = size
    if min(image.width // width, image.height // height) < 2 * _MARGIN:
        return image
    enough = (width * _MARGIN, height * _MARGIN)
    return image.resize(enough, Image.Resampling.BOX, reducing_gap=2.0)


def _eight_bit_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "LAB":
        return _from_lab(image)
    if image.has_transparency_data:
        return _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _largest(band: Image.Image) -> float:
    """The largest sample of an 8-bit band."""
    return float(np.asarray(band).max(initial=0))


def _from_lab(image: Image.Image) -> Image.Image:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise ValueError("CIELAB colours cannot be converted")
    return converted


def _over_white(image: Image.Image) -> Image.Image:
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    flat = Image.new("RGB", layered.size, _WHITE)
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat
