"""Test data: what lies beside the project, and what is drawn where that is absent.

Real photos and awkward files lie in a folder `shared` beside the project. In a clone without it
`photos` and `mess` are drawn by scripts; tests whose statement is about the real ones ask for
`real_photos` or `real_mess` and are skipped. All of it is only ever read: a test that wants to
change something copies it first.
"""

import contextlib
import fcntl
import shutil
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drawn_mess import draw_mess
from drawn_photos import draw_all

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data beside the project; read only."""
    if not SHARED.is_dir():
        pytest.skip("no folder `shared` beside the project: tests on its data are skipped")
    return SHARED


@pytest.fixture(scope="session")
def real_photos(shared: Path) -> Path:
    """`<category>/<source>/<original path>`: 4,015 real photos; read only."""
    return _present(shared / "photos")


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Real photos where there are some, and else 720 drawn ones in the same layout; read only."""
    if (SHARED / "photos").is_dir():
        return SHARED / "photos"
    return made_once(tmp_path_factory, "drawn-photos", draw_all)


@pytest.fixture(scope="session")
def real_mess(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked mess.tar (`generated/`, `real/`); read only."""
    archive = _present(shared / "mess.tar")

    def unpack(folder: Path) -> None:
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")

    return made_once(tmp_path_factory, "mess", unpack)


@pytest.fixture(scope="session")
def mess(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same awkward files where they are, and else drawn ones with the same names."""
    if (SHARED / "mess.tar").exists():
        real: Path = request.getfixturevalue("real_mess")
        return real
    return made_once(tmp_path_factory, "drawn-mess", draw_mess)


def _present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not in the folder `shared` beside the project")
    return path


def made_once(
    tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]
) -> Path:
    """A folder that `make` fills, once for all workers of a test run; read only."""
    root = tmp_path_factory.getbasetemp()
    # The workers of pytest-xdist have a folder each, below that of the whole test run.
    root = root.parent if root.name.startswith("popen-") else root
    folder = root / name
    with _locked(root / f"{name}.lock"):
        if not (root / f"{name}.complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            (root / f"{name}.complete").touch()
    return folder


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
