"""What --help teaches, for every command there is."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from cli.conftest import Naturalist
from naturalist import __version__
from naturalist.cli.app import app
from naturalist.cli.errors import EXIT_CODES


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))
every_command = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


@every_command
def test_help_says_what_a_command_does_and_when_to_use_it_or_how(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].help or ""
    sentences = re.split(r"[.:]\s", f"{text} ".replace("\n", " "))
    assert len([sentence for sentence in sentences if sentence.strip()]) >= 2


@every_command
def test_help_explains_every_option_and_argument(path: tuple[str, ...]) -> None:
    for parameter in COMMANDS[path].params:
        if parameter.name != "help":
            assert len(parameter.help or "") > 8, parameter.name


@every_command
def test_help_lists_the_exit_codes(naturalist: Naturalist, path: tuple[str, ...]) -> None:
    ended = naturalist(*path, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert " ".join(EXIT_CODES.split()) in " ".join(ended.out.split())


@every_command
def test_every_command_can_answer_in_json(path: tuple[str, ...]) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert "--json" in options


@every_command
def test_wrong_usage_of_any_command_is_one_json_document(
    naturalist: Naturalist, path: tuple[str, ...]
) -> None:
    ended = naturalist(*path, "--no-such-option", "--json")
    assert ended.code == 2
    assert ended.json["error"]["type"] == "UsageError"


def test_without_arguments_the_help_is_shown(naturalist: Naturalist) -> None:
    assert naturalist().out == naturalist("--help").out
    assert "Begin with" in naturalist().out


@pytest.mark.parametrize("group", sorted({path[0] for path in COMMANDS if len(path) > 1}))
def test_a_group_without_a_command_points_to_its_help(naturalist: Naturalist, group: str) -> None:
    ended = naturalist(group)
    assert ended.code == 2
    assert ended.err == "naturalist: Missing command; see --help\n"
    assert "Commands:" in naturalist(group, "--help").out


def test_the_version_is_printed(naturalist: Naturalist) -> None:
    assert naturalist("--version").out == f"naturalist {__version__}\n"
