"""Commands for the people who may decide in the dashboard."""

from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption

app = typer.Typer(
    name="reviewers",
    help="List, add and remove people who may decide.\n\n"
    "They sign in to `naturalist dashboard --review` with a token.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the person.")]


@app.command("list", epilog=EXIT_CODES)
def list_all(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List all reviewers.

    Example: naturalist reviewers list -c garden
    """
    from naturalist.config import load_config
    from naturalist.curation.reviewing import people

    result = people.names(load_config(config).layout.reviewers)
    if json:
        output.print_json({"rows": result})
    else:
        output.print_text("\n".join(result) or "no reviewers yet: naturalist reviewers add NAME")


@app.command(epilog=EXIT_CODES)
def add(
    name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Add a reviewer, or give one a new token.

    The token is shown once and not stored.

    Example: naturalist reviewers add anna -c garden
    """
    from naturalist.config import load_config
    from naturalist.curation.reviewing import people
    from naturalist.running import workspace

    settings = load_config(config)
    workspace.reading(settings.layout)
    token = people.add(settings.layout.reviewers, name)
    if json:
        output.print_json({"name": name, "token": token})
        return
    output.print_text(
        f"{name} signs in with this token, which is not shown again:\n{token}\n"
        "Start the pages with `naturalist dashboard --review`"
    )


@app.command(epilog=EXIT_CODES)
def remove(
    name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Remove a reviewer.

    The token is refused from now on; earlier decisions stay.

    Example: naturalist reviewers remove anna -c garden
    """
    from naturalist.config import load_config
    from naturalist.curation.reviewing import people

    people.remove(load_config(config).layout.reviewers, name)
    if json:
        output.print_json({"removed": name})
    else:
        output.print_text(f"{name} can no longer sign in")
