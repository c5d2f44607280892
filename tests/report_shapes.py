"""Compares what a study reports with what its room declares."""

import json
from typing import Any

from pydantic import TypeAdapter


def assert_declared(shape: Any, report: Any) -> None:
    """The JSON of a report has every declared key, and no other, each of its type."""
    found = json.loads(json.dumps(report))
    # Keys that are not declared are left out of what comes back, at any depth.
    known = TypeAdapter(shape).validate_python(found, strict=True)
    if isinstance(found, dict):
        found = {key: value for key, value in found.items() if known.pop(key, None) != value}
        assert not known, known
    else:
        found = [one for one, other in zip(found, known, strict=True) if one != other]
    assert not found, found
