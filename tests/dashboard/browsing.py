"""A real browser over a real server, and what it must never do."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, expect

from naturalist.dashboard.app import make_app
from naturalist.dashboard.bundle import load_bundle
from naturalist.dashboard.collection import Collection
from naturalist.dashboard.context import open_context
from naturalist.dashboard.reviewing import open_reviewing
from naturalist.dashboard.security import ListenOptions
from naturalist.errors import BundleMissing

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "screenshots"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
STARTED_WITHIN_S = 30
expect.set_options(timeout=20_000)
SCREENS = {
    "laptop": {"viewport": {"width": 1360, "height": 850}},
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
}


def find_chromium() -> str:
    """The system's browser; skips without one."""
    found = next((path for name in PROGRAMS if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no Chromium on this machine: apt-get install chromium")
    return found


@contextmanager
def served(
    place: Collection, *, review: bool = False, listen: ListenOptions | None = None
) -> Iterator[str]:
    """The address of a server over a place, in a thread of this process."""
    try:
        bundle = load_bundle()
    except BundleMissing as error:
        pytest.skip(str(error))
    listening = socket.create_server(("127.0.0.1", 0))
    context = open_context(place)
    app = make_app(
        context,
        bundle,
        listen or ListenOptions(),
        open_reviewing(context, place.layout.root.parent) if review else None,
    )
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", ws="none"))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    deadline = time.monotonic() + STARTED_WITHIN_S
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join(STARTED_WITHIN_S)
        listening.close()


@dataclass
class Visit:
    """A page, and everything that it complained of or asked others for."""

    page: Page
    origin: str
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)

    def open(self, hash_: str, wait_for: str = "main h1") -> Page:
        """Open a page of the dashboard, as somebody does who was sent its address."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.origin}#/{hash_}")
        self.page.wait_for_selector(wait_for, state="attached")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def map(self, query: str = "") -> Page:
        """Open a map and wait until its points are counted."""
        page = self.open(f"map{query}", ".integrity")
        shown = "document.querySelector('.integrity b').textContent"
        page.wait_for_function(f"() => {shown} !== '0'")
        return page

    def check(self) -> None:
        """Nothing was complained of, and nobody else was asked."""
        assert self.errors == []
        assert self.strangers == []
        assert self.page.evaluate("window.hostile") is None

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        own = f"{parts.scheme}://{parts.netloc}/" == self.origin or parts.scheme in ("data", "blob")
        if not own and not request.url.startswith(self.origin):
            self.strangers.append(request.url)


@contextmanager
def visiting(
    browser: Browser, origin: str, screen: str = "laptop", theme: str = "light"
) -> Iterator[Visit]:
    """A new visitor, who leaves nothing behind."""
    options: dict[str, Any] = {**SCREENS[screen], "color_scheme": theme, "accept_downloads": True}
    context: BrowserContext = browser.new_context(**options)
    visit = Visit(context.new_page(), origin)
    visit.watch()
    try:
        yield visit
    finally:
        context.close()


def shot(page: Page, name: str) -> None:
    """Keep a screenshot for people who look at what continuous integration saw."""
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def find_axe(folder: Path) -> str:
    """The text of axe-core, of the version that the front end names; skips without npm."""
    kept = ROOT / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
    if kept.exists():
        return kept.read_text()
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm on this machine, which fetches axe-core")
    wanted = json.loads((ROOT / "frontend" / "package.json").read_text())["devDependencies"]
    (folder / "package.json").write_text('{"private": true}')
    command = [npm, "install", "--no-save", "--ignore-scripts", f"axe-core@{wanted['axe-core']}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm cannot fetch axe-core: {done.stderr[-300:]}")
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


def axe_violations(page: Page, axe: str) -> list[str]:
    """What axe finds against WCAG 2.2 A and AA on a page, each with the element."""
    page.evaluate(axe)
    found = page.evaluate(
        "axe.run({runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
    )
    return [
        f"{one['id']}: {node['html'][:120]} {node.get('failureSummary', '')[:200]}"
        for one in found["violations"]
        for node in one["nodes"][:3]
    ]
