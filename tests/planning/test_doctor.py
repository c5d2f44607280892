"""What `naturalist doctor` finds on machines where something does not work."""

import json
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Naturalist, naturalist
from naturalist.config import load_config
from naturalist.planning.doctor import Check, examine
from tiny import config_file, make_sources

__all__ = ["naturalist"]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return config_file(tmp_path, make_sources(tmp_path, {"animal": [1], "plant": [2]}))


def checks(path: Path) -> dict[str, Check]:
    return {check.name: check for check in examine(load_config(path))}


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


def test_a_sound_machine_has_no_errors_and_every_advice_has_a_reason(made: Path) -> None:
    found = checks(made)
    assert not [check for check in found.values() if check.state == "error"]
    assert found["workspace"].state in ("ok", "warning")
    assert all(check.state != "ok" or not check.advice for check in found.values())


def test_a_missing_source_is_an_error_and_ends_with_1(naturalist: Naturalist, made: Path) -> None:
    source = load_config(made).sources[0]
    Path(str(source.path)).rename(made.parent / "unplugged")
    ended = naturalist("doctor", "--json", "-c", str(made))
    assert ended.code == 1
    assert not ended.json["ok"]
    (wrong,) = [one for one in ended.json["rows"] if one["state"] == "error"]
    assert wrong["name"] == f"source {source.category}/{source.name}"
    assert "mount" in wrong["advice"]
    assert f"error    {wrong['name']}" in naturalist("doctor", "-c", str(made)).out


def test_a_low_limit_of_open_files_is_a_warning_with_the_command_to_raise_it(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (256, 256))
    found = checks(made)["open files"]
    assert (found.state, found.advice) == ("warning", "raise the limit: ulimit -n 4096")


def test_a_store_that_does_not_answer_is_an_error(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    port = free_port()
    made.write_text(
        made.read_text()
        + f'\n[publish]\nurl = "s3://none/x"\nendpoint_url = "http://127.0.0.1:{port}"\n'
    )
    found = checks(made)["store"]
    assert found.state == "error"
    assert "the server does not answer" in found.found


def test_without_a_configuration_only_the_machine_is_checked(
    naturalist: Naturalist, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = naturalist("doctor")
    assert ended.code == 0
    assert "store" not in {line.split()[1] for line in ended.out.splitlines() if line}
    assert "were not checked" in ended.out


WITHOUT_PANDAS = """
import importlib.metadata, runpy, sys
version = importlib.metadata.version

def hiding(name):
    if name == "pandas":
        raise importlib.metadata.PackageNotFoundError(name)
    return version(name)

importlib.metadata.version = hiding
sys.argv = ["naturalist", "doctor", "--json"]
runpy.run_module("naturalist", run_name="__main__")
"""


def test_where_pandas_is_not_installed_its_extra_is_off(tmp_path: Path) -> None:
    """Commands refuse pandas, so looking for it raises an error instead of finding nothing."""
    command = [sys.executable, "-c", WITHOUT_PANDAS]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert "Traceback" not in ended.stderr
    (found,) = (one for one in json.loads(ended.stdout)["rows"] if one["name"] == "extra pandas")
    assert (found["state"], found["found"]) == ("off", "not installed: pandas")
