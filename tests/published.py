"""A tiny collection that is really run and published, for tests of those who use it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import tiny
from naturalist import consume
from naturalist.config import Config
from naturalist.curation import takedown
from naturalist.stores import S3Options, Store, open_store

SEEDS = {"plant": range(7), "animal": range(100, 109)}


@dataclass
class PublishedCollection:
    """A published collection that can be added to and published again."""

    folder: Path
    url: str
    options: S3Options = field(default_factory=S3Options)
    pictures: str = "none"
    about_source: dict[str, str] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """Its configuration."""
        sources = {
            path.name: {"photos": path} for path in sorted((self.folder / "sources").iterdir())
        }
        section = {
            "url": self.url,
            "pictures": self.pictures,
            "endpoint_url": self.options.endpoint_url or "",
            "region": self.options.region or "",
            "addressing": self.options.addressing,
        }
        values = tiny.settings(sources, publish=section)
        for category in values["category"]:
            category["source"][0] |= self.about_source
        return Config.model_validate(values).in_folder(self.folder)

    @property
    def store(self) -> Store:
        """Where it is published."""
        return open_store(self.url, self.options)

    @property
    def workspace(self) -> Path:
        """Where it is made."""
        return self.folder / "work"

    def add(self, category: str, seeds: Sequence[int]) -> None:
        """Add pictures to the source of a category, run, and publish."""
        tiny.make_sources(self.folder / "sources", {category: seeds})
        self.publish()

    def publish(self) -> None:
        """Run, and publish."""
        tiny.make_all(self.config)

    def take_down(self, *pic_ids: str) -> None:
        """Take pictures down, run, and publish."""
        takedown.take_down(self.config, pic_ids, "asked for", "a test")
        self.publish()

    def pull(
        self, folder: Path, snapshot: str | None = None, **chosen: tuple[str, ...]
    ) -> consume.Pulled:
        """Pull into a folder."""
        return consume.pull(self.store, folder, consume.Selection(**chosen), snapshot)
