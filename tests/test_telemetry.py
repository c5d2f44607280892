"""ONNX Runtime gives the machine an id and keeps a file of events, from its import on."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Where one of these is set, ONNX Runtime keeps silent by itself.
_QUIET = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "GITLAB_CI", "CIRCLECI", "ORT_DISABLE_TELEMETRY")


def _left_behind(folder: Path, program: str) -> list[str]:
    """Names of what a program leaves in the home folder of a new user."""
    folder.mkdir()
    kept = {name: value for name, value in os.environ.items() if name not in _QUIET}
    home = {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
    subprocess.run([sys.executable, "-c", program], env=kept | home, check=True)
    return [path.name for path in folder.rglob("*") if "onnxruntime" in str(path)]


def test_no_network_reports_to_anybody(tmp_path: Path) -> None:
    if not _left_behind(tmp_path / "alone", "import onnxruntime"):
        pytest.skip("this build of ONNX Runtime has no telemetry")
    program = (
        "from naturalist import backbones; backbones.load('colour_histogram'); import onnxruntime"
    )
    assert _left_behind(tmp_path / "with_naturalist", program) == []
