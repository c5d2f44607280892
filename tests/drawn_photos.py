"""Pictures drawn by a script, for a clone that has no real photos beside it.

They stand in for photos where a test is about what becomes of files: three categories in eight
sources, each with a look of its own, so that features tell them apart; many sizes; JPEG, PNG and
GIF; equal bytes, near copies and equal names. The same pictures are drawn every time.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

PER_SOURCE = 90
_OCTAVES = {3: 1.0, 7: 0.6, 19: 0.4, 53: 0.25}
_COPIED_EVERY = 15
"""Every fifteenth picture is an earlier one byte by byte, and the one after it a near copy."""

Floats = NDArray[np.float32]
Colour = tuple[int, int, int]
Size = tuple[int, int]


@dataclass(frozen=True)
class Look:
    """What pictures of a source have in common.

    Attributes:
        grounds: two colours of the background.
        bodies: two colours of what is shown.
        lobes: fewest and most bulges of its outline.
        detail: what is drawn upon it: veins, spots, stripes or a face.
        formats: in turn, how pictures are encoded.
        longest: sides are between the half of it and it.
        grey: pictures have no colour.
    """

    grounds: tuple[Colour, Colour]
    bodies: tuple[Colour, Colour]
    lobes: tuple[int, int]
    detail: str
    formats: tuple[str, ...] = ("jpg",)
    longest: int = 260
    grey: bool = False


LOOKS = {
    "plant/garden": Look(((20, 70, 25), (90, 150, 60)), ((210, 40, 80), (250, 200, 60)), (5, 9),
                         "veins", ("jpg", "jpg", "png")),
    "plant/meadow": Look(((60, 110, 40), (170, 200, 110)), ((230, 220, 240), (150, 90, 190)),
                         (7, 13), "veins", longest=320),
    "animal/zoo": Look(((190, 160, 110), (120, 100, 70)), ((90, 60, 30), (220, 180, 120)), (2, 4),
                       "spots"),
    "animal/farm": Look(((110, 150, 190), (200, 210, 220)), ((240, 235, 225), (60, 50, 45)),
                        (2, 4), "spots", ("jpg", "jpg", "jpg", "png"), 300),
    "animal/shore": Look(((30, 80, 120), (120, 190, 200)), ((230, 120, 40), (250, 240, 230)),
                         (1, 3), "stripes", longest=220),
    "human/studio": Look(((120, 120, 130), (180, 180, 190)), ((225, 180, 150), (190, 130, 100)),
                         (0, 0), "face"),
    "human/street": Look(((150, 80, 70), (210, 190, 160)), ((150, 100, 75), (90, 60, 45)), (0, 0),
                         "face", ("jpg", "png")),
    "human/archive": Look(((60, 60, 60), (130, 130, 130)), ((200, 200, 200), (120, 120, 120)),
                          (0, 0), "face", ("gif", "jpg"), 200, grey=True),
}  # fmt: skip


def draw_all(folder: Path, per_source: int = PER_SOURCE) -> Path:
    """Write `<category>/<source>/<folder>/<name>` for every source; gives the folder."""
    for number, (name, look) in enumerate(LOOKS.items()):
        for path, data in pictures(look, number, per_source):
            target = folder / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    return folder


def pictures(look: Look, source: int, count: int) -> Iterator[tuple[str, bytes]]:
    """Paths in a source, and what the files hold. Names are the same in every source."""
    earlier: dict[int, Image.Image] = {}
    data = b""
    for k in range(count):
        kind = look.formats[k % len(look.formats)]
        if k % _COPIED_EVERY == _COPIED_EVERY - 2:
            pass  # the bytes of the picture before
        elif k % _COPIED_EVERY == _COPIED_EVERY - 1:
            near = earlier[k - _COPIED_EVERY // 2]
            data = _encoded(near.resize((near.width * 2 // 3, near.height * 2 // 3)), kind)
        else:
            earlier[k] = draw(look, np.random.default_rng([source, k]))
            data = _encoded(earlier[k], kind)
        yield f"{k % 4}/image_{k:04d}.{_kind_of(data)}", data


def _kind_of(data: bytes) -> str:
    return {b"\xff\xd8": "jpg", b"\x89P": "png", b"GI": "gif"}[data[:2]]


def _encoded(picture: Image.Image, kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "jpg":
        picture.save(buffer, "JPEG", quality=88, progressive=picture.width % 3 == 0)
    else:
        picture.save(buffer, kind.upper())
    return buffer.getvalue()


def draw(look: Look, rng: np.random.Generator) -> Image.Image:
    """One picture: a body upon a ground, both uneven, with light from somewhere."""
    size = (int(rng.integers(look.longest // 2, look.longest)),) * 2
    size = (size[0], int(size[0] * rng.uniform(0.65, 1.3)))
    pixels = _mix(look.grounds, _uneven(size, rng))
    inside, turn, away = _outline(look, size, rng)
    body = _mix(look.bodies, _uneven(size, rng) * 0.5 + 0.5 * _drawn_on(look, turn, away, rng))
    pixels = np.where(inside[..., None], body, pixels)
    pixels *= 0.55 + 0.75 * _field(size, 2, rng)[..., None]
    pixels += rng.normal(0, 4, pixels.shape[:2]).astype(np.float32)[..., None]
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if look.detail == "face":
        _draw_face(picture, away, rng)
    return picture.convert("L") if look.grey else picture


def _field(size: Size, cells: int, rng: np.random.Generator) -> Floats:
    """A smooth random surface between about 0 and 1."""
    small = Image.fromarray(rng.random((cells, cells), np.float32))
    return np.asarray(small.resize(size, Image.Resampling.BICUBIC))


def _uneven(size: Size, rng: np.random.Generator) -> Floats:
    """Large and small unevenness together, between 0 and 1."""
    total = sum(weight * _field(size, cells, rng) for cells, weight in _OCTAVES.items())
    low, high = float(np.min(total)), float(np.max(total))
    return np.asarray((total - low) / max(high - low, 1e-6), np.float32)


def _mix(colours: tuple[Colour, Colour], share: Floats) -> Floats:
    one, other = (np.array(colour, np.float32) for colour in colours)
    return one + (other - one) * share[..., None]


def _outline(look: Look, size: Size, rng: np.random.Generator) -> tuple[Any, Floats, Floats]:
    """Which pixels are the body's; of each its angle from the middle, and its distance."""
    x, y = np.meshgrid(np.linspace(-1, 1, size[0]), np.linspace(-1, 1, size[1]))
    x, y = x - rng.uniform(-0.35, 0.35), (y - rng.uniform(-0.35, 0.35)) * rng.uniform(0.7, 1.2)
    turn, away = np.arctan2(y, x) + rng.uniform(0, 6), np.hypot(x, y)
    lobes = int(rng.integers(look.lobes[0], look.lobes[1] + 1))
    edge = rng.uniform(0.4, 0.75) * (1 + (0.35 if lobes else 0.0) * np.cos(lobes * turn))
    return away < edge, np.asarray(turn, np.float32), np.asarray(away, np.float32)


def _drawn_on(look: Look, turn: Floats, away: Floats, rng: np.random.Generator) -> Floats:
    """The marks upon a body, between 0 and 1."""
    fine = float(rng.uniform(9, 18))
    if look.detail == "veins":
        return np.asarray(np.abs(np.sin(turn * fine)) * np.clip(1.2 - away, 0, 1), np.float32)
    if look.detail == "stripes":
        return np.asarray(np.sin(away * fine * 3 + turn) > 0, np.float32)
    if look.detail == "spots":
        size = (turn.shape[1], turn.shape[0])
        return np.asarray(_field(size, round(fine), rng) > 0.55, np.float32)
    return np.clip(away, 0, 1)


def _draw_face(picture: Image.Image, away: Floats, rng: np.random.Generator) -> None:
    """Two eyes, a mouth and hair around the middle of the body."""
    y, x = np.unravel_index(int(np.argmin(away)), away.shape)
    unit = min(picture.size) / 12
    pen = ImageDraw.Draw(picture)

    def oval(right: float, down: float, wide: float, high: float, fill: Colour) -> None:
        at_x, at_y = float(x) + right * unit, float(y) + down * unit
        box = (at_x - wide * unit, at_y - high * unit, at_x + wide * unit, at_y + high * unit)
        pen.ellipse(box, fill=fill)

    hair = (int(rng.integers(20, 120)), int(rng.integers(15, 80)), 20)
    oval(0, -3.2, 2.8, 1.3, hair)
    for side in (-1, 1):
        oval(side * 1.1, -0.6, 0.55, 0.35, (250, 250, 250))
        oval(side * 1.1 + rng.uniform(-0.2, 0.2), -0.6, 0.25, 0.25, (40, 30, 25))
    oval(0, 1.6, rng.uniform(0.6, 1.3), rng.uniform(0.15, 0.5), (160, 50, 50))
