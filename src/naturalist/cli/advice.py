"""Commands that messages name, made ready to be typed: with the configuration of this command.

Messages come from all floors, which know nothing of the command line; they say `naturalist review
FILE`. A command given with -c needs it again.
"""

import re
import shlex
from collections.abc import Sequence
from contextvars import ContextVar

from naturalist.cli.lazy import LazyCommands
from naturalist.cli.registry import ENTRIES

_OPTIONS = ("-c", "--config")
_NAMED = re.compile(r"\bnaturalist ([a-z][a-z-]*)(?: ([a-z][a-z-]*))?")
_COMMANDS = LazyCommands()

_given: ContextVar[str] = ContextVar("given", default="")


def set_given(arguments: Sequence[str]) -> None:
    """Remember what configuration the arguments of this command name; empty if none."""
    _given.set(next(filter(None, map(_value, arguments, [*arguments[1:], ""])), ""))


def _value(argument: str, following: str) -> str:
    if argument in _OPTIONS:
        return following
    if argument.startswith("--config="):
        return argument.partition("=")[2]
    is_short = argument.startswith("-c") and not argument.startswith("--")
    return argument[2:].removeprefix("=") if is_short else ""


def completed(text: str) -> str:
    """A text whose commands name the configuration that this command was given, if any.

    Lines that name one already, or another collection, stay as they are.
    """
    if not _given.get() or "naturalist " not in text:
        return text
    return "\n".join(
        line if " -c " in line or " --from" in line else _NAMED.sub(_with_config, line)
        for line in text.split("\n")
    )


def _with_config(match: re.Match[str]) -> str:
    name, second = match[1], match[2]
    if name not in ENTRIES:
        return match[0]
    words = [name, second] if ENTRIES[name].is_group and second else [name]
    if not _takes_config(words):
        return match[0]
    command = " ".join(["naturalist", *words])
    return f"{command} -c {shlex.quote(_given.get())}{match[0].removeprefix(command)}"


def _takes_config(words: Sequence[str]) -> bool:
    command = _COMMANDS[words[0]]
    if ENTRIES[words[0]].is_group:
        command = command.commands.get(words[-1])
    return command is not None and any("--config" in one.opts for one in command.params)
