"""Compares what commands print with `--json` with the schemas that the documentation shows."""

from functools import cache
from typing import Any

from jsonschema import Draft202012Validator, validate
from pydantic import TypeAdapter

from naturalist.api.reports import Envelope, of_command, schema_of

ENVELOPE = set(Envelope.__annotations__)


def assert_documented(document: dict[str, Any]) -> None:
    """The document of a command is as one of its schemas says; that of an error has no more keys.

    Every key that is printed is declared, at any depth, and every required key is printed.
    """
    if not set(document) - ENVELOPE:
        validate(document, _closed(TypeAdapter(Envelope).json_schema()))
        assert "error" in document
        return
    faults = {name: faults_of(name, document) for name in of_command(document["command"])}
    assert not all(faults.values()), faults


def faults_of(name: str, document: dict[str, Any]) -> list[str]:
    """What is wrong with a document as one of a kind."""
    errors = _validator(name).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in errors]


@cache
def _validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_closed(schema_of(name)))


def _closed(schema: Any) -> Any:
    """A schema whose objects have no other keys than those that it declares."""
    if isinstance(schema, list):
        return [_closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _closed(one) for key, one in schema.items()}
    return {"additionalProperties": False} | result if "properties" in result else result
