"""Sets are fetched, ingested and released one at a time, and the collection misses nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from catalogue.hosts import Host, serving, zipped
from cli.conftest import Naturalist, naturalist
from naturalist import artifacts
from naturalist.config import load_config

__all__ = ["naturalist"]

BIRDS = "gpiosenka/100-bird-species"
FLOWERS = "alxmamaev/flowers-recognition"


def _birds(folder: Path, first: int, count: int) -> Path:
    rows = ["filepaths,labels"]
    for seed in range(first, first + count):
        species = ("OWL", "KITE")[seed % 2]
        tiny.write_picture(folder / "train" / species / f"{seed}.png", seed)
    rows += [
        f"{path.relative_to(folder).as_posix()},{path.parent.name.title()}"
        for path in sorted(folder.rglob("*.png"))
    ]
    (folder / "birds.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-kaggle"))
    flowers = tmp_path / "flowers"
    for seed in range(3):
        tiny.write_picture(flowers / "daisy" / f"{seed}.png", 500 + seed)
    with serving() as server:
        server.sets[BIRDS] = [zipped(_birds(tmp_path / "birds", 0, 4))]
        server.sets[FLOWERS] = [zipped(flowers)]
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", server.url)
        yield server


@pytest.fixture
def garden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    sources = {
        "animal": {"birds": Path("sources/animal/gpiosenka+100-bird-species.zip")},
        "plant": {"flowers": Path("sources/plant/alxmamaev+flowers-recognition.zip")},
    }
    path = tiny.config_file(tmp_path, sources, publish={"url": "published"})
    section = 'metadata = [{"file" = "birds.csv", rename = {labels = "species"}}]'
    path.write_text(path.read_text().replace('species.zip"', f'species.zip", {section}'))
    return tmp_path


FETCH = ("sources", "fetch", "100-bird-species", "flowers-recognition")
TAKE_IN = (*FETCH, "--ingest", "--release", "-c", ".", "--json")


def test_sets_are_released_one_after_another(
    host: Host, garden: Path, naturalist: Naturalist
) -> None:
    done = naturalist(*TAKE_IN).json["rows"]
    assert [one["ingested"]["accepted"] for one in done] == [4, 3]
    assert all(one["freed_bytes"] for one in done)
    assert not list(garden.glob("sources/*/[!.]*.zip"))
    tiny.make_all(load_config(garden))
    rows = artifacts.read_parquet(next(garden.glob("work/metadata/animal/*.parquet"))).to_pylist()
    assert sorted(row["species"] for row in rows) == ["Kite", "Kite", "Owl", "Owl"]
    status = naturalist("sources", "status", "--json").json["rows"]
    assert all(one["released_at"] for one in status)
    # Nothing is fetched twice, and nothing is missing for a run.
    asked = len(host.paths("/storage/"))
    naturalist(*TAKE_IN)
    assert len(host.paths("/storage/")) == asked
    assert naturalist("run", "-c", ".").code == 0


def test_a_newer_version_of_a_released_set_adds_what_is_new(
    host: Host,
    garden: Path,
    naturalist: Naturalist,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    naturalist(*TAKE_IN)
    ids = {row["path_text"]: row["pic_id"] for row in tiny.ledger_rows(load_config(garden))}
    host.sets[BIRDS].append(zipped(_birds(tmp_path / "birds", 4, 2)))
    done = naturalist(*TAKE_IN, "--newest").json["rows"]
    assert done[0]["ingested"]["accepted"] == 2
    assert "ingested" not in done[1]
    after = {row["path_text"]: row["pic_id"] for row in tiny.ledger_rows(load_config(garden))}
    assert after.items() >= ids.items()
    assert len(after) == len(ids) + 2


def test_a_set_with_too_many_broken_pictures_is_kept(
    host: Host,
    garden: Path,
    naturalist: Naturalist,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    broken = tmp_path / "flowers" / "daisy" / "broken.png"
    broken.write_bytes(tiny.picture(7)[:20])
    host.sets[FLOWERS] = [zipped(tmp_path / "flowers")]
    result = naturalist(*TAKE_IN)
    done = result.json["rows"]
    assert (done[0]["freed_bytes"] > 0, done[1]["freed_bytes"]) == (True, 0)
    assert [path.name for path in garden.glob("sources/*/[!.]*.zip")] == [
        "alxmamaev+flowers-recognition.zip"
    ]
    assert "is kept: 1 of 4 pictures" in result.err


def test_mistakes_are_said_before_anything_is_fetched(
    host: Host, garden: Path, naturalist: Naturalist
) -> None:
    assert naturalist(*FETCH, "--release").code == 2
    wrong = naturalist("sources", "fetch", "104-flowers", "--ingest", "-c", ".")
    assert wrong.code == 2
    assert "the configuration has no source with the path" in wrong.err
    assert host.asked == []
