"""What a workspace holds now.

Costs summaries and receipts, and rows only of batches that no run has compared with their summary.
"""

from collections.abc import Iterator
from typing import Any

from typing_extensions import TypedDict

from naturalist import artifacts, backbones, categories, ledger
from naturalist.config import Config
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.ledger import SourceCounts
from naturalist.pipeline.input_warnings import input_warnings
from naturalist.pipeline.severities import run_document
from naturalist.running import lock, workspace
from naturalist.stages import extract, tables
from naturalist.studies.classifier import champions


class SourceStatus(TypedDict):
    """Files by outcome: accepted + duplicates + conflicts + the refused = seen."""

    seen: int
    accepted: int
    duplicates: int
    conflicts: int
    refused: dict[str, int]
    unpacked: int
    relabelled: int


class CategoryStatus(SourceStatus):
    """The same for a category, and what was made of its pictures."""

    label: int
    features: int
    tables: int
    table_rows: int
    sources: dict[str, SourceStatus]


class CollectionStatus(TypedDict):
    """What a workspace holds; `last_run` is the report of the last run that changed something."""

    collection: str
    workspace: str
    running: bool
    batches: int
    backbone: str
    categories: dict[str, CategoryStatus]
    retired_categories: list[str]
    warnings: list[str]
    last_run: dict[str, Any] | None


def collection_status(config: Config) -> CollectionStatus:
    """Counts of a collection by category, and what was done last.

    Raises:
        WorkspaceError: nothing has been made yet.
    """
    layout = config.layout
    workspace.reading(layout)
    spec = backbones.describe(config.extract.backbone)
    runs = sorted(layout.runs.glob("[0-9]*.json"))
    return {
        "collection": config.name,
        "workspace": str(layout.root),
        "running": lock.is_locked(layout),
        "batches": ledger.last_batch(layout),
        "backbone": spec.id,
        "categories": {
            section.name: _category(layout, key, section.label, spec)
            for key, section in config.active.items()
        },
        "retired_categories": _retired(layout),
        "warnings": [
            *_ledger_faults(layout),
            *input_warnings(config),
            *_model_warnings(layout),
        ],
        "last_run": run_document(artifacts.read_json(runs[-1])) if runs else None,
    }


def _ledger_faults(layout: Layout) -> list[str]:
    """Why the counts are not to be believed, as the next run will say."""
    if lock.is_locked(layout) or layout.pending.exists():
        return []
    result = list(ledger.faults(layout))
    # Of a batch that is being committed, half is there.
    return [] if lock.is_locked(layout) else result


def _model_warnings(layout: Layout) -> Iterator[str]:
    champion = champions.champion(layout)
    if champion is None:
        return
    try:
        champions.check_answers(layout, champion, champions.retired_answers(layout, champion))
    except ConfigError as error:
        yield f"predict has no classifier: {error}"


def _retired(layout: Layout) -> list[str]:
    return [one.name for one in categories.read(layout).known if not one.is_active]


def _category(
    layout: Layout, category: str, label: int, spec: backbones.BackboneSpec
) -> CategoryStatus:
    counts = ledger.counts(layout, category)
    total = sum(counts.values(), SourceCounts())
    finished = tables.done_tables(layout, category)
    return {
        "label": label,
        **counts_as_json(total),
        "features": sum(part.rows for part in extract.parts(layout, category, spec)),
        "tables": len(finished),
        "table_rows": sum(receipt.rows for _, receipt in finished),
        "sources": {source: counts_as_json(one) for source, one in counts.items()},
    }


def counts_as_json(counts: SourceCounts) -> SourceStatus:
    """Counts by outcome as JSON values; accepted + duplicates + conflicts + refused = seen."""
    return {
        "seen": counts.seen,
        "accepted": counts.accepted,
        "duplicates": counts.duplicate,
        "conflicts": counts.conflict,
        "refused": counts.refused,
        "unpacked": counts.unpacked,
        "relabelled": counts.relabelled,
    }
