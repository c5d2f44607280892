"""A group whose commands are imported when they are used."""

import re
from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperGroup

from naturalist.cli.registry import ENTRIES, SECTIONS, Entry


class LazyCommands(MutableMapping[str, Any]):
    """The commands of the registry by name; a look-up imports the module that holds it."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = _load(ENTRIES[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        raise TypeError("the registry of commands is fixed")

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


def _load(entry: Entry) -> Any:
    application = getattr(import_module(f"naturalist.cli.{entry.module}"), entry.app)
    application.rich_markup_mode = None
    group = typer.main.get_group(application)
    for command in group.commands.values():
        _name_values_plainly(command)
    if entry.name in group.commands:
        return group.commands[entry.name]
    group.name = entry.name
    return group


_PLAIN = {"str": "TEXT", "int": "N", "float": "NUMBER", "path": "PATH"}
"""What help calls a value, by the name of its type in Python."""


def _name_values_plainly(command: Any) -> None:
    # Typer has no setting for it, and a metavar does not replace the type of an argument.
    for parameter in command.params:
        kind = parameter.param_type_name
        parameter.display_type = partial(_value_shown, parameter.display_type, kind)


def _value_shown(typed: Callable[[Any], str], kind: str, ctx: Any) -> str:
    """What help shows of a value: choices as they are; of an argument, its name says enough."""
    name = re.sub(r"<(?:list\[)?(.*?)(?: range)?\]?>", r"\1", typed(ctx))
    return "" if kind == "argument" and name in _PLAIN else _PLAIN.get(name, name)


class CommandGroup(TyperGroup):
    """The top of the command line: its help lists commands by purpose and imports none."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = LazyCommands()

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write each section of the registry; called by `--help`."""
        for title, entries in SECTIONS.items():
            with formatter.section(title):
                # Padded, so that the summaries of all sections stand in one column.
                formatter.write_dl([(f"{one.name:<12}", one.summary) for one in entries])
