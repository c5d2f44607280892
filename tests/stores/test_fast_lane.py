"""The way past botocore: what it does, and that it steps aside for whatever is odd."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from naturalist.stores import S3Options
from naturalist.stores.connection import connect
from naturalist.stores.fast_lane import FastLane, open_fast_lane
from naturalist.stores.s3 import S3Store
from s3_server import S3Server
from stores.conftest import MakeFile

ODD_KEY = "a b+c%2F&=?#é🦊~'()!*.bin"


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server that gives the same answer to everything, and closes the connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with connection:
                        connection.recv(65_536)
                        connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


def lane_to(options: S3Options, bucket: str = "bucket") -> FastLane:
    lane = open_fast_lane(connect(options), bucket)
    assert lane is not None
    return lane


def test_an_object_is_put_and_looked_at(
    bucket: str, s3_options: S3Options, s3_server: S3Server
) -> None:
    with lane_to(s3_options, bucket) as lane:
        for _ in range(3):
            put = lane.request("PUT", ODD_KEY, {"x-amz-meta-sha256": "ab"}, b"bytes")
            looked = lane.request("HEAD", ODD_KEY, {}, b"")
    assert put is not None
    assert looked is not None
    assert (looked["content-length"], looked["x-amz-meta-sha256"]) == ("5", "ab")
    stored = s3_server.client().get_object(Bucket=bucket, Key=ODD_KEY)
    assert stored["Body"].read() == b"bytes"
    stored["Body"].close()


def test_a_large_body_goes_through(bucket: str, s3_options: S3Options) -> None:
    with lane_to(s3_options, bucket) as lane:
        assert lane.request("PUT", "big", {}, bytes(3_000_000))
        looked = lane.request("HEAD", "big", {}, b"")
    assert looked is not None
    assert looked["content-length"] == "3000000"


def test_a_refusal_is_left_to_botocore(bucket: str, s3_options: S3Options) -> None:
    with lane_to(s3_options, bucket) as lane:
        assert lane.request("HEAD", "missing", {}, b"") is None
        assert lane.request("PUT", "k", {"x-amz-checksum-sha256": "A" * 43 + "="}, b"x") is None


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 503 Slow Down\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 307 Elsewhere\r\nlocation: http://127.0.0.1/\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\n",
        b"SSH-2.0-server\r\n\r\n",
        b"HTTP/1.1 many OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"x" * 200_000,
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
    ],
)
def test_every_odd_answer_is_left_to_botocore(answer: bytes, aws_chain: pytest.MonkeyPatch) -> None:
    with answering(answer) as url, lane_to(S3Options(url, "us-east-1", "path")) as lane:
        assert lane.request("PUT", "k", {}, b"x") is None


def test_a_server_that_is_not_there_is_left_to_botocore(aws_chain: pytest.MonkeyPatch) -> None:
    with lane_to(S3Options("http://127.0.0.1:9", "us-east-1", "path")) as lane:
        assert lane.request("PUT", "k", {}, b"x") is None


def test_it_goes_where_botocore_would_go(aws_chain: pytest.MonkeyPatch) -> None:
    places = {
        S3Options(region="eu-central-1"): ("bucket.s3.eu-central-1.amazonaws.com", "/"),
        S3Options(region="eu-central-1", addressing="path"): (
            "s3.eu-central-1.amazonaws.com",
            "/bucket/",
        ),
        S3Options("https://store.example:9000", "x"): ("store.example:9000", "/bucket/"),
        S3Options("https://store.example", "x", "virtual"): ("bucket.store.example", "/"),
    }
    for options, (host, path) in places.items():
        with lane_to(options) as lane:
            assert (lane._url.netloc, lane._url.path) == (host, path)
            assert lane._region == options.region


def test_it_is_closed_where_only_botocore_can_go(aws_chain: pytest.MonkeyPatch) -> None:
    options = S3Options("http://store.example", "us-east-1")
    assert open_fast_lane(connect(replace(options, anonymous=True)), "bucket") is None
    aws_chain.setenv("http_proxy", "http://127.0.0.1:3128")
    aws_chain.delenv("no_proxy", raising=False)
    assert open_fast_lane(connect(options), "bucket") is None


def test_without_it_everything_is_stored_all_the_same(
    bucket: str, s3_options: S3Options, make_file: MakeFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naturalist.stores.s3.open_fast_lane", lambda *_: None)
    files = [make_file(f"f/{n}", b"%d" % n) for n in range(20)]
    store = S3Store(bucket, "", s3_options)
    for _ in range(2):
        store.put_files(files)
    assert {info.key for info in store.list()} == {upload.key for upload in files}
