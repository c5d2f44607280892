"""What all tests share: the test data that lies beside the project, `--long`, hypothesis' profile.

The shared data is only ever read. A test that wants to change it copies what it needs first.
"""

import os
import signal
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Each worker of pytest-xdist is one core's: threads of numpy would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell without job control lets what it starts in the background ignore SIGINT, and so would all
# programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["s3_server", "photo_collection", "ray_cluster"]

SHARED = Path(__file__).resolve().parents[2] / "shared"

# Two slow, shared cores: how long an example takes says nothing about the code.
settings.register_profile(
    "naturalist", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("naturalist")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`, which also runs the tests marked `long`."""
    parser.addoption(
        "--long", action="store_true", help="also run the tests marked long (minutes each)"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked `long` unless `--long` was given."""
    if config.getoption("--long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="long: run with --long"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of test data beside the project; read only."""
    if not SHARED.is_dir():
        pytest.skip("no folder `shared` beside the project: tests on its data are skipped")
    return SHARED


@pytest.fixture(scope="session")
def photos(shared: Path) -> Path:
    """`<category>/<source>/<original path>`: 4,015 real photos; read only."""
    return _present(shared / "photos")


@pytest.fixture(scope="session")
def mess(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked mess.tar (`generated/`, `real/`, `MANIFEST.tsv`, `make_special.sh`)."""
    archive = _present(shared / "mess.tar")
    folder = tmp_path_factory.mktemp("mess")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder


def _present(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not in the folder `shared` beside the project")
    return path
