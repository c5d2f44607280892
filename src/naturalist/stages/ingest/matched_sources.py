"""Where the sources are that no line of the configuration names: those that a pattern matched.

The workspace remembers them, because pictures may be read in them (mode `reference`, or a batch
that was stopped) when the pattern no longer matches them.
"""

from collections.abc import Iterable
from pathlib import Path

from naturalist import artifacts
from naturalist.layout import Layout
from naturalist.stages.ingest.options import Source


def remember(layout: Layout, sources: Iterable[Source]) -> None:
    """Add sources; the latest path of a name holds."""
    merged = {(source.category, source.name): source for source in (*recall(layout), *sources)}
    if merged:
        value: dict[str, dict[str, str]] = {}
        for (category, name), source in sorted(merged.items()):
            value.setdefault(category, {})[name] = str(source.path)
        artifacts.write_json(layout.matched_sources, value)


def recall(layout: Layout) -> tuple[Source, ...]:
    """Every source that was remembered."""
    value = artifacts.read_json(layout.matched_sources) or {}
    return tuple(
        Source(category, name, Path(path))
        for category, named in value.items()
        for name, path in named.items()
    )
