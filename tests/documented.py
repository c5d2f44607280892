"""Compares what commands print with `--json` with the schemas that the documentation shows."""

from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from naturalist.api.reports import REPORTS, of_command

ENVELOPE = {"envelope", "command", "ok", "outputs", "error"}
SECOND_NAMES = {"pic_id", "path", "created_at"}


def assert_documented(document: dict[str, Any]) -> None:
    """The document of a command has keys and values of one of its schemas; errors have none."""
    if not set(document) - ENVELOPE:
        assert "error" in document
        return
    faults = {name: _fault(name, document) for name in of_command(document["command"])}
    assert not all(faults.values()), faults


def _fault(name: str, document: dict[str, Any]) -> str:
    """What is wrong with a document as one of a kind; empty if nothing is."""
    try:
        _adapter(name).validate_python(document)
    except ValidationError as error:
        return str(error)
    declared = _adapter(name).json_schema(mode="serialization")["properties"]
    more = set(document) - set(declared) - ENVELOPE - SECOND_NAMES
    return f"keys that are not declared: {sorted(more)}" if more else ""


@cache
def _adapter(name: str) -> TypeAdapter[Any]:
    return TypeAdapter(REPORTS[name])
