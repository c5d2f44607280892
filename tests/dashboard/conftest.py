"""A studied collection, and the application over it."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dashboard.studied import studied_collection
from naturalist.config import Config
from naturalist.dashboard.app import make_app
from naturalist.dashboard.bundle import Bundle
from naturalist.dashboard.desk import Desk, open_desk
from naturalist.dashboard.place import Place, open_workspace
from naturalist.dashboard.security import Door

BUNDLE = Bundle(b"script", b"style")


@pytest.fixture(scope="session")
def studied(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """A collection with everything; read only."""
    return studied_collection(tmp_path_factory.mktemp("studied"))


@pytest.fixture(scope="session")
def desk(studied: Config) -> Iterator[Desk]:
    """What answers about it."""
    found = open_desk(open_workspace(studied))
    yield found
    found.close()


@pytest.fixture
def client(desk: Desk) -> TestClient:
    """A browser's view of the server, on loopback."""
    return client_of(desk)


def client_of(desk: Desk, door: Door | None = None, host: str = "127.0.0.1:8642") -> TestClient:
    """A client that asks under a host name; the desk stays open."""
    return TestClient(
        make_app(desk, BUNDLE, door or Door()), base_url=f"http://{host}", follow_redirects=False
    )


def client_of_place(place: Place) -> TestClient:
    """A client of a place of its own."""
    return client_of(open_desk(place))


def broken(config: Config, path: Path) -> None:
    """Make a file unreadable for any parser."""
    path.write_bytes(b"\x00 not what it was")
