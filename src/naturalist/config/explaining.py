"""What is wrong in a configuration file: setting, value, what is allowed, and the line."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.fields import FieldInfo

from naturalist.suggestions import did_you_mean

Location = tuple[str | int, ...]
Fields = Mapping[str, FieldInfo]

_TABLE = re.compile(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]")
_SETTING = re.compile(r"\s*([\w\"'.-]+?)\s*=")
_BARE_WORD = re.compile(r"\s*([\w.-]+)\s*=\s*([^\s\"'\[\]{}#0-9+-][^\"'\[\]{}#=]*?)\s*(#.*)?$")
_LISTS = ("category", "source", "metadata")
"""Sections of which there may be several."""
_WHOLE_FILE = "the file as a whole"


def explain(path: Path, text: str, model: type[BaseModel], error: ValidationError) -> str:
    """One line for each setting that is wrong, in the order of the file's sections.

    Args:
        path: the file, as the person named it.
        text: what is in it.
        model: the whole configuration.
        error: what was found when the file was validated against `model`.
    """
    lines = lines_of(text)
    data, result = tomllib.loads(text), _messages(model, error)
    count = f"{len(result)} error{'s' if len(result) > 1 else ''}"
    reported = [
        f"  {_dotted(data, at) or _WHOLE_FILE}: {message}{_line(lines, at)}"
        for at, message in result.items()
    ]
    return "\n".join([f"{path} has {count}:", *reported])


def explain_arguments(
    text: str, model: type[BaseModel], error: ValidationError, options: Mapping[str, str]
) -> str:
    """As `explain`, for a file that is not written yet: with options instead of lines.

    Args:
        text: what is to be in the file.
        model: the whole configuration.
        error: what was found in it.
        options: the option that a section or setting comes from, by its name; that of the file as
            a whole has an empty name.
    """
    data = tomllib.loads(text)
    return "\n".join(
        f"{_origin(_dotted(data, at), options)}: {message}"
        for at, message in _messages(model, error).items()
    )


def _origin(setting: str, options: Mapping[str, str]) -> str:
    """The option that a setting comes from, and the setting where its name is another."""
    option = options.get(setting.partition(".")[0], "")
    if option and setting and option != f"--{setting}":
        return f"{option} ({setting})"
    return option or setting or _WHOLE_FILE


def _messages(model: type[BaseModel], error: ValidationError) -> dict[Location, str]:
    """What is wrong with each setting, in the order of the file's sections."""
    result: dict[Location, str] = {}
    for one in filter(_is_apart, error.errors()):
        where = _setting(model, one["loc"])
        result.setdefault(where, _message(model, where, one))
    return result


def _dotted(data: Any, at: Location) -> str:
    """A setting with its sections; of several of one kind by their names, or numbers from 1."""
    words = []
    for part in at:
        data = _inside(data, part)
        name = data.get("name") if isinstance(part, int) and isinstance(data, dict) else None
        words.append(name or (part + 1 if isinstance(part, int) else part))
    return ".".join(map(str, words))


def _inside(data: Any, part: str | int) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _is_apart(error: Any) -> bool:
    """Whether an error is one of its own: a list is called too short where its values are wrong."""
    if error["type"] != "too_short":
        return True
    return len(error["input"]) < int(error["ctx"]["min_length"])


def explain_syntax(path: Path, text: str, error: tomllib.TOMLDecodeError) -> str:
    """What is wrong in a file that is not TOML; the usual slip is text without quotes."""
    at = re.search(r"at line (\d+)", str(error))
    line = text.splitlines()[int(at[1]) - 1] if at else ""
    hint = _repetition(str(error), line)
    if not hint and (bare := _BARE_WORD.match(line)):
        hint = f'. Put text in quotes: {bare[1]} = "{bare[2]}"'
    return f"{path} is not valid TOML: {error}{hint}"


def _repetition(message: str, line: str) -> str:
    """What to do about a setting or a section that is there twice."""
    if message.startswith("Cannot overwrite") and (setting := _SETTING.match(line)):
        return f". {setting[1]} is set twice: remove one of the two lines"
    if re.match(r"Cannot declare .* twice", message) and (header := _TABLE.match(line)):
        name = header[2]
        if _keys(name)[-1] in _LISTS:
            return f". There may be several of these: write each as [[{name}]]"
        return f". The section [{name}] is there twice: put its settings under one heading"
    return ""


def lines_of(text: str) -> dict[Location, int]:
    """The line, from 1, of every table and setting of a TOML file with one setting a line."""
    result: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), 1):
        if header := _TABLE.match(line):
            table = _resolved(header[2], counts, is_array=header[1] == "[[")
            result.setdefault(table, number)
        elif setting := _SETTING.match(line):
            result.setdefault((*table, *_keys(setting[1])), number)
    return result


def _keys(dotted: str) -> list[str]:
    return [key.strip().strip("\"'") for key in dotted.split(".")]


def _resolved(dotted: str, counts: dict[Location, int], *, is_array: bool) -> Location:
    """The location of a table; tables of arrays have their number in it, from 0."""
    *outer, last = _keys(dotted)
    at: Location = ()
    for key in outer:
        at = (*at, key)
        if at in counts:
            at = (*at, counts[at])
    at = (*at, last)
    if is_array:
        counts[at] = counts.get(at, -1) + 1
        at = (*at, counts[at])
    return at


def _line(lines: dict[Location, int], where: Location) -> str:
    """The line of a setting, or of the table that it is missing in."""
    for end in range(len(where), 0, -1):
        if where[:end] in lines:
            return f" (line {lines[where[:end]]})"
    return ""


def _setting(model: type[BaseModel], loc: Location) -> Location:
    """The part of a location that names a setting; what follows are names of checks."""
    fields: Fields | None = model.model_fields
    for at, part in enumerate(loc):
        if isinstance(part, int):
            continue
        if fields is None:
            return loc[:at]
        if part not in fields:
            return loc[: at + 1]
        fields = _fields_in(fields[part].annotation)
    return loc


def _fields_in(annotation: Any) -> Fields | None:
    """The settings of the section that a setting holds, or a list of; None for a plain value."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields
    if is_pydantic_dataclass(annotation):
        return annotation.__pydantic_fields__
    return next(filter(None, map(_fields_in, get_args(annotation))), None)


def _siblings(model: type[BaseModel], where: Location) -> list[str]:
    """The settings that exist beside a location."""
    fields: Fields | None = model.model_fields
    for part in where[:-1]:
        if isinstance(part, str) and fields is not None:
            fields = _fields_in(fields[part].annotation)
    return list(fields or ())


def _message(model: type[BaseModel], where: Location, error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind in _UNKNOWN:
        return "unknown setting" + did_you_mean(str(where[-1]), _siblings(model, where))
    if kind == "missing":
        return "required, but missing"
    shown = _shown(error["input"])
    if kind in ("literal_error", "enum"):
        choices = re.findall(r"'([^']*)'", context["expected"])
        hint = did_you_mean(str(error["input"]), choices)
        return f"must be {context['expected']}, not {shown}{hint}"
    for names, allowed in _ALLOWED:
        if kind in names:
            return f"must be {allowed.format_map(context)}, not {shown}"
    return str(error["msg"]).removeprefix("Value error, ")


_UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""Of a section that is a model, and of one that is a dataclass, as those of studies are."""
_ALLOWED: Sequence[tuple[tuple[str, ...], str]] = (
    (("int_type", "int_parsing", "int_from_float"), "a whole number"),
    (("float_type", "float_parsing", "finite_number"), "a number"),
    (("bool_type", "bool_parsing"), "true or false"),
    (("string_type",), "text in quotes"),
    (("path_type",), "a path in quotes"),
    (("list_type", "tuple_type"), "a list in [ ]"),
    (("dict_type", "model_type", "model_attributes_type"), "a section of its own"),
    (("greater_than",), "greater than {gt}"),
    (("greater_than_equal",), "at least {ge}"),
    (("less_than",), "less than {lt}"),
    (("less_than_equal",), "at most {le}"),
    (("too_short",), "a list of at least {min_length}"),
    (("string_too_short",), "at least {min_length} characters long"),
)


def _shown(value: Any) -> str:
    """A value as TOML has it, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list) and not value:
        return "an empty list"
    if isinstance(value, list | tuple | dict):
        return "a list" if not isinstance(value, dict) else "a section"
    text = f'"{value}"' if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
