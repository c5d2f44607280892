"""Decisions that move pictures to the categories of their labels, where those changed.

An ingest stops when mapping or metadata of a source that feeds several categories disagree with the
ledger (`stages.ingest.routing`); these decisions, given to `naturalist review`, settle it.
"""

from collections.abc import Iterator

from naturalist.config import Config
from naturalist.curation.decisions import Decision
from naturalist.stages.ingest import routing
from naturalist.stages.ingest.resolve import Kind


def moves(config: Config) -> Iterator[Decision]:
    """A decision for each picture whose label gives another category, or none by now.

    Raises:
        ConfigError: metadata lack the column.
        SourceError: a metadata file is missing.
    """
    sources = routing.prepare(config.sources)
    found = routing.disagreements(config.layout, sources, config.names)
    for line, one in enumerate(found, start=2):
        note = "it has no label" if one.label is None else f"its label is {one.label}"
        if one.expected is None:
            yield Decision(line, one.pic_id, Kind.RETIRE, note=note)
        else:
            name = config.names[one.expected]
            yield Decision(line, one.pic_id, Kind.RELABEL, category=name, note=note)
