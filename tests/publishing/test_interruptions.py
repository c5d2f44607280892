"""Publishers and servers that are killed in the middle: the next publish ends at the same."""

import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
from tests.pipeline.collections_of_pictures import DEADLINE_S, begin, finish

from cli.conftest import Naturalist
from naturalist.snapshots import LATEST
from publishing.conftest import OnS3
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from stores.mangling_proxy import Exchange, Proxy, mangling_proxy

MOMENTS = 2


@contextmanager
def at_exchange(
    chain: pytest.MonkeyPatch, endpoint_url: str, moment: int, act: Callable[[], None]
) -> Iterator[Proxy]:
    """A proxy in the AWS chain that acts once, after so many requests were carried out."""
    lock, seen = threading.Lock(), 0

    def count(_: Exchange) -> None:
        nonlocal seen
        with lock:
            seen += 1
            if seen == moment:
                act()

    with mangling_proxy(endpoint_url, count) as proxy:
        chain.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
        yield proxy
    chain.setenv("AWS_ENDPOINT_URL", endpoint_url)


def data_puts(made: OnS3, proxy: Proxy) -> set[str]:
    """Keys whose bytes were sent, but for what is written each time."""
    prefix = f"/{made.url.removeprefix('s3://')}/"
    put = {
        unquote(e.path.partition("?")[0]).removeprefix(prefix)
        for e in proxy.exchanges
        if e.method == "PUT" and e.status == 200
    }
    return {key for key in put if key != LATEST and ".naturalist" not in key}


def test_a_publisher_killed_at_any_moment_goes_on_to_the_same_result(
    made: OnS3,
    naturalist: Naturalist,
    aws_chain: pytest.MonkeyPatch,
    place: Callable[[], str],
    tmp_path: Path,
) -> None:
    endpoint_url, here = str(made.options.endpoint_url), ["-c", str(made.folder)]
    with at_exchange(aws_chain, endpoint_url, 0, lambda: None) as proxy:
        assert naturalist("publish", *here).code == 0
    expected, requests = made.check(), len(proxy.exchanges)

    for moment in [*random.Random(4).sample(range(1, requests - 4), MOMENTS), requests - 2]:
        made = made.move_to(place())
        notes = tmp_path / str(moment)
        notes.mkdir()
        running: list[int] = []

        def kill(running: list[int] = running) -> None:
            arguments = Path(f"/proc/{running[0]}/cmdline").read_bytes()
            assert SECRET_KEY.encode() not in arguments
            assert ACCESS_KEY.encode() not in arguments
            os.killpg(running[0], signal.SIGKILL)

        with at_exchange(aws_chain, endpoint_url, moment, kill):
            process, out, err = begin(["publish", *here], notes)
            running.append(process.pid)
            assert finish(process, out, err, notes, DEADLINE_S).code == -signal.SIGKILL
        there = made.keys()
        if LATEST in there:
            assert made.check() == expected

        with at_exchange(aws_chain, endpoint_url, 0, lambda: None) as resumed:
            assert naturalist("publish", *here).code == 0
        assert made.check() == expected
        assert not data_puts(made, resumed) & there


def test_a_server_killed_in_the_middle_comes_back_and_gets_the_rest(
    made: OnS3, naturalist: Naturalist, aws_chain: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = S3Server(tmp_path / "server")
    server.start()
    # A server ends with the thread that started it; those of the proxy do not live long enough.
    long_lived = ThreadPoolExecutor(1)
    try:
        server.client().create_bucket(Bucket="fragile")
        made = made.move_to("s3://fragile/prefix")

        def restart() -> None:
            server.kill()
            long_lived.submit(server.restart).result()

        with at_exchange(aws_chain, server.endpoint_url, 50, restart):
            published = naturalist("publish", "-c", str(made.folder))
        assert published.code == 0, published.err
        verified = naturalist("verify", made.url, "--json")
        assert verified.json["passed"], verified.err
        assert verified.json["files"] > 20
    finally:
        server.stop()
        long_lived.shutdown()
