"""Asking the person at the terminal before something is written or deleted."""

import sys

import typer

from naturalist.errors import ConfigError


def confirmed(question: str, *, json: bool = False, default: bool = False) -> bool:
    """Whether the person at the terminal agrees.

    Args:
        question: what to ask.
        json: whether stdout is for a program, so that nobody can be asked.
        default: the answer of a bare Enter.

    Raises:
        ConfigError: there is no terminal.
    """
    if json or not sys.stdin.isatty():
        raise ConfigError(
            "nothing was changed: add --yes to go ahead, or --dry-run to see what would change"
        )
    return typer.confirm(question, default=default)
