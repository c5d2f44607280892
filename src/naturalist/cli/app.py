"""The command `naturalist`: what comes before a command, and where the commands are."""

import sys
from io import TextIOWrapper
from typing import Annotated, cast

import typer

from naturalist import __version__
from naturalist.cli import advice, output
from naturalist.cli.errors import run_and_exit
from naturalist.cli.lazy import CommandGroup
from naturalist.cli.registry import command_name

app = typer.Typer(
    name="naturalist",
    cls=CommandGroup,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Turn folders of pictures into verified, published, versioned feature tables.\n\n"
    "To start:  naturalist demo DIR   or   naturalist init DIR PICTURES...",
    epilog="Run `naturalist COMMAND --help` for options and an example, and "
    "`naturalist help exit-codes` for the exit codes. `naturalist --install-completion` completes "
    "commands and options in your shell.",
)


def main() -> None:
    """Entry point of the command `naturalist`."""
    arguments = sys.argv[1:] or ["--help"]
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal's encoding does not know is shown by its numbers.
        cast("TextIOWrapper", stream).reconfigure(errors="backslashreplace")
    output.set_command(command_name(arguments))
    advice.set_given(arguments)
    run_and_exit(
        lambda: app(arguments, prog_name="naturalist", standalone_mode=False),
        as_json="--json" in arguments,
    )


def _print_version(requested: bool) -> None:
    if requested:
        output.print_text(f"naturalist {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
) -> None:
    """Take the options that come before a command."""
