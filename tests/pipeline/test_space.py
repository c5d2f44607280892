"""What a run will write is compared with what is free before the first file is read."""

import dataclasses
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.tiny import collection, job, make_all, make_sources

from naturalist.config import Config
from naturalist.errors import StorageFull
from naturalist.pipeline import publishing, runner, steps
from naturalist.progress import Silent
from naturalist.stages.ingest import roots

LARGE = 50 << 20


class Heard:
    """Keeps what was noted."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def __getattr__(self, _name: str) -> object:
        return lambda *_args, **_more: None


def large(path: Path) -> Path:
    """A file of 50 MB that takes no space."""
    with path.open("wb") as file:
        file.truncate(LARGE)
    return path


def with_large_file(folder: Path, name: str = "large.png", **more: object) -> Config:
    sources = make_sources(folder / "sources", {"plant": [1]})
    large(sources["plant"]["photos"] / name)
    return collection(folder, sources, **more)


@pytest.fixture
def _free(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    usage = shutil.disk_usage(tmp_path)
    free = usage._replace(free=request.param)
    monkeypatch.setattr(roots.shutil, "disk_usage", lambda _path: free)


def ingest(config: Config, **more: bool) -> list[str]:
    heard = Heard()
    with job(config) as held:
        steps.ingest(dataclasses.replace(held, progress=heard), **more)
    return [note for note in heard.notes if "without space" in note]


copied = {"images": {"mode": "copy"}}


@pytest.mark.parametrize("_free", [LARGE // 3], indirect=True)
@pytest.mark.usefixtures("_free")
def test_copies_that_do_not_fit_are_refused_before_a_file_is_read(tmp_path: Path) -> None:
    config = with_large_file(tmp_path, **copied)
    expected = r"needs about 52\.5 MB on the drive of .*work, where 17\.5 MB are free: free some"
    with pytest.raises(StorageFull, match=expected):
        ingest(config)
    assert not list(config.layout.ledger.rglob("*.parquet"))
    assert not ingest(config, accept_low_space=True)


@pytest.mark.parametrize("_free", [LARGE], indirect=True)
@pytest.mark.usefixtures("_free")
def test_a_drive_that_is_nearly_too_small_is_a_warning(tmp_path: Path) -> None:
    (note,) = ingest(with_large_file(tmp_path, **copied))
    assert note.startswith("warning: this run needs about 52.5 MB")


@pytest.mark.parametrize("_free", [LARGE // 3], indirect=True)
@pytest.mark.usefixtures("_free")
@pytest.mark.parametrize("mode", ["auto", "hardlink", "move", "reference"])
def test_links_and_references_need_no_space(tmp_path: Path, mode: str) -> None:
    assert not ingest(with_large_file(tmp_path, images={"mode": mode}))


@pytest.mark.parametrize("_free", [LARGE // 3], indirect=True)
@pytest.mark.usefixtures("_free")
@pytest.mark.parametrize("name", ["film.mp4", "large.csv", "README"])
def test_files_that_are_no_pictures_need_no_space(tmp_path: Path, name: str) -> None:
    assert not ingest(with_large_file(tmp_path, name, **copied))


@pytest.mark.parametrize("_free", [LARGE // 3], indirect=True)
@pytest.mark.usefixtures("_free")
def test_archives_are_unpacked_even_where_pictures_are_only_referenced(tmp_path: Path) -> None:
    sources = make_sources(tmp_path / "sources", {"plant": [1]})
    with zipfile.ZipFile(sources["plant"]["photos"] / "all.zip", "w") as archive:
        archive.write(large(tmp_path / "large.png"), "large.png")
    with pytest.raises(StorageFull, match="needs about"):
        ingest(collection(tmp_path, sources, images={"mode": "reference"}))


@pytest.mark.parametrize("_free", [LARGE], indirect=True)
@pytest.mark.usefixtures("_free")
def test_all_batches_of_a_run_are_counted_and_folders_are_looked_at_again(tmp_path: Path) -> None:
    sources = make_sources(tmp_path / "sources", {"plant": [1, 2, 3]})
    for number in range(4):
        large(sources["plant"]["photos"] / f"large{number}.png")
    batches = {"ingest": {"files_per_batch": 2, "files_per_task": 1}}
    config = collection(tmp_path, sources, **copied, **batches)
    with pytest.raises(StorageFull, match=r"needs about 209\.\d MB"):
        ingest(config)
    assert not ingest(config, accept_low_space=True)
    assert not ingest(config)


@pytest.mark.parametrize("_free", [LARGE // 3], indirect=True)
@pytest.mark.usefixtures("_free")
def test_pictures_that_are_published_to_a_folder_need_space_there(tmp_path: Path) -> None:
    publish = {"url": "published", "pictures": "tars"}
    with pytest.raises(StorageFull, match=r"publish\.url"):
        ingest(with_large_file(tmp_path, publish=publish))
    assert not ingest(with_large_file(tmp_path / "other", publish=publish | {"pictures": "none"}))


def made_and_not_published(folder: Path) -> tuple[Config, Config]:
    """A collection of three pictures of 270 kB, published with them and without."""
    sources = make_sources(folder / "sources", {"plant": [1]})
    for seed in range(3):
        pixels = np.random.default_rng(seed).integers(0, 256, (300, 300, 3), np.uint8)
        Image.fromarray(pixels).save(sources["plant"]["photos"] / f"noise{seed}.png")
    make_all(collection(folder, sources))
    with_them, without = (
        collection(folder, sources, publish={"url": "published", "pictures": form})
        for form in ("tars", "none")
    )
    return with_them, without


def test_what_earlier_runs_took_in_needs_space_where_it_is_published(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, without = made_and_not_published(tmp_path)
    usage = shutil.disk_usage(tmp_path)._replace(free=300_000)
    monkeypatch.setattr(roots.shutil, "disk_usage", lambda _path: usage)
    with pytest.raises(StorageFull, match="publishing needs about"):
        runner.run(config, Silent(), runner.RunOptions())
    with (
        job(config) as held,
        pytest.raises(StorageFull, match=r"publishing needs about .*publish\.url"),
    ):
        publishing.publish_snapshot(held)
    assert not list(config.layout.root.rglob("*.tar"))
    assert not (tmp_path / "published").exists()
    with job(without) as held:
        assert publishing.publish_snapshot(held) is not None
    usage = usage._replace(free=900_000)
    heard = Heard()
    with job(config) as held:
        publishing.publish_snapshot(dataclasses.replace(held, progress=heard))
    assert [note for note in heard.notes if "without space" in note]
    heard = Heard()
    with job(config) as held:
        publishing.publish_snapshot(dataclasses.replace(held, progress=heard))
    assert not [note for note in heard.notes if "without space" in note]
