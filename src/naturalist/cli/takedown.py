"""The command that takes pictures down."""

import getpass
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.config import load_config
from naturalist.curation.takedown import take_down

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def takedown(
    pic_ids: Annotated[list[str], typer.Argument(metavar="PIC_ID...", help="Such as plant_id_7.")],
    why: Annotated[
        str, typer.Option(help="The reason: kept in the ledger, and published with it.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    by: Annotated[str, typer.Option(help="Who decided; you, if not said. Never published.")] = "",
    json: JsonOption = False,
) -> None:
    """Take pictures out of tables, previews and published pictures, from the next run on.

    Example: naturalist takedown plant_id_7 --why "asked by the owner". Run `naturalist run` next.
    Snapshots published before still hold them: `naturalist snapshots prune` removes those.
    """
    gone = take_down(load_config(config), pic_ids, why, by or getpass.getuser())
    if json:
        output.print_json({"taken_down": gone})
    else:
        output.print_text(f"{len(gone)} taken down; naturalist run  writes the tables without them")
