"""The small collection of real pictures that ``naturalist demo`` runs on.

naturalist ships no pictures. Two packages hold some, and ordinary clients fetch them:

=======================  ===================  ================================  ================
package                  fetched with         pictures                          licence it states
=======================  ===================  ================================  ================
tuxpaint-stamps-default  ``apt-get`` (Debian) cut-out animals and plants (PNG)  GPL-2
tabler-ui                ``npm``              human faces (JPEG)                MIT
=======================  ===================  ================================  ================

Where a client is missing or fails, a few photos inside scikit-image and scikit-learn take the
place of what it would have brought. Nothing needs root, nothing outside of the folder is changed.
A package's pictures appear in one rename, so what a kill left half-fetched is fetched again.
"""

import importlib.util
import logging
import shutil
import subprocess
import tarfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from PIL import Image

from naturalist.config.sources import CATEGORY_NAME
from naturalist.errors import ConfigError, MissingExtra, SourceError

LABELS = {"plant": 0, "animal": 1, "human": 2}
DEBIAN_PACKAGE = "tuxpaint-stamps-default"
NPM_PACKAGE = "tabler-ui@0.0.34"
VIEWS_PER_PHOTO = 12

_SCRATCH = ".fetching-"
_NOT_PHOTOS = {"cartoon", "toys", "plastic"}
_NEITHER_ANIMAL_NOR_PLANT = {"mushrooms"}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clients:
    """The programs that fetch and unpack, and how long each may take."""

    apt_get: str = "apt-get"
    dpkg_deb: str = "dpkg-deb"
    npm: str = "npm"
    timeout_s: float = 300.0


@dataclass(frozen=True)
class DemoPictures:
    """Where the demo's pictures are and how they came there."""

    categories: dict[str, list[Path]]
    """Category to the folders that hold its pictures."""
    labels: dict[str, int]
    notes: list[str]
    """Sentences for people: what was fetched, under which licence, what had to be replaced."""


@dataclass(frozen=True)
class _Package:
    """A package with pictures: how to fetch it as a tar and what to take from it."""

    name: str
    categories: tuple[str, ...]
    licence: str
    licence_file: str
    fetch: Callable[[Path, Clients], Path]
    category_of: Callable[[PurePosixPath], str | None]


def build_demo_pictures(
    folder: Path, photos: Path | None = None, clients: Clients | None = None
) -> DemoPictures:
    """Collect pictures of plants, animals and humans in `folder`, or take the user's own.

    Args:
        folder: gets a folder for each package; what is there already is not fetched again.
        photos: a folder with one folder of pictures per category; used where it is, and nothing
            is fetched. Categories called plant, animal and human keep the labels 0, 1 and 2,
            any others are numbered in sorted order.
        clients: other programs than those on the search path.

    Raises:
        SourceError: `photos` is not a folder.
        ConfigError: `photos` holds fewer than two folders, or one that cannot name a category.
        MissingExtra: a client failed and the photos that would replace it are not installed.
    """
    if photos is not None:
        return _own_pictures(photos)
    pictures = folder.resolve()
    pictures.mkdir(parents=True, exist_ok=True)
    _remove_half_fetched(pictures)
    categories: dict[str, list[Path]] = {}
    notes: list[str] = []
    for package in _PACKAGES:
        result, note = _from_package(package, pictures, clients or Clients())
        categories.update(result)
        notes.append(note)
    return DemoPictures({name: categories[name] for name in LABELS}, LABELS, notes)


def _own_pictures(photos: Path) -> DemoPictures:
    if not photos.is_dir():
        raise SourceError(f"{photos} is not a folder: pass one with a subfolder per category")
    folders = sorted(p for p in photos.resolve().iterdir() if p.is_dir() and p.name[0] != ".")
    if not folders:
        raise ConfigError(
            f"{photos} has no subfolders: create one for each category, such as plant/, animal/ "
            "and human/"
        )
    names = [path.name for path in folders]
    unfit = [name for name in names if not CATEGORY_NAME.fullmatch(name)]
    if unfit:
        raise ConfigError(
            f"{photos}: the folder {unfit[0]!r} cannot be the name of a category: start with a "
            "letter; use at most 64 letters, digits, _ and -"
        )
    labels = LABELS if set(names) <= LABELS.keys() else {n: k for k, n in enumerate(names)}
    return DemoPictures(
        {path.name: [path] for path in folders},
        {name: labels[name] for name in names},
        [f"Your own pictures in {photos}: {', '.join(names)}."],
    )


def _remove_half_fetched(pictures: Path) -> None:
    for scratch in pictures.glob(f"{_SCRATCH}*"):
        shutil.rmtree(scratch)


def _from_package(
    package: _Package, pictures: Path, clients: Clients
) -> tuple[dict[str, list[Path]], str]:
    """Give folders per category, from the package or from what replaces it, and what happened."""
    try:
        home = _whole(pictures / package.name, partial(_fetch_pictures, package, clients))
    except SourceError as error:
        _log.info("%s could not be fetched: %s", package.name, error)
        return _replace(package, pictures, error)
    result = {name: [home / name] for name in package.categories}
    counts = " and ".join(f"{_count(home / name)} {name}" for name in package.categories)
    licence = home / PurePosixPath(package.licence_file).name
    return result, f"{counts} pictures from {package.name} ({package.licence}, see {licence})."


def _whole(home: Path, build: Callable[[Path], None]) -> Path:
    """Let `build` fill a new folder that becomes `home` when it is finished."""
    if not home.is_dir():
        with TemporaryDirectory(dir=home.parent, prefix=_SCRATCH) as scratch:
            new = Path(scratch) / home.name
            new.mkdir()
            build(new)
            new.rename(home)
    return home


def _fetch_pictures(package: _Package, clients: Clients, new: Path) -> None:
    archive = package.fetch(new.parent, clients)
    try:
        counts = _pick(package, archive, new)
    except tarfile.TarError as error:
        raise SourceError(f"{archive.name} cannot be unpacked: {error}") from error
    missing = [name for name in package.categories if not counts[name]]
    if missing:
        raise SourceError(f"{archive.name} contains no pictures of {', '.join(missing)}")


def _pick(package: _Package, archive: Path, new: Path) -> Counter[str]:
    """Write the wanted members as ``<category>/<number>-<name>``; count them per category."""
    counts: Counter[str] = Counter()
    with tarfile.open(archive) as tar:
        for member in tar:
            path = PurePosixPath(member.name)
            data = tar.extractfile(member) if member.isreg() else None
            if data is None:
                continue
            if path == PurePosixPath(package.licence_file):
                (new / path.name).write_bytes(data.read())
            elif category := package.category_of(path):
                counts[category] += 1
                (new / category).mkdir(exist_ok=True)
                name = f"{counts[category]:03d}-{path.name}"
                (new / category / name).write_bytes(data.read())
    return counts


def _count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def _fetch_debian(scratch: Path, clients: Clients) -> Path:
    try:
        _run([clients.apt_get, "download", DEBIAN_PACKAGE], scratch, clients)
    except SourceError:
        # No package lists on this machine, or old ones: get lists of our own, which needs no root.
        own = [f"-oDir::State::Lists={scratch}/lists", f"-oDir::Cache={scratch}/cache"]
        for folder in ("lists/partial", "cache/archives/partial"):
            (scratch / folder).mkdir(parents=True)
        _run([clients.apt_get, *own, "-oDebug::NoLocking=1", "update"], scratch, clients)
        _run([clients.apt_get, *own, "download", DEBIAN_PACKAGE], scratch, clients)
    package = _only(scratch, "*.deb")
    archive = package.with_suffix(".tar")
    with archive.open("wb") as output:
        _run([clients.dpkg_deb, "--fsys-tarfile", str(package)], scratch, clients, output.fileno())
    return archive


def _fetch_npm(scratch: Path, clients: Clients) -> Path:
    _run([clients.npm, "pack", "--ignore-scripts", NPM_PACKAGE], scratch, clients)
    return _only(scratch, "*.tgz")


def _only(folder: Path, pattern: str) -> Path:
    result = list(folder.glob(pattern))
    if len(result) != 1:
        raise SourceError(f"expected one file {pattern} from the client, found {len(result)}")
    return result[0]


def _run(
    command: Sequence[str], folder: Path, clients: Clients, output: int = subprocess.DEVNULL
) -> None:
    try:
        subprocess.run(  # noqa: S603 - the clients that the caller named; no text of others
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            timeout=clients.timeout_s,
            check=True,
        )
    except OSError as error:
        raise SourceError(f"{command[0]} cannot be started: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SourceError(f"{command[0]} took longer than {clients.timeout_s:.0f} s") from error
    except subprocess.CalledProcessError as error:
        raise SourceError(f"{command[0]} failed: {_first_error(error.stderr)}") from error


def _first_error(stderr: bytes) -> str:
    """The line of a client's stderr that says most: apt's ``E:``, npm's ``error``, or the last."""
    lines = stderr.decode(errors="replace").strip().splitlines() or ["it gave no reason"]
    return next((line for line in lines if line.startswith("E:") or " error " in line), lines[-1])


def _stamp_category(path: PurePosixPath) -> str | None:
    folders = path.parts[:-1]
    if path.suffix != ".png" or _NOT_PHOTOS & set(folders):
        return None
    if "animals" in folders:
        return "animal"
    if "plants" in folders and not _NEITHER_ANIMAL_NOR_PLANT & set(folders):
        return "plant"
    return None


def _face_category(path: PurePosixPath) -> str | None:
    is_face = path.match("package/dist/demo/faces/*/*.jpg")
    return "human" if is_face else None


_PACKAGES = (
    _Package(
        name=DEBIAN_PACKAGE,
        categories=("animal", "plant"),
        licence="GPL-2",
        licence_file=f"usr/share/doc/{DEBIAN_PACKAGE}/copyright",
        fetch=_fetch_debian,
        category_of=_stamp_category,
    ),
    _Package(
        name=NPM_PACKAGE.partition("@")[0],
        categories=("human",),
        licence="MIT",
        licence_file="package/LICENSE",
        fetch=_fetch_npm,
        category_of=_face_category,
    ),
)

_FORMATS = ("JPEG", "PNG")
# scikit-learn's other photo, china.jpg, is a palace: it belongs to none of the categories.
_PHOTOS = (
    ("animal", "skimage", "data/chelsea.png"),
    ("plant", "skimage", "data/grass.png"),
    ("plant", "sklearn", "datasets/images/flower.jpg"),
    ("human", "skimage", "data/astronaut.png"),
    ("human", "skimage", "data/camera.png"),
)


def _replace(
    package: _Package, pictures: Path, error: SourceError
) -> tuple[dict[str, list[Path]], str]:
    result: dict[str, list[Path]] = {}
    photos: list[Path] = []
    for category in package.categories:
        own = [p for name, *place in _PHOTOS if name == category and (p := _installed(*place))]
        if not own:
            raise MissingExtra(
                f"{package.name} could not be fetched ({error}); scikit-image", "demo"
            ) from error
        home = pictures / f"scikit-photos-{category}"
        result[category] = [_whole(home, partial(_write_views, own))]
        photos += own
    names = ", ".join(path.name for path in photos)
    return result, (
        f"{package.name} could not be fetched ({error}). In its place for "
        f"{' and '.join(package.categories)}: {VIEWS_PER_PHOTO} overlapping views of each of "
        f"{names}, photos that come with scikit-image and scikit-learn."
    )


def _installed(package: str, inside: str) -> Path | None:
    """A file of an installed package, without importing the package."""
    spec = importlib.util.find_spec(package)
    places = spec.submodule_search_locations if spec else None
    candidates = [Path(place) / inside for place in places or ()]
    return next((path for path in candidates if path.is_file()), None)


def _write_views(photos: Sequence[Path], new: Path) -> None:
    """Write square views of each photo, four across and three down, as PNG.

    One photo per category would make tables of one row, which show nothing.
    """
    for path in photos:
        with Image.open(path, formats=_FORMATS) as photo:
            side = min(photo.size) * 3 // 5
            for k in range(VIEWS_PER_PHOTO):
                left = (photo.width - side) * (k % 4) // 3
                top = (photo.height - side) * (k // 4) // 2
                view = photo.crop((left, top, left + side, top + side))
                view.save(new / f"{path.stem}-{k + 1:02d}.png")
