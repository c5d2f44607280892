"""Keys of the documents that commands print: one key for a thing, whatever files call it.

Files of a workspace and published files keep the keys that they were written with. A document that
is made of them has the keys of docs/json.md: `printed` changes values, `printed_schema` the JSON
schema of their type, by the same rules.
"""

from collections.abc import Mapping
from typing import Any

ENVELOPE = 1
"""Version of the keys that every document has (docs/json.md)."""
ROWS = "rows"
"""What a command lists, in every document with a list of its own."""
SECOND_KEYS: Mapping[str, str] = {"picID": "pic_id", "path_text": "path", "made_at": "created_at"}
"""The key that a value at any depth has beside its older one; those go with version 1.0."""
# What reports that are stored, or that the pages of the dashboard read too, call their list.
_LISTS = frozenset({"changes", "entries", "findings", "listed"})


def printed(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report with the keys of documents.

    At the top the list of what was found is `rows`, and a number of rows is `row_count`.
    """
    renamed = {_key(key, isinstance(value, int)): value for key, value in report.items()}
    named: dict[str, Any] = with_second_keys(renamed)
    return named


def with_second_keys(value: Any) -> Any:
    """The same value, where a thing with an older key has the common one too, at any depth."""
    if isinstance(value, Mapping):
        return _doubled({key: with_second_keys(one) for key, one in value.items()})
    if isinstance(value, list | tuple):
        return [with_second_keys(one) for one in value]
    return value


def printed_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of what `printed` makes of values of a schema."""
    kinds = schema["properties"]
    keys = {key: _key(key, kind.get("type") == "integer") for key, kind in kinds.items()}
    renamed = {
        **schema,
        "properties": {keys[key]: kind for key, kind in kinds.items()},
        "required": [keys[key] for key in schema.get("required", ())],
    }
    doubled: dict[str, Any] = _with_second_properties(renamed)
    return doubled


def _key(key: str, is_number: bool) -> str:
    if key in _LISTS:
        return ROWS
    return "row_count" if key == ROWS and is_number else key


def _doubled(named: dict[str, Any]) -> dict[str, Any]:
    for old, new in SECOND_KEYS.items():
        if old in named:
            named.setdefault(new, named[old])
    return named


def _with_second_properties(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_second_properties(one) for one in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {key: _with_second_properties(one) for key, one in schema.items()}
    if "properties" in result:
        result["properties"] = _doubled(result["properties"])
        required = result.get("required", [])
        seconds = [SECOND_KEYS[key] for key in required if key in SECOND_KEYS]
        result["required"] = list(dict.fromkeys([*required, *seconds]))
    return result
