"""Connections that are held open without a whole request are closed; one picture blocks nobody."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import uvicorn
from starlette.testclient import TestClient

from naturalist.config import Config
from naturalist.dashboard import similar as answering
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.connections import TimedProtocol
from naturalist.dashboard.context import DashboardContext, open_context

WITHIN_S = 30


class Hasty(TimedProtocol):
    """With limits that a test can wait for."""

    head_timeout_s = 0.2
    body_timeout_s = 0.2


async def answer(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """An application that reads the body and says ok."""
    while scope["type"] == "http" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


@contextmanager
def server(protocol: type[TimedProtocol]) -> Iterator[tuple[str, int]]:
    """A server with a protocol, in a thread."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(answer, log_level="error", http=protocol, ws="none", lifespan="off")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, args=([listening],), daemon=True)
    thread.start()
    deadline = time.monotonic() + WITHIN_S
    while not running.started:
        assert time.monotonic() < deadline
        thread.join(0.02)
    yield listening.getsockname()[:2]
    running.should_exit = True
    thread.join(WITHIN_S)
    listening.close()


def ends(connection: socket.socket) -> bool:
    """Whether the server closes a connection."""
    connection.settimeout(WITHIN_S)
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True


class Noted(TimedProtocol):
    """Keeps whether its connections send small packets at once."""

    at_once: ClassVar[list[bool]] = []

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        connection = transport.get_extra_info("socket")
        self.at_once.append(bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)))


def test_no_body_waits_until_the_client_has_confirmed_the_head() -> None:
    with server(Noted) as address, socket.create_connection(address) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        assert ends(connection)
    assert Noted.at_once == [True]


HALVES = {
    "nothing": b"",
    "half a head": b"GET / HTTP/1.1\r\nhost: x\r\n",
    "half a body": b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf",
    "one request and half of another": b"GET / HTTP/1.1\r\nhost: x\r\n\r\nGET / HTTP/1.1\r\n",
}


@pytest.mark.parametrize("half", HALVES)
def test_a_connection_with_half_of_a_request_is_closed(half: str) -> None:
    with server(Hasty) as address, socket.create_connection(address) as connection:
        connection.sendall(HALVES[half])
        assert ends(connection)


def test_whole_requests_are_answered_one_after_another_on_one_connection() -> None:
    with server(TimedProtocol) as address, socket.create_connection(address) as connection:
        connection.settimeout(WITHIN_S)
        for _ in range(3):
            connection.sendall(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nbo")
            connection.sendall(b"dy")
            answered = b""
            while not answered.endswith(b"ok\r\n0\r\n\r\n"):
                answered += connection.recv(1000)
            assert answered.startswith(b"HTTP/1.1 200")


def test_a_picture_that_is_decoded_for_ever_blocks_nobody_else(
    studied: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = open_context(open_workspace(studied))
    begun, go_on = threading.Semaphore(0), threading.Event()
    decode = answering.decode_for

    def wait(*arguments: Any) -> Any:
        begun.release()
        assert go_on.wait(WITHIN_S)
        return decode(*arguments)

    monkeypatch.setattr(answering, "decode_for", wait)
    data = stored_picture(context, studied)
    threads = [
        threading.Thread(target=lambda: context.similar.to_bytes(data, 3), daemon=True)
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
        assert begun.acquire(timeout=WITHIN_S)
    assert context.similar.to_picture("plant_id_1", 3)
    with pytest.raises(answering.Busy, match="try again"):
        context.similar.to_bytes(data, 3)
    go_on.set()
    for thread in threads:
        thread.join(WITHIN_S)
    assert context.similar.to_bytes(data, 3)
    context.close()


def stored_picture(context: DashboardContext, config: Config) -> bytes:
    row = context.catalogue.picture("plant_id_1")
    assert row is not None
    return Path(config.source_paths["plant"][row["source"]], row["path_text"]).read_bytes()


@pytest.mark.parametrize("path", ["/api/pictures", "/api/duplicates"])
@pytest.mark.parametrize("offset", ["9223372036854775807", "9223372036854775808", "1" + "0" * 30])
def test_an_offset_beyond_all_collections_is_refused(
    client: TestClient, path: str, offset: str
) -> None:
    answered = client.get(path, params={"offset": offset})
    assert answered.status_code == 422
    assert "duckdb" not in answered.text.lower()


@pytest.mark.parametrize("origin", ["http://[", "http://]x[", "http://[::1", "\xff", "null"])
def test_an_origin_that_is_no_address_is_another_site(client: TestClient, origin: str) -> None:
    headers = {"origin": origin.encode("latin-1")}
    answered = client.post("/api/similar", content=b"x", headers=headers)  # type: ignore[arg-type]
    assert answered.status_code == 403
