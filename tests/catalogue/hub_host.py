"""A server on loopback that answers as the Hugging Face Hub does, for data sets of small files."""

import contextlib
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass
class Hub:
    """What the server has: files of each data set by name; and whom it refuses."""

    url: str = ""
    sets: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)

    def commit(self, handle: str) -> str:
        """A commit that changes with the files."""
        text = repr(sorted(self.sets[handle].items())).encode()
        return hashlib.sha1(text, usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def serving_hub() -> Iterator[Hub]:
    """Run the server."""
    hub = Hub()

    class Handler(_Handler):
        serves = hub

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        hub.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    serves: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.serves.asked.append(f"{self.command} {path}")
        if path.startswith("/api/datasets/"):
            self._answer_about(path.removeprefix("/api/datasets/"))
        else:
            self._send_file(path.removeprefix("/datasets/"))

    def _answer_about(self, rest: str) -> None:
        hub, handle = self.serves, "/".join(rest.split("/")[:2])
        if handle not in hub.sets:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound"})
            return
        files = hub.sets[handle]
        tree = [
            {"type": "file", "path": name, "oid": "0" * 40, "size": len(data)}
            for name, data in files.items()
        ]
        about: dict[str, Any] = {
            "id": handle,
            "sha": hub.commit(handle),
            "cardData": {"license": "cc-by-4.0"},
            "siblings": [{"rfilename": n, "size": len(d)} for n, d in files.items()],
        }
        body = tree if "/tree/" in rest else about
        self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _send_file(self, rest: str) -> None:
        hub = self.serves
        handle, _, name = rest.partition("/resolve/")
        name = name.partition("/")[2]
        if handle in hub.gated:
            self._send(403, b"", {"X-Error-Code": "GatedRepo"})
            return
        data = hub.sets[handle][name]
        digest = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        self._send(200, data, {"ETag": f'"{digest}"', "X-Repo-Commit": hub.commit(handle)})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
