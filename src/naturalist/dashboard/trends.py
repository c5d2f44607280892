"""What runs recorded, as numbers that can be drawn over time."""

from collections.abc import Iterable, Mapping
from typing import Any

from naturalist.dashboard.alerts import seconds_per_picture
from naturalist.dashboard.report import RunTrend
from naturalist.stores.prices import Prices


def trends(runs: Iterable[Mapping[str, Any]], prices: Prices | None) -> list[RunTrend]:
    """A row for each run, oldest first; None for what a run did not do or older ones did not note.

    Args:
        runs: reports of runs, each with its `number`.
        prices: of the store that is published to; None without one.
    """
    return [_trend(run, prices) for run in runs]


def _trend(run: Mapping[str, Any], prices: Prices | None) -> RunTrend:
    stages = run.get("stages", {})
    seen, refused = _taken_in(stages.get("ingest", {}).get("added", {}))
    pace = seconds_per_picture(run)
    published = (stages.get("publish") or {}).get("size_bytes")
    return {
        "number": run["number"],
        "at": run.get("started_at"),
        "is_good": run.get("outcome") == "done",
        "pictures_per_s": 1 / pace if pace else None,
        "seen": seen,
        "refused": refused,
        "published_bytes": published,
        "storage_month": prices.month(published) if prices and published else None,
        "free_bytes": run.get("free_bytes"),
    }


def _taken_in(added: Mapping[str, Mapping[str, Any]]) -> tuple[int | None, int | None]:
    """Files that a run saw and that it refused; None if it saw none."""
    seen = sum(one.get("seen", 0) for one in added.values())
    refused = sum(sum(one.get("refused", {}).values()) for one in added.values())
    return (seen, refused) if seen else (None, None)
