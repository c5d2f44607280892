"""Sets of the Hugging Face Hub, by its own client, from a server that answers as the Hub does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from catalogue.hub_host import Hub, serving_hub
from naturalist import catalogue
from naturalist.catalogue import FetchOptions
from naturalist.errors import StoreError

pytest.importorskip("huggingface_hub", reason="pip install 'naturalist[hub]'")

HANDLE = "org/birds"


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    from huggingface_hub import constants

    with serving_hub() as server:
        # The client reads the environment when it is imported, which other tests may have done.
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            server.url + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
        server.sets[HANDLE] = {
            "train/owl/1.png": tiny.picture(1),
            "train/metadata.csv": b"file_name,species\nowl/1.png,owl\n",
        }
        yield server


def fetch(tmp_path: Path, *, newest: bool = False) -> "catalogue.Fetched":
    entry = catalogue.resolve(f"hf:{HANDLE}", "animal")
    return catalogue.fetch(entry, FetchOptions(tmp_path / "sets", newest=newest, pause_s=0))


def test_a_set_of_the_hub_is_a_folder_with_the_commit_as_its_version(
    hub: Hub, tmp_path: Path
) -> None:
    done = fetch(tmp_path)
    assert done.path == tmp_path / "sets" / "animal" / "org+birds"
    assert (done.path / "train/owl/1.png").read_bytes() == tiny.picture(1)
    assert (done.record.version, done.record.licence) == (hub.commit(HANDLE), "cc-by-4.0")
    asked = len(hub.asked)
    assert not fetch(tmp_path).is_new
    assert len(hub.asked) == asked


def test_a_new_commit_brings_what_changed(hub: Hub, tmp_path: Path) -> None:
    fetch(tmp_path)
    assert not fetch(tmp_path, newest=True).is_new
    hub.sets[HANDLE]["train/owl/2.png"] = tiny.picture(2)
    assert fetch(tmp_path, newest=True).is_new
    gets = [line for line in hub.asked if line.startswith("GET /datasets") and "1.png" in line]
    assert len(gets) == 1


def test_refusals_of_the_hub_say_what_to_do(hub: Hub, tmp_path: Path) -> None:
    hub.gated.add(HANDLE)
    with pytest.raises(StoreError, match="accepted its terms"):
        fetch(tmp_path)
    hub.sets.clear()
    with pytest.raises(StoreError, match="no data set org/birds"):
        fetch(tmp_path)
