"""Who publishes last to an address takes nothing away that its workspace never had."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

import tiny
from cli.conftest import Naturalist, naturalist
from naturalist import snapshots
from naturalist.config import Config
from naturalist.curation import takedown
from naturalist.errors import ConfigError
from naturalist.pipeline import publishing, steps
from naturalist.stages import publish
from naturalist.stores import open_store

__all__ = ["naturalist"]

SEEDS = {"plant": range(6), "animal": range(100, 106)}


@dataclass(frozen=True)
class Publisher:
    """A workspace with sources of its own that publishes to an address shared with others."""

    folder: Path
    name: str = "tiny"

    @property
    def config(self) -> Config:
        sources = {key: {"photos": self.folder / "sources" / key} for key in SEEDS}
        published = {"url": str(self.folder.parent / "published")}
        return tiny.collection(self.folder, sources, name=self.name, publish=published)

    def add(self, *seeds: int) -> None:
        tiny.make_sources(self.folder / "sources", {"plant": seeds})

    def run(self) -> None:
        tiny.make_all(self.config)

    def copy(self, name: str) -> "Publisher":
        shutil.copytree(self.folder, self.folder.with_name(name))
        return Publisher(self.folder.with_name(name), self.name)

    def replace(self) -> None:
        with tiny.job(self.config) as held:
            publishing.publish_snapshot(held, accept_replacement=True)

    @property
    def latest(self) -> snapshots.Snapshot:
        return snapshots.read(open_store(self.config.publish_url))


@pytest.fixture
def one(tmp_path: Path) -> Publisher:
    tiny.make_sources(tmp_path / "one" / "sources", SEEDS)
    one = Publisher(tmp_path / "one")
    one.run()
    return one


def refused(publisher: Publisher, words: str) -> None:
    before = {path: path.stat() for path in publisher.folder.parent.glob("published/**/*")}
    with pytest.raises(ConfigError, match=words + ".*naturalist run --accept-replacement"):
        publisher.run()
    after = {path: path.stat() for path in publisher.folder.parent.glob("published/**/*")}
    assert after.keys() == before.keys()


def test_two_workspaces_that_went_apart_do_not_drop_each_others_pictures(one: Publisher) -> None:
    two = one.copy("two")
    one.add(7, 8)
    one.run()
    two.add(9)
    refused(two, "another workspace: it has 2 pictures that this workspace has never seen")
    two.add(7, 8)
    two.run()
    assert two.latest.id == "000003"
    refused(one, "it has 1 picture that")
    one.replace()
    assert one.latest.id == "000004"


def test_an_older_copy_that_takes_the_same_pictures_in_publishes_on(one: Publisher) -> None:
    backup = one.copy("backup")
    one.add(7, 8)
    one.run()
    for seed in (8, 7):
        backup.add(seed)
        with tiny.job(backup.config) as held:
            steps.ingest(held)
    backup.add(9)
    backup.run()
    assert backup.latest.id == "000003"


def test_a_new_workspace_over_the_same_pictures_publishes_on(one: Publisher) -> None:
    shutil.rmtree(one.config.layout.root)
    one.add(7)
    one.run()
    assert one.latest.id == "000002"


def test_what_a_workspace_took_out_itself_leaves(one: Publisher) -> None:
    takedown.take_down(one.config, ["plant_id_2"], "asked for", "a test")
    one.run()
    assert one.latest.id == "000002"


def test_what_was_taken_down_elsewhere_does_not_come_back(one: Publisher) -> None:
    two = one.copy("two")
    takedown.take_down(one.config, ["plant_id_2"], "asked for", "a test")
    one.run()
    refused(two, "pictures were taken down for it that this workspace may publish again")


def test_after_a_rollback_the_same_workspace_publishes_on(one: Publisher) -> None:
    one.add(7)
    one.run()
    store = open_store(one.config.publish_url)
    snapshots.roll_back(store, "000001")
    snapshots.release(store)
    one.run()
    assert len(one.latest.files) == len(snapshots.read(store, "000002").files)


@pytest.mark.parametrize("damage", ["gone", "changed"])
def test_of_a_ledger_that_nobody_can_read_nothing_is_lost(one: Publisher, damage: str) -> None:
    two = one.copy("two")
    one.add(7)
    one.run()
    batch = next(file for file in one.latest.files if file.name == "ledger/plant/000002.parquet")
    path = Path(one.config.publish_url) / batch.key
    path.unlink() if damage == "gone" else path.write_bytes(bytes(batch.size_bytes))
    two.run()


def test_an_overtaken_publisher_is_refused_when_it_is_about_to_point(
    one: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = one.copy("two")
    one.add(7)
    two.add(9)
    send = publish.publish

    def late(*arguments: object, **options: object) -> publish.Published:
        monkeypatch.undo()
        one.run()
        return send(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(publish, "publish", late)
    with pytest.raises(ConfigError, match="it has 1 picture that this workspace has never seen"):
        two.run()
    assert two.latest.id == "000002"


def test_another_collection_is_refused_before_a_file_is_read(
    one: Publisher, tmp_path: Path, naturalist: Naturalist
) -> None:
    sources = {"plant": {"photos": tmp_path / "one" / "sources" / "plant"}}
    published = {"url": "../published"}
    path = tiny.config_file(tmp_path / "other", sources, name="other", publish=published)
    ended = naturalist("run", "-q", "-c", str(path))
    assert ended.code == 2
    assert "holds the collection 'tiny', not 'other': publish to another URL" in ended.err
    assert not (tmp_path / "other" / "work" / "ledger").exists()
    assert one.latest.about["collection"] == "tiny"
    ended = naturalist("run", "-q", "-c", str(path), "--accept-replacement")
    assert ended.code == 0
    assert f", to {tmp_path / 'published'}\n" in ended.out
    assert one.latest.about["collection"] == "other"
    refused(one, "holds the collection 'other', not 'tiny'")
    ended = naturalist("publish", "-q", "-c", str(path))
    assert ended.code == 0
