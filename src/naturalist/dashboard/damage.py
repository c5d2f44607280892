"""What of a place cannot be read, of everything that its pages show.

Each file is looked at as its page does, but of tables the footer alone: `naturalist verify` reads
all bytes.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from naturalist import artifacts, sealed_json
from naturalist.curation.reviewing.journal import Journal
from naturalist.dashboard.collection import Collection
from naturalist.errors import WorkspaceError
from naturalist.layout import REVIEW_VIEWS_ADVICE, Layout


def damaged(place: Collection, runs: list[Path], journal: Journal) -> list[str]:
    """What is wrong with each file that cannot be read, and what to do about it.

    Args:
        place: whose files.
        runs: the reports of runs that are shown.
        journal: of its reviewers.
    """
    layout = place.layout
    documents = [*runs, *_documents(layout)]
    return [
        *_faults(documents, artifacts.read_json),
        *_faults(_tables(layout), artifacts.read_parquet_metadata),
        *_faults([layout.review_journal], lambda _: journal.history()),
        *_faults([layout.review_views], _read_views),
    ]


def _documents(layout: Layout) -> Iterator[Path]:
    yield from sorted(layout.drift("x").parent.glob("*.json"))
    yield layout.verification
    yield from sorted(layout.clusterings.glob("*/clusters.json"))
    yield from sorted(layout.maps.glob("*/map.json"))
    yield layout.champion
    yield from sorted(layout.models.glob("*/evaluation.json"))
    yield layout.reviewers


def _tables(layout: Layout) -> Iterator[Path]:
    yield from sorted(layout.clusterings.glob("*/members.parquet"))
    yield from sorted(layout.maps.glob("*/points.parquet"))
    yield layout.label_issues
    yield layout.near_duplicates


def _read_views(path: Path) -> None:
    try:
        sealed_json.read(path)
    except WorkspaceError as error:
        raise WorkspaceError(f"{path} is damaged: {REVIEW_VIEWS_ADVICE}") from error


def _faults(paths: list[Path] | Iterator[Path], read: Callable[[Path], Any]) -> Iterator[str]:
    for path in paths:
        try:
            if path.exists():
                read(path)
        except WorkspaceError as error:
            yield str(error)
