"""The command that lets an assistant look at a collection."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def mcp(
    config: ConfigOption = DEFAULT_CONFIG,
    proposals: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder for proposed decisions (default: proposals beside the configuration).",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the tools as JSON and stop.")] = False,
) -> None:
    """Let an assistant look, and propose decisions (MCP).

    A server of the Model Context Protocol on stdin and stdout, for the assistant to start. Its
    tools read: status, health, ledger, search, similar pictures, map regions, suspects. It cannot
    change the collection: proposed decisions become files, which you apply with naturalist review.

    Example: naturalist mcp -c garden
    """
    from naturalist.agents.proposing import Proposals
    from naturalist.agents.server import serve, tools
    from naturalist.config import load_config

    settings = load_config(config)
    path = config.absolute()
    folder = path if path.is_dir() else path.parent
    place = Proposals(proposals or folder / "proposals", path)
    if json:
        output.print_json({"rows": tools(settings, place)})
        return
    serve(settings, place)
