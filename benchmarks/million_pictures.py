"""A collection as large as the one that naturalist was made for, from a few thousand real photos.

Each picture is a photo cropped, mirrored, resized, recoloured and encoded in a way of its own, so
that bytes, sizes, qualities and colours differ. As in life there are near duplicates (the picture
before, smaller and encoded again), equal files, the same file in two categories, and awkward files:
error pages named .jpg, cut files, empty ones, deep PNGs. Every source is a folder or a zip, with a
table of metadata beside its pictures. What is made depends on the numbers alone, not on processes
or interruptions: a source that is there is not made again.
"""

import csv
import io
import multiprocessing
import random
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageEnhance

COUNTS = {"animal": 376_683, "human": 323_695, "plant": 310_030}
"""Pictures of the collection in each category."""
SOURCES = {"animal": 14, "human": 11, "plant": 12}
SIDES = (128, 160, 200, 224, 256, 256, 300, 384, 500)
QUALITIES = (60, 75, 75, 85, 90, 95)
NEAR, EQUAL, CONFLICT, AWKWARD = 0.03, 0.01, 0.0003, 0.003
"""Shares of pictures that are near duplicates, copies, in two categories, and no pictures."""
SPLITS = ("train", "train", "train", "train", "valid", "test")
FOLDER_FILES = 5_000
SHARED = 50
"""Different files that lie in several categories."""


@dataclass(frozen=True)
class Source:
    """One source to be made: its category, number, and how many files it has."""

    category: str
    number: int
    files: int
    day: int = 0

    @property
    def name(self) -> str:
        """What its folder or archive is called."""
        return f"{self.category}s-{self.number:02d}" + (f"-day-{self.day}" if self.day else "")

    @property
    def is_zip(self) -> bool:
        """Every third one is an archive."""
        return self.number % 3 == 2


class File(NamedTuple):
    """One file of a source."""

    name: str
    data: bytes
    species: str
    split: str


def sources(share: float) -> Iterator[Source]:
    """The sources of all categories; sizes differ tenfold, as those of data sets do."""
    for category, count in COUNTS.items():
        number = SOURCES[category]
        weights = np.geomspace(1.0, 10.0, number)
        sizes = np.floor(weights / weights.sum() * count * share).astype(int)
        sizes[-1] += int(count * share) - sizes.sum()
        yield from (Source(category, k, int(size)) for k, size in enumerate(sizes))


def make(folder: Path, photos: list[Path], share: float) -> dict[str, Any]:
    """Make all sources that are not there; bytes and files of all of them."""
    return _make(list(sources(share)), folder, photos)


def make_day(folder: Path, photos: list[Path], day: int, files: int) -> dict[str, Any]:
    """Make a new source of some files in each category."""
    return _make([Source(c, 50 + day, files // 3, day) for c in COUNTS], folder, photos)


def _make(wanted: list[Source], folder: Path, photos: list[Path]) -> dict[str, Any]:
    missing = [one for one in wanted if not _path(folder, one).exists()]
    missing.sort(key=lambda one: -one.files)  # no process waits for the longest at the end
    with multiprocessing.get_context("spawn").Pool() as pool:
        for done in pool.imap_unordered(partial(_make_source, folder, photos), missing):
            print(f"made {done}", flush=True)
    made = [path for one in wanted for path in _files(_path(folder, one))]
    return {"files": sum(one.files for one in wanted), "bytes": sum(p.stat().st_size for p in made)}


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]


def _path(folder: Path, source: Source) -> Path:
    return folder / source.category / (source.name + (".zip" if source.is_zip else ""))


def _make_source(folder: Path, photos: list[Path], source: Source) -> str:
    path = _path(folder, source)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    if source.is_zip:
        part.unlink(missing_ok=True)
        _write_zip(part, _contents(photos, source))
    else:
        shutil.rmtree(part, ignore_errors=True)
        _write_folder(part, _contents(photos, source))
    part.rename(path)
    return source.name


def _write_zip(path: Path, files: Iterator[File]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        rows = []
        for file in files:
            packed.writestr(file.name, file.data)
            rows.append(file)
        packed.writestr("metadata.csv", _metadata(rows))


def _write_folder(folder: Path, files: Iterator[File]) -> None:
    rows = []
    for file in files:
        path = folder / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
        rows.append(file._replace(data=b""))
    (folder / "metadata.csv").write_text(_metadata(rows))


def _metadata(files: list[File]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(("file_name", "species", "split"))
    writer.writerows((file.name, file.species, file.split) for file in files)
    return text.getvalue()


def _contents(photos: list[Path], source: Source) -> Iterator[File]:
    """The files of a source; its photos are a part of the category's, as data sets specialise."""
    rng = random.Random(f"{source.name} {source.files}")
    own = _photos(photos, source.category)
    start = rng.randrange(len(own))
    own = (own[start:] + own[:start])[: max(20, len(own) // 4)]
    before = Image.new("RGB", (9, 9))
    data = b""
    for number in range(source.files):
        base = rng.choice(own)
        kind = rng.random()
        name = f"{number // FOLDER_FILES:03d}/{base.parent.name[:20]}_{number:06d}.jpg"
        if kind < AWKWARD:
            data = _awkward(rng, data)
        elif kind < AWKWARD + CONFLICT:
            data = _shared(rng.randrange(SHARED), photos)
        elif kind < AWKWARD + CONFLICT + EQUAL and data:
            pass
        elif kind < AWKWARD + CONFLICT + EQUAL + NEAR:
            data = _encoded(_smaller(before, rng), rng.choice(QUALITIES))
        else:
            before = _varied(rng, base)
            data = _encoded(before, rng.choice(QUALITIES))
        yield File(name, data, base.parent.name, rng.choice(SPLITS))


def _photos(photos: list[Path], category: str) -> list[Path]:
    found = sorted(path for folder in photos for path in (folder / category).rglob("*.jp*g"))
    if not found:
        raise SystemExit(f"no photos below {[str(folder / category) for folder in photos]}")
    return found


def _shared(number: int, photos: list[Path]) -> bytes:
    """A file that is the same in all categories."""
    base = _photos(photos, min(COUNTS))[number]
    return _encoded(_varied(random.Random(number), base), 85)


def _varied(rng: random.Random, base: Path) -> Image.Image:
    """A photo as nobody else has it: another part, size and light of it."""
    with Image.open(base) as opened:
        side = rng.choice(SIDES)
        opened.draft("RGB", (side, side))
        image = opened.convert("RGB")
    width, height = image.size
    kept = rng.uniform(0.6, 1.0)
    across, down = max(8, int(width * kept)), max(8, int(height * kept * rng.uniform(0.85, 1.0)))
    left, top = rng.randint(0, width - across), rng.randint(0, height - down)
    scale = side / max(across, down)
    size = (max(8, int(across * scale)), max(8, int(down * scale)))
    image = image.resize(
        size, Image.Resampling.BILINEAR, box=(left, top, left + across, top + down)
    )
    if rng.random() < 0.5:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    image = ImageEnhance.Brightness(image).enhance(rng.uniform(0.75, 1.25))
    return ImageEnhance.Color(image).enhance(rng.uniform(0.6, 1.4))


def _smaller(image: Image.Image, rng: random.Random) -> Image.Image:
    scale = rng.uniform(0.6, 0.95)
    return image.resize((max(8, int(image.width * scale)), max(8, int(image.height * scale))))


def _encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _awkward(rng: random.Random, before: bytes) -> bytes:
    kind = rng.randrange(4)
    if kind == 0:
        return b"<html><body>404 Not Found</body></html>"
    if kind == 1:
        return before[: len(before) // 3]
    if kind == 2:
        return b""
    deep = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64) * np.uint16(rng.randrange(1, 16))
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    return buffer.getvalue()
