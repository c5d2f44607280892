"""Google's XML interface as its pages describe it, kept in memory: what obstore asks of it.

No emulator of the package registries takes the requests that obstore writes with.
"""

import hashlib
import re
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

TOKEN = "a-token-of-the-test"
PAGE = 25


@dataclass
class _Object:
    data: bytes
    headers: dict[str, str]
    generation: int

    @property
    def etag(self) -> str:
        return f'"{hashlib.md5(self.data).hexdigest()}"'


@dataclass
class GcsServer:
    """Objects by bucket and name; `base_url` is where it listens."""

    base_url: str
    buckets: dict[str, dict[str, _Object]]
    puts: list[str] = field(default_factory=list)


def serve(*buckets: str, tls: ssl.SSLContext | None = None) -> Iterator[GcsServer]:
    """Serve empty buckets until the generator is closed, by TLS if a certificate is given."""

    class Handler(_Handler):
        lock = threading.Lock()

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    url = f"http{'s' if tls else ''}://127.0.0.1:{httpd.server_address[1]}"
    Handler.server_state = GcsServer(url, {name: {} for name in buckets})
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Handler.server_state
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_state: ClassVar[GcsServer]
    lock: ClassVar[threading.Lock]

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        with self._bucket() as (objects, name):
            if objects is None:
                return
            self.server_state.puts.append(name)
            wanted = self.headers.get("x-goog-if-generation-match")
            there = objects.get(name)
            if wanted is not None and int(wanted) != (there.generation if there else 0):
                self._answer(412, _error("PreconditionFailed"))
                return
            kept = {
                key: value
                for key, value in self.headers.items()
                if key.lower() == "content-type" or key.lower().startswith("x-goog-meta-")
            }
            objects[name] = made = _Object(data, kept, 1 + max(_generations(objects), default=0))
            self._answer(200, b"", self._told(made))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        with self._bucket() as (objects, name):
            if objects is None:
                return
            if not name:
                self._list(objects)
                return
            there = objects.get(name)
            if there is None:
                self._answer(404, _error("NoSuchKey"))
                return
            if self.headers.get("If-Match", there.etag) != there.etag:
                self._answer(412, _error("PreconditionFailed"))
                return
            told = self._told(there)
            if asked := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
                start, end = int(asked[1]), int(asked[2] or len(there.data) - 1)
                told["Content-Range"] = f"bytes {start}-{end}/{len(there.data)}"
                self._answer(206, there.data[start : end + 1], told)
                return
            self._answer(200, there.data, told)

    def do_DELETE(self) -> None:
        with self._bucket() as (objects, name):
            if objects is None:
                return
            if objects.pop(name, None) is None:
                self._answer(404, _error("NoSuchKey"))
                return
            self._answer(204, b"")

    def _list(self, objects: dict[str, _Object]) -> None:
        asked = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        after = asked.get("continuation-token") or asked.get("start-after", "")
        names = [
            name
            for name in sorted(objects, key=str.encode)
            if name.startswith(asked.get("prefix", "")) and name.encode() > after.encode()
        ]
        page, rest = names[:PAGE], names[PAGE:]
        items = "".join(
            f"<Contents><Key>{escape(name)}</Key><Size>{len(objects[name].data)}</Size>"
            f"<Generation>{objects[name].generation}</Generation>"
            f"<LastModified>2026-11-29T10:00:00.000Z</LastModified>"
            f"<ETag>{escape(objects[name].etag)}</ETag></Contents>"
            for name in page
        )
        more = f"<NextContinuationToken>{escape(page[-1])}</NextContinuationToken>" if rest else ""
        told = f"<ListBucketResult><IsTruncated>{str(bool(rest)).lower()}</IsTruncated>"
        self._answer(200, f"{told}{items}{more}</ListBucketResult>".encode())

    @staticmethod
    def _told(one: _Object) -> dict[str, str]:
        return {
            **one.headers,
            "ETag": one.etag,
            "Last-Modified": formatdate(usegmt=True),
            "x-goog-generation": str(one.generation),
        }

    def _bucket(self) -> "_Locked":
        _, bucket, *name = unquote(urlsplit(self.path).path).split("/", 2)
        return _Locked(self, self.server_state.buckets.get(bucket), "".join(name))

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


@dataclass
class _Locked:
    """One request at a time; without a token or a bucket it is answered here."""

    handler: _Handler
    objects: dict[str, _Object] | None
    name: str

    def __enter__(self) -> tuple[dict[str, _Object] | None, str]:
        self.handler.lock.acquire()
        if self.handler.headers.get("Authorization") != f"Bearer {TOKEN}":
            self.handler._answer(401, _error("AuthenticationRequired"))
            return None, ""
        if self.objects is None:
            self.handler._answer(404, _error("NoSuchBucket"))
        return self.objects, self.name

    def __exit__(self, *_error: object) -> None:
        self.handler.lock.release()


def _generations(objects: dict[str, _Object]) -> list[int]:
    return [one.generation for one in objects.values()]


def _error(code: str) -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code></Error>".encode()
