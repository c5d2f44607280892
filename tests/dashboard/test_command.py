"""The command: what it refuses, what it exports, and a real process that listens and ends."""

import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from cli.conftest import Naturalist, naturalist
from naturalist.config import Config
from naturalist.dashboard import bundle

__all__ = ["naturalist"]


def test_another_host_is_refused_without_the_word_and_the_token(
    naturalist: Naturalist, studied: Config
) -> None:
    folder = str(studied.layout.root.parent)
    ended = naturalist("dashboard", "-c", folder, "--host", "0.0.0.0")
    assert ended.code == 2
    assert "--open-to-network" in ended.err
    ended = naturalist("dashboard", "-c", folder, "--host", "0.0.0.0", "--open-to-network")
    assert ended.code == 2
    assert "NATURALIST_DASHBOARD_TOKEN" in ended.err


def test_what_is_not_there_is_named(
    naturalist: Naturalist, tmp_path: Path, studied: Config
) -> None:
    assert naturalist("dashboard", "-c", str(tmp_path)).code == 2
    ended = naturalist("dashboard", "--from", str(tmp_path / "nothing"))
    assert ended.code == 7
    assert "no collection" in ended.err
    folder = str(studied.layout.root.parent)
    assert naturalist("dashboard", "-c", folder, "--snapshot", "000001").code == 2
    assert naturalist("dashboard", "-c", folder, "--json").code == 2


def test_without_pages_the_command_says_how_to_get_them(
    naturalist: Naturalist, studied: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "_SCRIPT", "absent.js")
    folder = str(studied.layout.root.parent)
    for more in (["--port", "0"], ["--export", str(tmp_path / "site")]):
        ended = naturalist("dashboard", "-c", folder, *more)
        assert ended.code == 9
        assert "NATURALIST_NO_DASHBOARD" in ended.err
    assert not (tmp_path / "site").exists()


def test_an_export_is_one_json_document(
    naturalist: Naturalist, studied: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naturalist.dashboard.bundle.load_bundle", lambda: bundle.Bundle(b"", b""))
    folder = str(studied.layout.root.parent)
    ended = naturalist("dashboard", "-c", folder, "--export", str(tmp_path / "site"), "--json")
    assert ended.code == 0
    assert ended.json["maps"] == 2
    assert (tmp_path / "site" / "index.html").exists()


def test_a_port_that_is_taken_is_named(
    naturalist: Naturalist, studied: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    monkeypatch.setattr("naturalist.dashboard.serving.load_bundle", lambda: bundle.Bundle(b"", b""))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        folder = str(studied.layout.root.parent)
        ended = naturalist("dashboard", "-c", folder, "--port", port)
    assert ended.code == 2
    assert port in ended.err


SLOW_TO_WARM_UP = """
import sys, time
from naturalist.cli import main
from naturalist.dashboard.context import DashboardContext

def warm_up(self):
    time.sleep(2)
    print("warm", flush=True)

DashboardContext.warm_up = warm_up
main()
"""


def test_an_interrupted_dashboard_ends_when_its_first_reading_has_ended(studied: Config) -> None:
    try:
        bundle.load_bundle()
    except bundle.BundleMissing as error:
        pytest.skip(str(error))
    folder = str(studied.layout.root.parent)
    command = [sys.executable, "-c", SLOW_TO_WARM_UP, "dashboard", "--port", "0", "-c", folder]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        with urllib.request.urlopen(f"{url}healthz") as answer:
            assert answer.read() == b"ok\n"
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "warm\n")


def test_the_command_listens_on_loopback_and_ends_when_interrupted(studied: Config) -> None:
    try:
        bundle.load_bundle()
    except bundle.BundleMissing as error:
        pytest.skip(str(error))
    command = [sys.executable, "-m", "naturalist", "dashboard", "--port", "0", "-c"]
    folder = str(studied.layout.root.parent)
    with subprocess.Popen(
        [*command, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[0]
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}healthz") as answer:
            assert answer.read() == b"ok\n"
        request = urllib.request.Request(f"{url}api/about", headers={"host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(request)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said
