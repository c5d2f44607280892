"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist.config import CONFIG_NAME

DEFAULT_CONFIG = Path(CONFIG_NAME)
ConfigOption = Annotated[
    Path,
    typer.Option(
        "-c", "--config", help=f"Configuration file, or the folder that has {CONFIG_NAME}."
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")]
