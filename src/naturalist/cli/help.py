"""Help on topics that no single command owns."""

from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES, EXIT_MEANINGS
from naturalist.cli.options import JsonOption
from naturalist.cli.registry import ENTRIES
from naturalist.errors import ConfigError
from naturalist.suggestions import choose_one_of

app = typer.Typer()

_TOPICS = {"exit-codes": "what the exit code of a command means"}


@app.command("help", epilog=EXIT_CODES)
def show(
    topic: Annotated[str, typer.Argument(metavar="TOPIC", help="Topic to explain.")] = "",
    json: JsonOption = False,
) -> None:
    """Show help on exit codes and other topics.

    Without a topic, lists the topics. For one command, use `naturalist COMMAND --help`.

    Example: naturalist help exit-codes
    """
    if topic and topic not in _TOPICS:
        raise ConfigError(f"there is no help topic {topic!r}: {_advice(topic)}")
    if json:
        codes = [{"exit_code": code, "meaning": text} for code, text in EXIT_MEANINGS.items()]
        output.print_json({"rows": codes} if topic else {"topics": _TOPICS})
    elif topic:
        output.print_table(
            ("code", "meaning"), [(str(code), text) for code, text in EXIT_MEANINGS.items()]
        )
    else:
        output.print_table(("topic", "about"), _TOPICS.items())


def _advice(topic: str) -> str:
    if topic in ENTRIES:
        return f"for the help of a command, run `naturalist {topic} --help`"
    return f"{choose_one_of(topic, _TOPICS)}; for a command: `naturalist COMMAND --help`"
