from collections.abc import Iterator

import pytest

from naturalist.config import Config
from naturalist.errors import WorkspaceError
from naturalist.pipeline import status
from naturalist.running import workspace
from tiny import collection, in_memory, make_all, make_sources, picture


@pytest.fixture
def config() -> Iterator[Config]:
    """Seven plants, three animals, and something of everything beside them."""
    with in_memory() as root:
        sources = make_sources(root, {"animal": [1, 2, 3], "plant": range(10, 17)})
        photos = sources["plant"]["photos"]
        (photos / "again.png").write_bytes(picture(10))
        (photos / "animal.png").write_bytes(picture(1))
        (photos / "note.txt").write_bytes(b"a note")
        (photos / "half.png").write_bytes(picture(50)[:30])
        (photos / "flat.png").write_bytes(picture(51)[:60] + b"\0" * 100)
        yield collection(root, sources, failure_budget=1.0)


def test_status_counts_everything_by_category(config: Config) -> None:
    make_all(config)
    held = status.collection_status(config)
    plant = held["categories"]["plant"]
    refused = plant.pop("refused")
    assert refused.pop("not_a_picture") == 1
    assert sum(refused.values()) == 2
    sources = plant.pop("sources")
    assert plant == {
        "label": 0,
        "seen": 12,
        "accepted": 7,
        "duplicates": 1,
        "conflicts": 1,
        "unpacked": 0,
        "relabelled": 0,
        "features": 7,
        "tables": 2,
        "table_rows": 7,
    }
    assert sources["photos"]["seen"] == 12
    animal = held["categories"]["animal"]
    assert (animal["seen"], animal["accepted"], animal["conflicts"]) == (3, 2, 1)


def test_in_every_category_the_outcomes_add_up_to_what_was_seen(config: Config) -> None:
    make_all(config)
    for one in status.collection_status(config)["categories"].values():
        outcomes = one["accepted"] + one["duplicates"] + one["conflicts"]
        assert outcomes + sum(one["refused"].values()) == one["seen"]
        assert one["features"] == one["accepted"] == one["table_rows"]


def test_status_can_be_asked_while_somebody_writes(config: Config) -> None:
    make_all(config)
    with workspace.writing(config):
        assert status.collection_status(config)["running"]
    assert not status.collection_status(config)["running"]


def test_a_workspace_where_nothing_was_made_says_how_to_begin(config: Config) -> None:
    with pytest.raises(WorkspaceError, match="naturalist run"):
        status.collection_status(config)


def test_a_category_without_pictures_counts_nothing(config: Config) -> None:
    with workspace.writing(config):
        pass
    plant = status.collection_status(config)["categories"]["plant"]
    assert plant["seen"] == plant["tables"] == plant["features"] == 0
    assert plant["refused"] == {}
