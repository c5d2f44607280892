"""Every setting that a configuration does not have, as comments with their defaults."""

import dataclasses
import datetime as dt
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from naturalist.config.models import Config

_HEADER = re.compile(r"^\[([a-z0-9_.]+)\]", re.MULTILINE)
_NO_DAY = dt.date(2026, 1, 31)


def sections(model: type[Any] = Config, prefix: str = "") -> Iterator[tuple[str, type[Any]]]:
    """Every table of a configuration with its model, such as `drift` or `dashboard.alerts`."""
    for name, kind in _kinds(model).items():
        if _is_section(kind):
            yield prefix + name, kind
            yield from sections(kind, f"{prefix}{name}.")


def settings(section: type[Any]) -> dict[str, Any]:
    """The settings of a table itself with their defaults; tables inside it are not among them."""
    return {
        name: field.get_default(call_default_factory=True)
        for name, field in _fields(section).items()
        if not _is_section(field.annotation)
    }


def with_every_setting(text: str) -> str:
    """A configuration with what it leaves out as comments: at the end of its tables, then others.

    Args:
        text: TOML that can be read; its tables are headed by lines such as `[ingest]`.
    """
    content = tomllib.loads(text)
    for name, kind in sections():
        held = _at(content, name)
        lines = [f"# {key} = {_as_toml(v)}" for key, v in settings(kind).items() if key not in held]
        if f"\n[{name}]" in text:
            text = _insert(text, name, lines)
        elif lines and f"\n# [{name}]" not in text:
            about = (kind.__doc__ or "").partition("\n")[0]
            text += "\n".join([f"\n# [{name}]  # {about}", *lines, ""])
    return text


def _insert(text: str, name: str, lines: list[str]) -> str:
    """The lines at the end of a table: before the next header, and the empty lines before it."""
    start = text.index(f"\n[{name}]") + 1
    following = _HEADER.search(text, start + 1)
    end = len(text) if following is None else following.start()
    body, rest = text[:end].rstrip("\n"), text[end:]
    return "\n".join([body, *lines, "", rest]) if rest else "\n".join([body, *lines, ""])


def _at(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    for part in name.split("."):
        content = content.get(part, {})
    return content


def _fields(model: type[Any]) -> Mapping[str, Any]:
    if issubclass(model, BaseModel):
        return model.model_fields
    result: Mapping[str, Any] = model.__pydantic_fields__
    return result


def _kinds(model: type[Any]) -> dict[str, Any]:
    return {name: field.annotation for name, field in _fields(model).items()}


def _is_section(kind: Any) -> bool:
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    return is_model or (isinstance(kind, type) and dataclasses.is_dataclass(kind))


def _as_toml(value: Any) -> str:
    if value is None or value is PydanticUndefined:
        return f"{_NO_DAY.isoformat()}  # none by default"
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Path):
        value = str(value)
    return json.dumps(value)
