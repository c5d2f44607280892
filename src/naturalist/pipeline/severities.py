"""Errors and warnings, as commands say them, of what files call hard and soft.

Published and stored reports keep their words, since files do not change once they are written.
"""

from collections.abc import Mapping
from typing import Any

_KEYS = {"hard": "errors", "soft": "warnings"}
_SEVERITIES = {"hard": "error", "soft": "warning"}
_STAGES = frozenset({"rolling", "verify-features", "verify-tables"})
"""Stages of a run that tell what checks found; facts of others may have names of categories."""


def verification_document(report: Mapping[str, Any]) -> dict[str, Any]:
    """What `naturalist verify` prints of `reports/verification.json`."""
    by_category = {"categories": report["categories"]}
    found: dict[str, Any] = _in_words(report)
    return found | by_category


def run_document(report: Any) -> Any:
    """What commands print of the report of a run; one that is damaged is printed as it is."""
    stages = report.get("stages") if isinstance(report, Mapping) else None
    if not isinstance(stages, Mapping):
        return report
    printed = {name: _in_words(one) if name in _STAGES else one for name, one in stages.items()}
    return {**report, "stages": printed}


def health_document(health: Mapping[str, Any]) -> dict[str, Any]:
    """What assistants are told of the page Health."""
    runs = [run_document(one) for one in health["runs"]]
    return {**health, "runs": runs, "verification": _in_words(health["verification"])}


def _in_words(value: Any) -> Any:
    """The same value with other words for keys and severities, at any depth."""
    if isinstance(value, Mapping):
        return {_KEYS.get(key, key): _value(key, one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_in_words(one) for one in value]
    return value


def _value(key: str, value: Any) -> Any:
    if key == "severity" and isinstance(value, str):
        return _SEVERITIES.get(value, value)
    return _in_words(value)
