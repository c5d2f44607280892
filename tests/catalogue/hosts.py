"""A server on loopback that behaves like Kaggle: descriptions, redirects, ranges, refusals."""

import contextlib
import http.server
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


def zipped(folder: Path) -> bytes:
    """A folder as Kaggle packs it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            packed.write(path, path.relative_to(folder).as_posix())
    return buffer.getvalue()


@dataclass
class Host:
    """What the server has, and what it was asked.

    Attributes:
        sets: versions of each set, oldest first.
        token: without this ``Authorization`` everything is refused with 401; empty wants none.
        gated: sets that are refused with 403.
        statuses: statuses of the next answers to downloads, before anything else.
        busy: ``Retry-After`` of the next answers of 429 to requests for a description.
        cuts: after how many bytes the next downloads break off.
        instead: bytes that are sent in place of every archive.
    """

    url: str = ""
    sets: dict[str, list[bytes]] = field(default_factory=dict)
    token: str = ""
    gated: set[str] = field(default_factory=set)
    statuses: list[int] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    instead: bytes | None = None
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def paths(self, part: str) -> list[str]:
        """Paths that were asked for and have something in them."""
        return [path for path, _ in self.asked if part in path]


@contextlib.contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Host]:
    """Run the server, by TLS if a certificate is given."""
    host = Host()

    class Handler(_Handler):
        serves = host

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_address[1]}"
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield host
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    serves: Host
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        host, address = self.serves, urlsplit(self.path)
        host.asked.append((self.path, dict(self.headers)))
        if address.path.startswith("/storage/"):
            self._send_archive(address.path.removeprefix("/storage/"))
            return
        handle = "/".join(address.path.split("/")[-2:])
        if host.token and self.headers.get("Authorization") != host.token:
            self.send_error(401)
        elif handle in host.gated:
            self.send_error(403)
        elif handle not in host.sets:
            self.send_error(404)
        elif "/view/" in address.path and host.busy:
            self._send_busy(429, host.busy.pop(0))
        elif "/view/" in address.path:
            self._send_json(
                {"currentVersionNumber": len(host.sets[handle]), "licenseName": "CC0-1.0"}
            )
        else:
            number = parse_qs(address.query)["datasetVersionNumber"][0]
            self.send_response(302)
            # Another name of the same host: its clients must not send their token there.
            elsewhere = host.url.replace("127.0.0.1", "localhost")
            self.send_header("Location", f"{elsewhere}/storage/{handle}/{number}")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def _send_busy(self, status: int, retry_after: str) -> None:
        self.send_response(status)
        self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _send_json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_archive(self, rest: str) -> None:
        host = self.serves
        handle, _, number = rest.rpartition("/")
        whole = host.sets[handle][int(number) - 1] if host.instead is None else host.instead
        if "Authorization" in self.headers:
            self.send_error(400, "two ways of authorisation")
            return
        if host.statuses and (status := host.statuses.pop(0)) != 200:
            self._send_busy(status, "0")
            return
        tag = f'"{handle}-{number}"'
        asked = self.headers.get("Range", "")
        start = int(asked[6:-1]) if asked and self.headers.get("If-Range") == tag else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(whole) - 1}/{len(whole)}")
        self.send_header("Content-Length", str(len(whole) - start))
        self.send_header("ETag", tag)
        self.end_headers()
        body = whole[start:]
        if host.cuts:
            body = body[: host.cuts.pop(0)]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
