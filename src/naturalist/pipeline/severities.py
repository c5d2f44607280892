"""Errors and warnings, as commands say them, of what files call hard and soft.

Published and stored reports keep their words, since files do not change once they are written.
"""

from collections.abc import Mapping
from typing import Any

_LISTS = {"hard": "errors", "soft": "warnings"}
_SEVERITIES = {"hard": "error", "soft": "warning"}


def verification_document(report: Mapping[str, Any]) -> dict[str, Any]:
    """What `naturalist verify` prints of `reports/verification.json`."""
    result = _in_words(report)
    result["checks"] = _in_words(report["checks"])
    for kind in _LISTS.values():
        result[kind] = [_finding(one) for one in result[kind]]
    if repaired := report.get("repaired"):
        left = [_finding(one) for one in repaired["left"]]
        result["repaired"] = {**repaired, "left": left}
    return result


def run_document(report: Mapping[str, Any]) -> dict[str, Any]:
    """What commands print of the report of a run."""
    return {**report, "stages": {name: _stage(one) for name, one in report["stages"].items()}}


def _stage(facts: Mapping[str, Any]) -> dict[str, Any]:
    result = _in_words(facts)
    if "damaged" in facts:
        result["damaged"] = [_finding(one) for one in facts["damaged"]]
    return result


def _in_words(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {_LISTS.get(key, key): value for key, value in facts.items()}


def _finding(verdict: Mapping[str, Any]) -> dict[str, Any]:
    return {**verdict, "severity": _SEVERITIES[verdict["severity"]]}
