"""Whoever prints a secret in a test is found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import planted

TESTS = Path(__file__).parents[1]
TRIED = """
import os, subprocess
def test_quiet(): print("nothing")
def test_prints(): print(dict(os.environ))
def test_starts_what_prints(): subprocess.run(["env"])
def test_fails_with_it(): assert os.environ["DATABASE_PASSWORD"] == ""
def test_takes_what_was_printed(capsys):
    print(dict(os.environ))
    capsys.readouterr()
"""


def test_a_test_that_prints_a_secret_fails_without_repeating_it(tmp_path: Path) -> None:
    test = tmp_path / "test_x.py"
    test.write_text(TRIED)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "planted_search", str(test)],
        env=os.environ | {"PYTHONPATH": str(TESTS), "PYTEST_ADDOPTS": "-p no:cacheprovider"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stdout.splitlines()[-1].startswith("4 failed, 1 passed"), ended.stdout
    assert ended.stdout.count("DATABASE_PASSWORD']") >= 4
    assert planted.told(ended.stdout, ended.stderr) == []


def test_a_log_is_searched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs = [tmp_path / name for name in ("good", "bad")]
    logs[0].write_text("1 passed")
    logs[1].write_text(f"1 passed\n{planted.IN_FILE}\n")
    assert planted.main([str(logs[0])]) == 0
    assert planted.main([str(log) for log in logs]) == 1
    assert capsys.readouterr().out.startswith(f"{logs[1]}: ")
