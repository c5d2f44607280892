"""A loopback proxy in front of the real S3 server that makes it look like a worse one."""

import contextlib
import http.client
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class Exchange:
    """One request and the answer to it, which a mangler may change."""

    method: str
    path: str
    request_headers: dict[str, str]
    request_body: bytes
    status: int
    headers: dict[str, str]
    body: bytes
    sent_bytes: int | None = None
    """Of the answer's body, before the connection is cut; None for the whole answer."""
    is_lost: bool = False
    """Cut the connection instead of answering."""
    is_stalled: bool = False
    """Send what is to be sent, and then nothing, until the other side has enough of it."""


@dataclass
class Proxy:
    """What passed through, and where it listens."""

    endpoint_url: str
    exchanges: list[Exchange] = field(default_factory=list)

    def count(self, method: str) -> int:
        """Requests of a method so far."""
        return sum(exchange.method == method for exchange in self.exchanges)


@contextlib.contextmanager
def mangling_proxy(
    target_url: str,
    mangle: Callable[[Exchange], None],
    refuse: Callable[[Exchange], bool] = lambda _: False,
) -> Iterator[Proxy]:
    """Run a proxy that hands every answer to `mangle` before it passes it on.

    `refuse` gets each request first, with an empty answer; if it says so, that answer is given
    (as it filled it in) and the server behind never hears of the request.
    """
    target = urlsplit(target_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            data = self.rfile.read(int(self.headers.get("content-length", 0)))
            sent = {name.lower(): value for name, value in self.headers.items()}
            refused = Exchange(self.command, self.path, sent, data, 503, {}, b"")
            if refuse(refused):
                self._answer(refused)
                return
            connection = http.client.HTTPConnection(str(target.hostname), target.port, timeout=60)
            with contextlib.closing(connection):
                try:
                    connection.request(self.command, self.path, data, dict(self.headers))
                    answer = connection.getresponse()
                except OSError:  # the server is away; so is its proxy
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in answer.getheaders()}
                exchange = Exchange(
                    self.command, self.path, sent, data, answer.status, headers, answer.read()
                )
            mangle(exchange)
            proxy.exchanges.append(exchange)
            try:
                self._answer(exchange)
            except ConnectionError:  # a client that waits no longer
                self.close_connection = True

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = pass_on  # noqa: N815

        def _answer(self, exchange: Exchange) -> None:
            if exchange.is_lost:
                self._end(exchange)
                return
            self.send_response_only(exchange.status)
            if exchange.method != "HEAD":
                exchange.headers["content-length"] = str(len(exchange.body))
            for name, value in exchange.headers.items():
                if name not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            if exchange.method != "HEAD":
                self.wfile.write(exchange.body[: exchange.sent_bytes])
            if exchange.sent_bytes is not None:
                self._end(exchange)

        def _end(self, exchange: Exchange) -> None:
            self.close_connection = True
            if exchange.is_stalled:
                self.wfile.flush()
                with contextlib.suppress(OSError):
                    self.connection.recv(1)

        def log_message(self, *_arguments: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
