"""A real emulator of Azure Blob (azurite of npm), where one is installed, on loopback."""

import base64
import contextlib
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

ACCOUNT = "devstoreaccount1"
# The key of every emulator, which its pages print.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-08-06"
READY_WITHIN_S = 60


def program() -> str:
    """The emulator, or skip the test."""
    found = os.environ.get("AZURITE") or shutil.which("azurite-blob")
    if not found:
        pytest.skip("azurite is not installed:  make test-azure  fetches it and runs these tests")
    return found


def serve(folder: Path) -> Iterator[str]:
    """Run the emulator, in memory, until the generator is closed; gives its endpoint."""
    command = program()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    process = subprocess.Popen(
        [command, *arguments, "--skipApiVersionCheck", "--silent", "--disableTelemetry"],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/{ACCOUNT}"
    finally:
        process.terminate()
        process.wait()


def send(endpoint: str, method: str, path: str, query: str = "", body: bytes = b"") -> None:
    """One signed request, for what the store itself cannot be asked: containers, odd names."""
    date = formatdate(usegmt=True)
    kind = "x-ms-blob-type:BlockBlob\n" if body else ""
    length = str(len(body)) if body else ""
    named = "".join(f"\n{part.replace('=', ':', 1)}" for part in query.split("&") if part)
    text = (
        f"{method}\n\n\n{length}\n\n\n\n\n\n\n\n\n{kind}x-ms-date:{date}\n"
        f"x-ms-version:{VERSION}\n/{ACCOUNT}/{ACCOUNT}/{path}{named}"
    )
    digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
    headers = {
        "x-ms-date": date,
        "x-ms-version": VERSION,
        "Authorization": f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}",
        "Content-Length": str(len(body)),
        "Content-Type": "",
        **({"x-ms-blob-type": "BlockBlob"} if body else {}),
    }
    url = f"{endpoint}/{path}" + (f"?{query}" if query else "")
    request = urllib.request.Request(url, body or None, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        answer.read()


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    ends_at = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < ends_at and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("the emulator of Azure Blob did not start")
