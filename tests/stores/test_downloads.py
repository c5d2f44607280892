"""Downloads from a real server on loopback: resumed, checked, or refused in words."""

import contextlib
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from naturalist.errors import StoreError
from naturalist.stores.downloads import DownloadOptions, download

CONTENT = bytes(range(256)) * 4000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class _Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; `cuts` says after how many bytes the next answers break off."""

    content = CONTENT
    tag = '"one"'
    cuts: list[int]
    asked: list[dict[str, str]]
    statuses: list[int]
    ignores_ranges = False
    redirect = "/file"


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        if self.server.statuses and (status := self.server.statuses.pop(0)) != 200:
            self.send_error(status)
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = self._start()
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        if start:
            total = len(self.server.content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", self.server.tag)
        self.end_headers()
        if self.server.cuts:
            self.wfile.write(body[: self.server.cuts.pop(0)])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def _start(self) -> int:
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") == self.server.tag
        if asked is None or not same or self.server.ignores_ranges:
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-"))

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[_Server]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.cuts, server.asked, server.statuses = [], [], []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _url(server: _Server, path: str = "/file") -> str:
    return f"http://127.0.0.1:{server.server_address[1]}{path}"


def _left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.suffix != ".fetching"}


def test_a_file_comes_whole_with_its_sha256(server: _Server, tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    target = tmp_path / "new" / "weights.h5"
    digest = download(_url(server), target, progress=lambda *now: seen.append(now))
    assert digest == DIGEST
    assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert _left(target.parent) == {"weights.h5"}


def test_a_download_that_breaks_off_goes_on_where_it_was(server: _Server, tmp_path: Path) -> None:
    server.cuts = [300_000, 200_000]
    assert download(_url(server), tmp_path / "w", options=DownloadOptions(pause_s=0)) == DIGEST
    assert [asked.get("Range") for asked in server.asked] == [
        None, "bytes=300000-", "bytes=500000-",
    ]  # fmt: skip


def test_the_part_is_kept_for_the_next_call(server: _Server, tmp_path: Path) -> None:
    server.cuts = [400_000]
    with pytest.raises(StoreError, match=r"400,000 of 1,024,000 bytes.*Run the same command"):
        download(_url(server), tmp_path / "w", options=DownloadOptions(attempts=1))
    assert not (tmp_path / "w").exists()
    assert download(_url(server), tmp_path / "w", options=DownloadOptions(attempts=1)) == DIGEST
    assert server.asked[-1]["Range"] == "bytes=400000-"


def test_a_file_that_changed_meanwhile_is_never_glued_together(
    server: _Server, tmp_path: Path
) -> None:
    server.cuts = [400_000]
    with contextlib.suppress(StoreError):
        download(_url(server), tmp_path / "w", options=DownloadOptions(attempts=1))
    server.content, server.tag = CONTENT[::-1], '"two"'
    download(_url(server), tmp_path / "w", options=DownloadOptions(attempts=1))
    assert (tmp_path / "w").read_bytes() == CONTENT[::-1]


def test_a_server_without_ranges_is_asked_for_the_whole_again(
    server: _Server, tmp_path: Path
) -> None:
    server.cuts, server.ignores_ranges = [400_000], True
    assert download(_url(server), tmp_path / "w", options=DownloadOptions(pause_s=0)) == DIGEST


def test_a_part_of_another_address_is_not_used(server: _Server, tmp_path: Path) -> None:
    server.cuts = [400_000]
    with contextlib.suppress(StoreError):
        download(_url(server), tmp_path / "w", options=DownloadOptions(attempts=1))
    assert (
        download(_url(server, "/other"), tmp_path / "w", options=DownloadOptions(attempts=1))
        == DIGEST
    )
    assert "Range" not in server.asked[-1]


def test_a_part_that_does_not_fit_is_thrown_away(server: _Server, tmp_path: Path) -> None:
    server.cuts = [400_000]
    with contextlib.suppress(StoreError):
        download(_url(server), tmp_path / "w", options=DownloadOptions(attempts=1))
    server.statuses = [416]
    assert download(_url(server), tmp_path / "w", options=DownloadOptions(pause_s=0)) == DIGEST
    assert "Range" not in server.asked[-1]


def test_the_wrong_file_is_refused_and_not_kept(server: _Server, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=DIGEST):
        download(_url(server), tmp_path / "w", sha256="0" * 64)
    assert _left(tmp_path) == set()
    assert download(_url(server), tmp_path / "w", sha256=DIGEST.upper()) == DIGEST


def test_a_redirect_is_followed(server: _Server, tmp_path: Path) -> None:
    assert download(_url(server, "/moved"), tmp_path / "w") == DIGEST


def test_an_answer_of_no_is_told_at_once_and_one_of_later_is_waited_for(
    server: _Server, tmp_path: Path
) -> None:
    server.statuses = [404]
    with pytest.raises(StoreError, match="404"):
        download(_url(server), tmp_path / "w", options=DownloadOptions(pause_s=0))
    assert len(server.asked) == 1
    server.statuses = [503, 503]
    assert download(_url(server), tmp_path / "w", options=DownloadOptions(pause_s=0)) == DIGEST


def test_without_a_network_the_advice_is_to_pass_a_path(server: _Server, tmp_path: Path) -> None:
    url = _url(server)
    server.socket.close()
    with pytest.raises(StoreError, match="pass its path"):
        download(url, tmp_path / "w", options=DownloadOptions(attempts=2, pause_s=0))


def test_only_web_addresses_are_fetched(tmp_path: Path) -> None:
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/x"):
        with pytest.raises(StoreError, match="only http and https"):
            download(url, tmp_path / "w")


def test_a_server_that_is_asked_too_often_is_left_alone_as_long_as_it_says(
    server: _Server, tmp_path: Path
) -> None:
    server.statuses = [429, 429]
    assert download(_url(server), tmp_path / "w", options=DownloadOptions(pause_s=0)) == DIGEST
    assert len(server.asked) == 3


def test_advice_says_what_to_do_about_a_refusal(server: _Server, tmp_path: Path) -> None:
    server.statuses = [403]
    options = DownloadOptions(advice=lambda status: f"{status}: accept the rules first")
    with pytest.raises(StoreError, match="403: accept the rules first"):
        download(_url(server), tmp_path / "w", options=options)


def test_a_token_goes_to_no_other_host(server: _Server, tmp_path: Path) -> None:
    options = DownloadOptions(headers={"Authorization": "Bearer secret"})
    elsewhere = f"http://localhost:{server.server_address[1]}/file"
    server.redirect = elsewhere
    download(_url(server, "/moved"), tmp_path / "w", options=options)
    assert [asked.get("Authorization") for asked in server.asked] == ["Bearer secret", None]
    assert "secret" not in repr(options)
