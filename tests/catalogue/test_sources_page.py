"""The example of docs/sources.md runs as it is written, on real sets in Kaggle's layouts."""

import os
import shutil
from pathlib import Path

import pytest

import naturalist
from catalogue.hosts import serving, zipped
from naturalist import snapshots
from naturalist.stores import open_store
from page_examples import examples, run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "sources.md"
_NAMES = "class id,filepaths,labels,data set,scientific name\n"


def _birds(source: Path, folder: Path) -> Path:
    """Some of the birds, and all rows of the CSV file, which has a line of names at Kaggle."""
    folder.mkdir()
    (folder / "birds.csv").write_text(_NAMES + (source / "birds.csv").read_text())
    for species in sorted((source / "valid").iterdir())[:4]:
        shutil.copytree(species, folder / "valid" / species.name)
    return folder


def _butterflies(source: Path, folder: Path) -> Path:
    for split in ("train", "test"):
        for species in sorted((source / split).iterdir())[:4]:
            shutil.copytree(species, folder / split / species.name)
    return folder


@pytest.mark.filterwarnings("ignore:unclosed")
def test_from_fetching_to_the_species_of_what_is_published(photos: Path, tmp_path: Path) -> None:
    more = photos.parent / "photos2" / "animal"
    if not more.is_dir():
        pytest.skip(f"needs the photos in {more}")
    birds = _birds(more / "Sparcraps+Gob-Game-of-Bird", tmp_path / "birds")
    butterflies = _butterflies(more / "pilicorredor+inteligencia", tmp_path / "butterflies")
    work = tmp_path / "work"
    work.mkdir()
    with serving() as host:
        host.sets["gpiosenka/100-bird-species"] = [zipped(birds)]
        host.sets["pilicorredor/inteligencia"] = [zipped(butterflies)]
        surroundings = os.environ | {
            "KAGGLE_API_ENDPOINT": host.url, "KAGGLE_CONFIG_DIR": str(tmp_path),
        }  # fmt: skip
        for example in examples(PAGE):
            run(example, work, surroundings)
    store = open_store(str(work / "published"))
    assert any(file.part == "metadata" for file in snapshots.read(store).files)
    rows = naturalist.load(work / "published", columns=["species", "split"]).arrow().to_pylist()
    assert len(rows) == len(list(birds.rglob("*.jpg"))) + len(list(butterflies.rglob("*.jpg")))
    kept = {path.parent.name for folder in (birds, butterflies) for path in folder.rglob("*.jpg")}
    assert {row["species"] for row in rows} == kept
    assert {row["split"] for row in rows} == {"train", "valid", "test"}
