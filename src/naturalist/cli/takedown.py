"""The command that takes pictures down."""

import getpass
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ByOption, ConfigOption, JsonOption

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def takedown(
    pic_ids: Annotated[
        list[str], typer.Argument(metavar="PIC_ID", help="Ids of pictures, such as plant_id_7.")
    ],
    why: Annotated[str, typer.Option(help="Reason; stored in the ledger and published with it.")],
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = "",
    json: JsonOption = False,
) -> None:
    """Remove pictures from everything published from now on.

    Takes effect with the next `naturalist run`: tables, previews and published pictures no longer
    contain them. Earlier snapshots still do; remove those with `naturalist snapshots prune`.

    Example: naturalist takedown plant_id_7 --why "requested by the owner"
    """
    from naturalist.config import load_config
    from naturalist.curation.takedown import take_down

    gone = take_down(load_config(config), pic_ids, why, by or getpass.getuser())
    if json:
        output.print_json({"rows": gone})
    else:
        output.print_text(
            f"{len(gone)} taken down; run `naturalist run` to write the tables without them"
        )
