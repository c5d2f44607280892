"""Taking fetched sets in one at a time, so that the disk holds one archive beside the pictures."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from naturalist.catalogue.records import release as release_set
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import ConfigError
from naturalist.ledger import SourceCounts
from naturalist.metadata.finding import find_files
from naturalist.pipeline import runner, steps
from naturalist.progress import Progress
from naturalist.reasons import Reason
from naturalist.stages.ingest.options import Mode, Source


@dataclass(frozen=True)
class TakenIn:
    """What became of one set.

    Attributes:
        counts: its files by outcome, of the batches that this call added.
        freed_bytes: bytes of the archive that was removed; 0 if it was kept.
    """

    counts: SourceCounts
    freed_bytes: int = 0


def sources_at(config: Config, path: Path) -> tuple[Source, ...]:
    """The sources of a configuration that a set is.

    Raises:
        ConfigError: there is none, or `images.mode` reads pictures where the set lies.
    """
    place = path.absolute()
    found = tuple(
        source
        for source in config.known_sources
        if isinstance(source.path, Path) and source.path.absolute() == place
    )
    if not found:
        raise ConfigError(
            f"the configuration has no source with the path {path}: add one, or pass the folder "
            "of its sources with --to"
        )
    return found


def check_releasable(config: Config, path: Path) -> None:
    """Check that pictures do not need the set once they were taken in.

    Raises:
        ConfigError: they stay where it lies.
    """
    if config.images.mode is Mode.REFERENCE and not path.name.endswith(".zip"):
        raise ConfigError(
            f'images.mode = "reference" reads pictures in {path}: it cannot be released. Choose '
            'images.mode = "copy"'
        )


def take_in(config: Config, path: Path, progress: Progress, *, release: bool) -> TakenIn:
    """Ingest the pictures of a set, and remove its archive if that is asked for.

    Raises:
        ConfigError: it is no source of the configuration.
        WorkspaceLocked: another process is writing.
    """
    sources = sources_at(config, path)
    with runner.opened(config.with_sources(sources), progress) as job:
        result = steps.ingest(job)
    counts = SourceCounts()
    for source in sources:
        counts += result.counts.get(source.category, {}).get(source.name, SourceCounts())
    if not release or _is_over_budget(config, counts, path, progress):
        return TakenIn(counts)
    return TakenIn(counts, _release(config, path, sources))


def _is_over_budget(config: Config, counts: SourceCounts, path: Path, progress: Progress) -> bool:
    """Whether too many files of a set could not be used: then somebody has to look into it."""
    failures = sum(n for reason, n in counts.refused.items() if Reason(reason).is_failure)
    pictures = counts.accepted + counts.duplicate + counts.conflict + failures
    if failures <= config.failure_budget * pictures:
        return False
    progress.note(
        f"{path} is kept: {failures:,} of {counted(pictures, 'picture')} failed, more than "
        "failure_budget "
        "allows. See them with `naturalist ledger --refused`"
    )
    return True


def _release(config: Config, path: Path, sources: tuple[Source, ...]) -> int:
    names = {(source.category, source.name) for source in sources}
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".metadata-") as folder:
        kept = dict(_metadata_files(config, names, Path(folder)))
        return release_set(path, dt.datetime.now(dt.UTC).isoformat(timespec="seconds"), kept)


def _metadata_files(
    config: Config, names: set[tuple[str, str]], scratch: Path
) -> Iterator[tuple[str, Path]]:
    """Files inside a set that rows of metadata are read from, by their paths in it."""
    for rules in config.metadata_rules:
        if (rules.category, rules.source) not in names:
            continue
        for rule in rules.files:
            for file in find_files(rules, rule, scratch):
                if not Path(file.name).is_absolute():
                    yield file.name, file.path
