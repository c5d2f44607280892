"""Folders that commands begin with: small collections, each at some moment of its life."""

import zipfile
from pathlib import Path
from typing import Any

import tiny
from faults.striking import run_here
from naturalist.config import Config, load_config
from naturalist.pipeline import steps

COLLECTION = "collection"
ON_COLLECTION = ["-c", COLLECTION, "-q"]


def config_of(folder: Path) -> Config:
    """The configuration in a copy of the folder."""
    return load_config(folder / COLLECTION)


def make_collection(folder: Path, **more: Any) -> Config:
    """21 pictures in three categories, run and published into a folder; 4 more have come since.

    `more` replaces or adds sections of the configuration.
    """
    seeds = {"plant": range(7), "animal": range(100, 109), "human": range(200, 205)}
    tiny.make_sources(folder / "sources", seeds)
    own = folder / COLLECTION
    # Relative, so that a copy of the folder has sources of its own.
    sources = {category: {"photos": Path("../sources") / category} for category in seeds}
    tiny.config_file(own, sources, publish={"url": "../published"}, **more)
    config = load_config(own)
    tiny.make_all(config)
    for seed in range(20, 24):
        tiny.write_picture(folder / f"sources/plant/{seed:04d}.png", seed)
    return config


def make_sources(folder: Path, mode: str) -> None:
    """A collection that nothing was made of yet: folders, an archive, a duplicate."""
    seeds = {"plant": range(6), "animal": range(100, 104)}
    tiny.make_sources(folder / "sources", seeds)
    tiny.write_picture(folder / "sources/plant/again/0.png", 0)
    with zipfile.ZipFile(folder / "sources/meadow.zip", "w") as archive:
        for seed in range(20, 24):
            archive.writestr(f"{seed}.png", tiny.picture(seed))
    sources = {
        "plant": {"photos": Path("../sources/plant"), "meadow": Path("../sources/meadow.zip")},
        "animal": {"photos": Path("../sources/animal")},
    }
    more = {"publish": {"url": "../published"}, "images": {"mode": mode}}
    tiny.config_file(folder / COLLECTION, sources, **more)


def make_ingested(folder: Path) -> None:
    """Pictures that have ids and places, and nothing else yet."""
    make_sources(folder, "copy")
    tiny.ingest(config_of(folder))


def make_extracted(folder: Path) -> None:
    """Pictures that have features, and no tables yet."""
    make_ingested(folder)
    with tiny.job(config_of(folder)) as held:
        steps.extract_features(held)
        steps.verify_features(held)


def make_snapshots(folder: Path) -> None:
    """A collection that was published three times, and grew each time."""
    config = make_collection(folder)
    tiny.make_all(config)
    tiny.write_picture(folder / "sources/animal/more.png", 300)
    tiny.make_all(config)


def make_pulled(folder: Path) -> None:
    """A collection that was pulled, and published once more since."""
    config = make_collection(folder)
    _do(folder, "pull", "published", "here", "-q")
    tiny.make_all(config)


def make_trained(folder: Path) -> None:
    """A collection with a classifier; its tables grew since."""
    config = make_collection(folder)
    _do(folder, "train", *ON_COLLECTION)
    tiny.make_all(config)


def make_mapped(folder: Path) -> None:
    """A collection with a map; its tables grew since."""
    config = make_collection(folder)
    _do(folder, "map", *ON_COLLECTION)
    tiny.make_all(config)


def _do(folder: Path, *arguments: str) -> None:
    ended = run_here(list(arguments), folder)
    assert ended.code == 0, ended.err
