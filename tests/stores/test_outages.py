"""A server that was written to and then is away for longer than botocore waits for it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import HTTPClientError
from urllib3.exceptions import ReadTimeoutError

from naturalist.errors import Conflict, StoreError
from naturalist.stores import S3Options, connection, outages
from naturalist.stores.s3 import S3Store
from s3_server import S3Server
from stores.conftest import MakeFile
from stores.mangling_proxy import Exchange, mangling_proxy

ATTEMPTS = 5
"""Those that botocore makes."""


@dataclass
class Outage:
    """Lets the next answers of the server be that it is busy, whatever it did."""

    answers: int = 0
    are_stalled: bool = False
    """Nothing follows after the first bytes of what the server says about that."""

    def mangle(self, exchange: Exchange) -> None:
        if self.answers:
            self.answers -= 1
            exchange.status, exchange.body = 503, b""
            if self.are_stalled:
                exchange.body, exchange.sent_bytes, exchange.is_stalled = b"<Error>" * 9, 9, True


@pytest.fixture
def outage() -> Outage:
    return Outage()


@pytest.fixture
def store(
    s3_server: S3Server,
    s3_options: S3Options,
    bucket: str,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[S3Store]:
    """A store that was written to, behind something that can be away; nobody really waits."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    with mangling_proxy(s3_server.endpoint_url, outage.mangle) as proxy:
        options = replace(s3_options, endpoint_url=proxy.endpoint_url, max_concurrency=2)
        store = S3Store(bucket, "", options)
        store.put_bytes("there", b"bytes", if_absent=True)
        yield store


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        (lambda store: store.head("there").size_bytes, 5),
        (lambda store: store.get_bytes("there")[0], b"bytes"),
        (lambda store: store.read_back("there").size_bytes, 5),
        (lambda store: [info.key for info in store.list()], ["there"]),
        (lambda store: store.delete(["there"]), None),
        (lambda store: store.put_bytes("there", b"other").size_bytes, 5),
    ],
    ids=["head", "get_bytes", "read_back", "list", "delete", "put_bytes"],
)
def test_a_writer_waits_for_it(
    store: S3Store, outage: Outage, ask: Callable[[S3Store], Any], answer: Any
) -> None:
    outage.answers = ATTEMPTS + 1
    assert ask(store) == answer
    assert outage.answers == 0


def test_looking_whether_a_file_is_there_waits_for_it(
    store: S3Store, outage: Outage, make_file: MakeFile
) -> None:
    file = make_file("a", b"a file")
    store.put_files([file])
    outage.answers = 2 * ATTEMPTS + 2
    sent: list[bool] = []
    store.put_files([file], lambda _upload, _info, was_sent: sent.append(was_sent))
    assert sent == [False]


def test_an_own_conditional_write_whose_answer_was_lost_is_no_conflict(
    store: S3Store, outage: Outage
) -> None:
    outage.answers = ATTEMPTS + 1
    first = store.put_bytes("latest", b"1", if_absent=True)
    outage.answers = ATTEMPTS + 1
    store.put_bytes("latest", b"2", if_match=first.version)
    assert store.get_bytes("latest")[0] == b"2"
    outage.answers = ATTEMPTS + 1
    with pytest.raises(Conflict):
        store.put_bytes("latest", b"3", if_match=first.version)


def test_whoever_comes_for_the_first_time_is_told_soon(store: S3Store, outage: Outage) -> None:
    reader = S3Store(store._place.bucket, "", store._place.connection.options)
    outage.answers = ATTEMPTS
    with pytest.raises(StoreError, match="answered 503"):
        reader.get_bytes("there")
    assert outage.answers == 0


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: [info.key for info in store.list()],
        lambda store: [store.get_bytes("there")[0] and "there"],
        lambda store: [store.fetch("there", Path("there"), "0" * 64)],
    ],
    ids=["list", "get_bytes", "fetch"],
)
def test_no_refusal_that_stops_half_way_shows_an_error_of_a_library(
    store: S3Store,
    outage: Outage,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ask: Callable[[S3Store], list[str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 2)
    outage.are_stalled = True
    impatient = replace(store._place.connection.options, outage_s=0.0)
    outage.answers = ATTEMPTS
    with pytest.raises(StoreError, match="the server does not answer: check the endpoint"):
        ask(S3Store(store._place.bucket, "", impatient))


def test_listing_and_fetching_go_on_after_a_refusal_that_stopped_half_way(
    store: S3Store, outage: Outage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "READ_TIMEOUT_S", 2)
    patient = S3Store(store._place.bucket, "", store._place.connection.options).patient()
    outage.answers, outage.are_stalled = 1, True
    assert [info.key for info in patient.list()] == ["there"]
    outage.answers = 1
    patient.fetch("there", tmp_path / "there", hashlib.sha256(b"bytes").hexdigest())
    assert (tmp_path / "there").read_bytes() == b"bytes"
    assert outage.answers == 0


def test_a_refusal_that_stops_half_way_is_an_outage_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outages, "_PAUSE_S", 0.0)
    answers: list[Exception | None] = [ReadTimeoutError(None, "", "Read timed out."), None]  # type: ignore[arg-type]

    def call() -> str:
        if (error := answers.pop(0)) is not None:
            raise error
        return "done"

    assert outages.outlast(call, "reading", 5.0) == "done"
    answers = [ReadTimeoutError(None, "", "Read timed out.")]  # type: ignore[arg-type]
    with pytest.raises(HTTPClientError):
        outages.outlast(call, "reading", 0.0)
