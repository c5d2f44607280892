"""A run and a publication that are watched, on a machine full of private names and secrets.

The names and secrets are planted where a program meets them: account, home, temporary and working
folder, paths of sources, environment, files with credentials. `strace` sees the connections of all
processes, those of compiled libraries too.
"""

import functools
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import planted
import tiny
from dashboard.studied import picture
from s3_server import ACCESS_KEY

USER = "mallory-quuxwell"
HOST = "host-of-mallory"
PRIVATE_FOLDER = "vantablack-cupboard"
SECRETS = planted.ENVIRONMENT
IN_FILE = planted.IN_FILE
PROGRAM = "from naturalist.cli import main; main()"
CALLS = "connect,sendto,sendmsg,sendmmsg,listen"
_DEADLINE_S = 400
_PEER = re.compile(r"sin6?_port=htons\((\d+)\).*?(?:inet_addr\(|inet_pton\(AF_INET6, )\"([^\"]+)\"")


@dataclass
class PrivateRun:
    """What came of it.

    Attributes:
        folder: the machine's folder; everything was made below it.
        bucket_url: where it was published to.
        outputs: what each command printed, by its words.
        peers: address and port of every connection that was asked for.
        listening: lines of the trace in which a process began to listen.
    """

    folder: Path
    bucket_url: str
    endpoint_url: str
    outputs: dict[str, str] = field(default_factory=dict)
    peers: set[tuple[str, int]] = field(default_factory=set)
    listening: list[str] = field(default_factory=list)

    @property
    def collection(self) -> Path:
        """The folder of the configuration; the workspace lies in it."""
        return self.folder / PRIVATE_FOLDER / "garden"

    @property
    def environment(self) -> dict[str, str]:
        """Variables as the planted user has them."""
        home = self.folder / "home" / USER
        (home / ".aws").mkdir(parents=True, exist_ok=True)
        credentials = home / ".aws" / "credentials"
        credentials.write_text(f"[other]\naws_secret_access_key = {IN_FILE}\n")
        passed = {key: os.environ[key] for key in ("PATH", "PYTHONPATH") if key in os.environ}
        return (
            passed
            | SECRETS
            | {
                "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                "AWS_EC2_METADATA_DISABLED": "true",
                "HOME": str(home),
                "LOGNAME": USER,
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(_made(home / "tmp")),
                "USER": USER,
                "XDG_CACHE_HOME": str(home / "cache"),
            }
        )

    def call(self, *words: str, code: int = 0, **environment: str) -> str:
        """Run a command while it is watched; what it printed."""
        trace = self.folder / "trace"
        watching = ["strace", "-f", "-qq", "--seccomp-bpf", "-e", f"trace={CALLS}"]
        watching = [*_as_host(), *watching, "-e", "signal=none", "-o", str(trace)]
        done = subprocess.run(
            [*watching, sys.executable, "-c", PROGRAM, *words],
            cwd=self.collection,
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
        assert done.returncode == code, f"{words}: {done.stdout}\n{done.stderr}"
        for line in trace.read_text(errors="replace").splitlines():
            self.peers |= {(address, int(port)) for port, address in _PEER.findall(line)}
            self.listening += [line] if "listen(" in line else []
        trace.unlink()
        self.outputs[" ".join(words)] = done.stdout + done.stderr
        return done.stdout


@functools.cache
def _as_host() -> tuple[str, ...]:
    """Words that give a command a host name of its own, where the system allows it."""
    words = ("unshare", "--uts", "sh", "-c", f'hostname {HOST} && exec "$@"', "sh")
    try:
        allowed = subprocess.run([*words, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return ()
    return () if allowed.returncode else words


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def make_sources(folder: Path) -> dict[str, dict[str, Path]]:
    """Two sources for each of two categories, in folders with private names."""
    found: dict[str, dict[str, Path]] = {}
    seed = 0
    for hue, category in enumerate(("animal", "plant")):
        for name in ("near", "far"):
            source = _made(folder / "home" / USER / PRIVATE_FOLDER / category / name)
            for k in range(12):
                seed += 1
                (source / f"{k:03d}.png").write_bytes(picture(seed, hue))
            (source / "broken.png").write_bytes(picture(seed, hue)[:60])
            found.setdefault(category, {})[name] = source
    return found


def make(folder: Path, bucket: str, endpoint_url: str) -> PrivateRun:
    """Run all stages and studies, export the dashboard, publish, and fail once."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed: connections of processes cannot be watched")
    made = PrivateRun(folder, f"s3://{bucket}/private-run", endpoint_url)
    settings: dict[str, Any] = {
        "failure_budget": 1.0,
        "extract": {"backbone": "colour_histogram", "shard_size": 8, "workers": 2},
        "publish": {
            "url": made.bucket_url,
            "endpoint_url": endpoint_url,
            "region": "us-east-1",
            "addressing": "path",
            "pictures": "tars",
            "thumbnails": True,
        },
        "analyse": {"steps": ["duplicates", "index", "clusters", "map", "classifier", "drift"]},
    }
    _made(made.collection)
    tiny.config_file(made.collection, make_sources(folder), **settings)
    made.call("run")
    made.call("label-issues")
    made.call("dashboard", "--export", "work/site")
    made.call("publish", "--json")
    made.call("publish", "--repair", code=7, AWS_SECRET_ACCESS_KEY=IN_FILE)
    return made
