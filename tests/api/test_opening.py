import subprocess
import sys
from pathlib import Path

import pytest

import naturalist
from naturalist.api import Opened, Published, Workspace
from naturalist.errors import ConfigError, NotFound


def test_importing_the_package_loads_nothing_that_open_needs() -> None:
    code = (
        "import naturalist, sys; "
        "print([m for m in ('numpy', 'pydantic', 'naturalist.api') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert {"load", "open"} <= set(dir(naturalist))


def test_a_folder_or_its_configuration_opens_as_a_workspace(made: Path) -> None:
    for place in (made / "garden", str(made / "garden"), made / "garden/naturalist.toml"):
        assert isinstance(naturalist.open(place), Workspace)


def test_a_publication_opens_with_its_snapshot(published: Opened) -> None:
    assert isinstance(published, Published)
    assert published.snapshot == "000001"
    assert "000001" in repr(published)


def test_what_is_no_collection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        naturalist.open(tmp_path)


def test_what_only_a_workspace_can_do_says_so(published: Opened) -> None:
    calls = (
        published.run, published.search, published.duplicates, published.suspects,
        published.names, published.drift, published.evaluate,
        published.ledger, lambda: published.review([]), lambda: published.map(rebuild=True),
    )  # fmt: skip
    for call in calls:
        with pytest.raises(ConfigError, match="needs a workspace"):
            call()
