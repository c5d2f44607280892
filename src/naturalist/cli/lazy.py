"""A group whose commands are imported when they are used."""

from collections.abc import Iterator, MutableMapping
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
    if entry.name in group.commands:
        return group.commands[entry.name]
    group.name = entry.name
    return group


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
