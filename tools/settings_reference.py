"""The page of every setting, from the models that read `naturalist.toml`."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from naturalist.config import Config, commented
from naturalist.config.sources import CategorySection, MetadataSection, SharedSourceSection

_LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minItems": "{} or more items",
    "pattern": "matches {}",
}
_NAME = re.compile(r"`([a-z0-9_.]+)`")
_TABLE = re.compile(r"`\[\[([a-z.]+)\]\]`")
_DOCS = Path(__file__).resolve().parents[1] / "docs"


def settings_page() -> str:
    """Every table of the configuration, with the type, default and limits of each setting."""
    lines = [
        "# Every setting",
        "",
        "Generated from the code that reads `naturalist.toml`, with the explanations of",
        "[naturalist.toml](../configuration.md) and [Airflow](../airflow.md).",
    ]
    for title, prefix, model in _tables():
        lines += ["", f"## {title}", "", *_table(prefix, model)]
    return "\n".join([*lines, ""])


def _tables() -> Iterator[tuple[str, str, type[Any]]]:
    yield "The top of the file", "", Config
    yield "`[[category]]`", "category.", CategorySection
    yield (
        "`[[source]]`, and without its last two `[[category.source]]`",
        "category.source.",
        SharedSourceSection,
    )
    yield "`[[category.source.metadata]]`, `[[source.metadata]]`", "", MetadataSection
    yield from ((f"`[{name}]`", f"{name}.", model) for name, model in commented.sections())


def _table(prefix: str, model: type[Any]) -> Iterator[str]:
    schema = TypeAdapter(model).json_schema()
    definitions = schema.get("$defs", {})
    yield (model.__doc__ or "").partition("\n\n")[0]
    yield ""
    yield "| setting | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, one in schema["properties"].items():
        kind = _kind(one, definitions)
        if kind.endswith("table"):
            continue
        cells = (f"`{name}`", kind, _default(one), _meaning(prefix, name))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _meaning(prefix: str, name: str) -> str:
    if prefix == "airflow.":
        return _meanings("airflow.md").get(name, "")
    pages = [_meanings("configuration.md"), _meanings("metadata.md")]
    known = [
        page[one]
        for one in (prefix + name, name, f"source.{name}")
        for page in pages
        if one in page
    ]
    return known[0] if known else ""


def _kind(one: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A type and its limits in words."""
    if "$ref" in one:
        one = definitions[one["$ref"].rpartition("/")[2]]
    if "anyOf" in one:
        return " or ".join(_kind(part, definitions) for part in one["anyOf"])
    if "enum" in one or "const" in one:
        return ", ".join(f"`{json.dumps(v)}`" for v in one.get("enum", [one.get("const")]))
    if one.get("type") == "object":
        return "table" if "properties" in one else "table of your own keys"
    words = {"null": "nothing", "array": "list"}.get(one["type"], one["type"])
    if one["type"] == "array" and "items" in one:
        words += f" of {_kind(one['items'], definitions)}"
    limits = [text.format(_shown(one[key])) for key, text in _LIMITS.items() if key in one]
    return ", ".join([words, *limits])


def _shown(value: Any) -> str:
    return f"`{value}`" if isinstance(value, str) else f"{value:,}"


def _default(one: Mapping[str, Any]) -> str:
    return f"`{json.dumps(one['default'])}`" if "default" in one else ""


@cache
def _meanings(page: str) -> dict[str, str]:
    """The last cell of each row of settings on a page, by their names."""
    meanings = {}
    for line in (_DOCS / page).read_text().splitlines():
        cells = re.split(r"(?<!\\)\|", line)[1:-1]
        for name in _NAME.findall(cells[0]) if len(cells) == 3 else ():
            table = "".join(f"{one}." for one in _TABLE.findall(cells[0]))
            text = re.sub(r"\]\((?!https?:|#)", "](../", cells[2].strip())
            meanings[table + name] = text.replace("](#", f"](../{page}#")
    return meanings
