"""The pages in a frame of another site, as a notebook shows them, and the selection in Python."""

import functools
import re
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

import naturalist
from dashboard.browsing import shot
from naturalist.config import Config
from naturalist.dashboard.bundle import load_bundle
from naturalist.dashboard.notebook import Shown
from naturalist.errors import BundleMissing, NaturalistError

_WITHIN_S = 20


@pytest.fixture
def shown(studied: Config) -> Iterator[Shown]:
    try:
        load_bundle()
    except BundleMissing as error:
        pytest.skip(str(error))
    found = naturalist.show(studied.layout.root.parent)
    yield found
    found.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing is printed."""


@pytest.fixture
def notebook(shown: Shown, tmp_path: Path) -> Iterator[str]:
    """The address of a page of another site with what the cell displays."""
    cell = f"<!doctype html><title>notebook</title>{shown._repr_html_()}"
    (tmp_path / "index.html").write_text(cell)
    answering = functools.partial(_Quiet, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # Another name than the frame's: for a browser it is another site.
        yield f"http://localhost:{server.server_address[1]}/"
        server.shutdown()


def test_what_is_selected_in_the_frame_comes_back_as_a_data_frame(
    browser: Browser, shown: Shown, notebook: str
) -> None:
    page = browser.new_page(viewport={"width": 1200, "height": 800})
    try:
        page.goto(notebook)
        frame = page.frame_locator("iframe")
        expect(frame.locator(".integrity b")).not_to_have_text("0")
        assert shown.selected == []
        frame.get_by_label("Find a picture").fill("000.png")
        with page.expect_response(re.compile("/api/selection")):
            frame.get_by_label("Find a picture").press("Enter")
            expect(frame.locator(".chosen h2")).to_have_text("6 chosen")
        deadline = time.monotonic() + _WITHIN_S
        while len(shown.selected) != 6:
            assert time.monotonic() < deadline, shown.selected
            page.wait_for_timeout(50)
        shot(page, "notebook")
    finally:
        page.close()
    table = shown.frame()
    assert table["picID"].tolist() == shown.selected
    assert set(table["path"]) == {"000.png"}
    assert set(table["category"]) == {"animal", "plant", "human"}


def test_only_who_has_the_address_is_answered(shown: Shown) -> None:
    with urllib.request.urlopen(f"{shown.url}api/about") as answer:
        assert "x-frame-options" not in answer.headers
        assert "frame-ancestors" not in answer.headers["content-security-policy"]
    root = shown.url.split("/", 3)
    for path in ("", "api/about", "healthz", "0" * 48 + "/api/about"):
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{root[0]}//{root[2]}/{path}")
    assert shown.url not in repr(shown._context)


def test_through_a_notebook_server_the_frame_asks_its_proxy(shown: Shown) -> None:
    shown.proxy = "/user/ada/proxy/"
    port, path = re.findall(r":(\d+)/(\w+)/$", shown.url)[0]
    assert f'src="/user/ada/proxy/{port}/{path}/#/map"' in shown._repr_html_()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="there are health, map"):
        naturalist.show(tmp_path, page="maps")
    with pytest.raises(NaturalistError):
        naturalist.show(tmp_path)


def test_importing_the_package_imports_no_server() -> None:
    code = "import naturalist, sys; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
