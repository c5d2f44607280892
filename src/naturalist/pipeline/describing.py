"""What a snapshot says of a collection beside its files: categories, sources, backbone."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from naturalist import backbones, ledger
from naturalist.config import Config, SourceSection, patterns
from naturalist.stages import publish, tables


def describe(config: Config) -> dict[str, Any]:
    """Everything that `publish.about` says of the collection as it is now."""
    rows = {
        name: sum(receipt.rows for _, receipt in tables.done_tables(config.layout, key))
        for key, name in config.names.items()
    }
    labels = {section.name: section.label for section in config.active.values()}
    keys = {name: key for key, name in config.names.items()}
    spec = backbones.describe(config.extract.backbone)
    columns = publish.published_columns(config.layout, config.publish.columns)
    return publish.about(
        config.name, labels, rows, spec, list(_sources(config)), columns, keys=keys
    )


def _sources(config: Config) -> Iterator[dict[str, Any]]:
    """Every source that the ledger knows, with its accepted pictures, origin and licence."""
    for key, category in config.active.items():
        counts = ledger.counts(config.layout, key)
        for name in sorted(counts):
            section = _section_of(category.source, name) or _section_elsewhere(config, name)
            yield {
                "category": category.name,
                "name": name,
                "pictures": counts[name].accepted,
                "origin": section.origin if section else "",
                "licence": section.licence if section else "",
            }


def _section_elsewhere(config: Config, name: str) -> SourceSection | None:
    """The section of a source of several categories, or of another one, before relabelling."""
    every = (config.source, *(category.source for category in config.category))
    found = (_section_of(sections, name) for sections in every)
    return next(filter(None, found), None)


def _section_of(sections: Sequence[SourceSection], name: str) -> SourceSection | None:
    """The section of a source: that of its name, or of the pattern that found it."""
    result = [
        section
        for section in sections
        if name == section.name
        or (
            name.startswith(f"{section.name}-")
            and isinstance(section.path, Path)
            and patterns.is_pattern(section.path)
        )
    ]
    return max(result, key=lambda section: len(section.name), default=None)
