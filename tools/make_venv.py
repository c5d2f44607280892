"""Make a virtual environment with pip, also where Debian has split `ensurepip` off.

Debian's python3.11 has the module `venv` but not `ensurepip`, which is in python3.11-venv. Then pip
comes from a wheel: one that lies on the machine, or the one in python3-pip-whl, which `apt-get
download` fetches without root.

Usage: python3 tools/make_venv.py FOLDER
"""

import importlib.util
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

WHEEL_PACKAGE = "python3-pip-whl"
WHEEL_PLACE = "usr/share/python-wheels"
HELP = """\
Cannot make the virtual environment {folder}: this Python has no ensurepip, and no other pip was
found. On Debian or Ubuntu install it with
    apt-get install python{version}-venv
and call make again. (The other way failed: {reason})"""


def main() -> None:
    """Make the environment, or end with a message that says what to install."""
    folder = Path(sys.argv[1])
    if importlib.util.find_spec("ensurepip"):
        venv.create(folder, with_pip=True, symlinks=True)
        return
    venv.create(folder, with_pip=False, symlinks=True)
    try:
        bootstrap_pip(folder / "bin" / "python")
    except (OSError, subprocess.CalledProcessError) as error:
        reason = getattr(error, "stderr", "") or str(error)
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        sys.exit(HELP.format(folder=folder, version=version, reason=reason.strip()))


def bootstrap_pip(python: Path) -> None:
    """Install pip into an environment with a pip wheel, which can run without being installed."""
    with tempfile.TemporaryDirectory() as scratch:
        wheel = installed_wheel(Path("/")) or fetched_wheel(Path(scratch))
        run(
            [str(python), f"{wheel}/pip", "install", "--no-index", "--ignore-installed", str(wheel)]
        )


def installed_wheel(root: Path) -> Path | None:
    """The pip wheel that Debian's python3-pip-whl puts below a root folder."""
    return next((root / WHEEL_PLACE).glob("pip-*.whl"), None)


def fetched_wheel(scratch: Path) -> Path:
    """Fetch and unpack python3-pip-whl, with lists of our own where the machine has none."""
    own = [f"-oDir::State::Lists={scratch}/lists", f"-oDir::Cache={scratch}/cache"]
    for folder in ("lists/partial", "cache/archives/partial"):
        (scratch / folder).mkdir(parents=True)
    try:
        run(["apt-get", "download", WHEEL_PACKAGE], scratch)
    except subprocess.CalledProcessError:
        run(["apt-get", *own, "-oDebug::NoLocking=1", "update"], scratch)
        run(["apt-get", *own, "download", WHEEL_PACKAGE], scratch)
    package = next(scratch.glob("*.deb"))
    run(["dpkg-deb", "-x", str(package), str(scratch / "unpacked")])
    wheel = installed_wheel(scratch / "unpacked")
    if wheel is None:
        raise FileNotFoundError(f"{package.name} holds no pip wheel")
    return wheel


def run(command: list[str], folder: Path | None = None) -> None:
    """Run a program without input; its errors are kept for the message."""
    subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, check=True, capture_output=True, text=True
    )


if __name__ == "__main__":
    main()
