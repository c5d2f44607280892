"""The pages behind a proxy that shows them below a path prefix."""

import contextlib
import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from dashboard.browsing import served, visiting
from dashboard.conftest import client_of
from dashboard.test_reviewing import copied
from naturalist.config import Config
from naturalist.curation.reviewing import people
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.security import COOKIE, ListenOptions
from naturalist.errors import ConfigError

PREFIX = "/team/garden"
TOKEN = "a-token-of-many-letters"
_OF_A_HOP = ("connection", "transfer-encoding", "content-length")


@contextmanager
def proxied(upstream: str, *, strips: bool) -> Iterator[str]:
    """The address below which a reverse proxy shows a server; other paths lead nowhere."""
    host = urlsplit(upstream).netloc

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = self.rfile.read(size) if size else None
            if not self.path.startswith(PREFIX):
                self.reply(404, [], b"another site")
                return
            path = self.path.removeprefix(PREFIX) if strips else self.path
            link = http.client.HTTPConnection(host, timeout=30)
            link.request(self.command, path or "/", body, dict(self.headers))
            said = link.getresponse()
            self.reply(said.status, said.getheaders(), said.read())
            link.close()

        do_GET = do_POST = answer  # noqa: N815

        def reply(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _OF_A_HOP:
                    self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            # A browser that goes to another page may not wait for the answer.
            with contextlib.suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Proxy) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}{PREFIX}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("strips", [True, False], ids=["strips", "keeps"])
def test_every_page_works_below_a_prefix_and_asks_nothing_above_it(
    browser: Browser, studied: Config, tmp_path: Path, strips: bool
) -> None:
    config = copied(studied, tmp_path / "copy")
    token = people.add(config.layout.reviewers, "anna")
    listen = ListenOptions(token=TOKEN, base_path=PREFIX)
    Image.new("RGB", (40, 40), "green").save(tmp_path / "leaf.png")
    with (
        served(open_workspace(config), review=True, listen=listen) as upstream,
        proxied(upstream, strips=strips) as origin,
        visiting(browser, origin) as visit,
    ):
        page = visit.page
        page.goto(f"{origin.rstrip('/')}?token={TOKEN}")
        expect(page).to_have_url(origin)
        assert visit.strangers == [f"{origin.rstrip('/')}?token={TOKEN}"]
        visit.strangers.clear()
        cookies = {one["name"]: one["path"] for one in page.context.cookies()}  # type: ignore[typeddict-item]
        assert cookies == {COOKIE: f"{PREFIX}/"}
        for name in ("health", "pictures?id=plant_id_3"):
            visit.open(name)
            expect(page.locator(".trouble")).to_have_count(0)
        visit.map("?p=plant_id_3")
        expect(page.locator(".detail img").first).to_have_js_property("complete", True)
        page.locator(".upload input").set_input_files(tmp_path / "leaf.png")
        expect(page.locator(".search .note")).to_contain_text("cosine")
        visit.open("review?queue=next")
        page.get_by_label("Your token").fill(token)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector(".panel-picture img")
        with page.expect_response("**/api/review/decisions") as answered:
            page.keyboard.press("k")
        assert answered.value.ok
        visit.check()


def test_redirects_and_cookies_have_the_prefix(context: DashboardContext) -> None:
    client = client_of(context, ListenOptions(token=TOKEN, base_path=f"{PREFIX}/"))
    answer = client.get(f"{PREFIX}?token={TOKEN}")
    assert (answer.status_code, answer.headers["location"]) == (308, f"{PREFIX}/?token={TOKEN}")
    for path in (f"{PREFIX}/", "/"):
        answer = client.get(f"{path}?token={TOKEN}")
        assert answer.headers["location"] == f"{PREFIX}/"
        assert f"Path={PREFIX}/" in answer.headers["set-cookie"]
    bearer = {"authorization": f"Bearer {TOKEN}"}
    for path in (f"{PREFIX}/api/about", "/api/about"):
        assert client.get(path, headers=bearer).status_code == 200
    assert client.get("/team/gardener/api/about", headers=bearer).status_code == 404
    client.cookies.clear()
    assert client.get(f"{PREFIX}/api/about").status_code == 401


@pytest.mark.parametrize("wrong", ["garden", "//evil.example", "/a/../b", "/a b", "/a?b", "/a\n"])
def test_what_is_no_prefix_is_refused(wrong: str) -> None:
    with pytest.raises(ConfigError, match="base path"):
        ListenOptions(base_path=wrong)
