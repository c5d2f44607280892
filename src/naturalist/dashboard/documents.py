"""Documents that both the server and an exported folder give."""

import math
from typing import Any

from naturalist import __version__
from naturalist.dashboard import studies
from naturalist.dashboard.context import DashboardContext


def about(context: DashboardContext) -> dict[str, Any]:
    """What is shown, and what it has."""
    place = context.place
    return {
        "collection": place.name,
        "kind": place.kind,
        "address": place.address,
        "snapshot": place.snapshot,
        "version": __version__,
        "categories": [
            {"name": place.titles[key], "key": key, "label": label}
            for key, label in place.labels.items()
        ],
        "maps": context.maps.names(),
        "clusterings": studies.clusterings(place),
        "similar": context.similar.offered,
        "drop": context.similar.offered and place.config is not None,
        "changes": context.changes.offered,
        "large": place.config is not None,
        "samples": studies.samples(place),
    }


def clean(value: Any) -> Any:
    """The same value with null for NaN and infinities."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): clean(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [clean(one) for one in value]
    return value
