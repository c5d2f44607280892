"""The stores that the conformance suite runs over."""

from collections.abc import Callable
from pathlib import Path

import pytest

from naturalist.stores import Store, open_store


@pytest.fixture(params=["local"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same, at first empty, store anew each time it is called."""
    return lambda: open_store(str(tmp_path / "store with space"))


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()
