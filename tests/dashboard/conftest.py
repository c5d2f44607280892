"""A studied collection, and the application over it."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from starlette.testclient import TestClient

from dashboard.browsing import ARGUMENTS, Visit, find_axe, find_chromium, served, visiting
from dashboard.studied import studied_collection
from naturalist.config import Config
from naturalist.dashboard.app import make_app
from naturalist.dashboard.bundle import Bundle
from naturalist.dashboard.collection import Collection, open_workspace
from naturalist.dashboard.context import DashboardContext, open_context
from naturalist.dashboard.security import ListenOptions

BUNDLE = Bundle(b"script", b"style")


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A collection with everything; read only."""
    return studied_collection(tmp_path_factory.mktemp("studied"))


@pytest.fixture(scope="session")
def context(studied: Config) -> Iterator[DashboardContext]:
    """What answers about it."""
    found = open_context(open_workspace(studied))
    yield found
    found.close()


@pytest.fixture
def client(context: DashboardContext) -> TestClient:
    """A browser's view of the server, on loopback."""
    return client_of(context)


def client_of(
    context: DashboardContext, listen: ListenOptions | None = None, host: str = "127.0.0.1:8642"
) -> TestClient:
    """A client that asks under a host name; the context stays open."""
    return TestClient(
        make_app(context, BUNDLE, listen or ListenOptions()),
        base_url=f"http://{host}",
        follow_redirects=False,
    )


def client_of_place(place: Collection) -> TestClient:
    """A client of a place of its own."""
    return client_of(open_context(place))


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    program = find_chromium()
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield found
        found.close()


@pytest.fixture(scope="session")
def origin(studied: Config) -> Iterator[str]:
    """The address of a server over the studied collection."""
    with served(open_workspace(studied)) as url:
        yield url


@pytest.fixture
def visit(browser: Browser, origin: str) -> Iterator[Visit]:
    """A visitor of the studied collection; fails if a page complained or asked strangers."""
    with visiting(browser, origin) as found:
        yield found
        found.check()


@pytest.fixture(scope="session")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of axe-core."""
    return find_axe(tmp_path_factory.mktemp("axe"))
