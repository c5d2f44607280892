"""The 37 sets of the catalogue made small: drawn pictures in the layouts that it describes.

As in the real ones, file names repeat from set to set, two sets hold the pictures of others, one
hides its pictures in an archive in the archive, and a picture is in two categories.
"""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import replace

from drawn_photos import LOOKS, Look, pictures
from naturalist.catalogue import known_sets

PER_SET = 6
_COPIES_OF = {"translated-animals10": "animals10", "face-images-13233": "lfwpeople"}
_FOLDERS = {
    "flowers-recognition": ("flowers/daisy", "flowers/rose", "flowers/sunflower"),
    "animals10": ("raw-img/cane", "raw-img/gatto", "raw-img/ragno"),
    "translated-animals10": ("animals/dog", "animals/cat", "animals/spider"),
    "african-wildlife": ("buffalo", "elephant", "zebra"),
    "100-bird-species": ("train/BARN OWL", "train/ROBIN", "valid/BARN OWL"),
    "aisegment-matting-human": ("clip_img/1803",),
    "men-women-classification": ("men", "women"),
    "face-mask-12k": ("Train/WithMask", "Train/WithoutMask", "Test/WithMask"),
}
"""Folders of a set that pictures are in, by turns; others have them side by side."""

Files = dict[str, bytes]


def small_sets() -> dict[str, bytes]:
    """The archive of every set, by its handle at Kaggle."""
    of_set = {entry.name: _drawn(number) for number, entry in enumerate(known_sets())}
    for copy, original in _COPIES_OF.items():
        of_set[copy] = of_set[original]
    files = {name: _laid_out(name, found) for name, found in of_set.items()}
    files["animal-classification"]["bee_on_a_rose.jpg"] = files["plant-dataset"]["image_0000.jpg"]
    files["oregon-wildlife"]["broken.jpg"] = files["oregon-wildlife"]["image_0001.jpg"][:400]
    files["aisegment-matting-human"]["matting/1803/image_0000.png"] = b"a portrait cut out"
    files["lfwpeople"] = {"lfwfunneled.tgz": _tarred(files["lfwpeople"])}
    return {entry.handle: _zipped(files[entry.name]) for entry in known_sets()}


def newer_flowers() -> bytes:
    """A later version of flowers-recognition: what it had, and four pictures more."""
    number = next(n for n, e in enumerate(known_sets()) if e.name == "flowers-recognition")
    return _zipped(_laid_out("flowers-recognition", _drawn(number, PER_SET + 4)))


def _drawn(number: int, count: int = PER_SET) -> list[bytes]:
    look = _look(known_sets()[number].category, number)
    return [data for _, data in pictures(look, 100 + number, count)]


def _look(category: str, number: int) -> Look:
    """One of the looks of a category: several sets share each, as real sets are alike."""
    looks = [look for name, look in LOOKS.items() if name.startswith(category)]
    return replace(looks[number % len(looks)], formats=("jpg",))


def _laid_out(name: str, found: list[bytes]) -> Files:
    folders = _FOLDERS.get(name, ("",))
    return {
        f"{folders[k % len(folders)]}/image_{k:04d}.jpg".lstrip("/"): data
        for k, data in enumerate(found)
    }


def _zipped(files: Mapping[str, bytes]) -> bytes:
    """An archive as Kaggle packs one."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for path, data in files.items():
            packed.writestr(path, data)
    return buffer.getvalue()


def _tarred(files: Mapping[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for path, data in files.items():
            about = tarfile.TarInfo(f"lfw_funneled/{path}")
            about.size = len(data)
            packed.addfile(about, io.BytesIO(data))
    return buffer.getvalue()
