"""Commands for the categories of a workspace: list, rename, relabel, retire, restore."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.errors import ConfigError

if TYPE_CHECKING:
    from naturalist.curation.categories import Change

app = typer.Typer(
    name="category",
    help="List, rename, relabel and retire categories.\n\n"
    "Use these commands: `naturalist run` refuses such a change made in naturalist.toml alone.",
)

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the category.")]
_NEXT = "run `naturalist run` to update tables and published data"


@app.command("list", epilog=EXIT_CODES)
def list_all(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List all categories of the workspace, including retired ones.

    Example: naturalist category list -c garden
    """
    from naturalist.config import load_config
    from naturalist.curation import categories

    rows = categories.listing(load_config(config))
    if json:
        output.print_json({"rows": rows})
        return
    columns = ("category", "label", "prefix of ids", "retired", "holds")
    output.print_table(
        columns,
        [[r["name"], r["label"], r["key"], r["retired_at"] or "", r["holds"]] for r in rows],
    )


@app.command(epilog=EXIT_CODES)
def rename(
    name: NameArgument,
    new_name: Annotated[str, typer.Argument(metavar="NEW_NAME", help="New name of the category.")],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Rename a category, in the workspace and in naturalist.toml.

    Its pictures keep their ids and folders (plant_id_7 stays plant_id_7), so references to them
    stay valid. Tables, studies and published data show the new name.

    Example: naturalist category rename plant flora -c garden
    """
    from naturalist.curation import categories

    change = categories.rename(config, name, new_name)
    _print(change, f"{name} is now {new_name}; {_NEXT}", json=json)


# So that -1 is refused as a label.
@app.command(epilog=EXIT_CODES, context_settings={"ignore_unknown_options": True})
def relabel(
    pairs: Annotated[
        list[str],
        typer.Argument(
            metavar="NAME LABEL",
            help="Categories with their new labels, such as plant 1 animal 0.",
        ),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
) -> None:
    """Change labels, in the workspace and in naturalist.toml.

    The next run rewrites their tables. Train classifiers again afterwards.

    Example: naturalist category relabel plant 1 animal 0 -c garden
    """
    from naturalist.curation import categories

    labels = _labels(pairs)
    change = categories.relabel(config, labels)
    texts = ", ".join(f"{name} has label {label}" for name, label in labels.items())
    _print(change, f"{texts}; {_NEXT}", json=json)


@app.command(epilog=EXIT_CODES)
def retire(
    name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Exclude a category from everything made from now on.

    Nothing is deleted, and `restore` brings the category back. You may keep it in naturalist.toml
    or remove it there. Earlier snapshots still contain it; remove those with `naturalist snapshots
    prune`.

    Example: naturalist category retire human -c garden
    """
    from naturalist.categories import all_retired_message
    from naturalist.curation import categories

    change = categories.retire(config, name)
    text = f"{name} is retired; {_NEXT}"
    if change.categories.all_retired:
        text += f"\n{all_retired_message(change.categories)}"
    _print(change, text, json=json)


@app.command(epilog=EXIT_CODES)
def restore(
    name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Restore a retired category with the ids its pictures had.

    Example: naturalist category restore human -c garden
    """
    from naturalist.config import load_config
    from naturalist.curation import categories

    change = categories.restore(config, name)
    configured = any(section.name == name for section in load_config(config).category)
    hint = "" if configured else f"; name it in {config} again before the next run"
    _print(change, f"{name} is restored{hint}; {_NEXT}", json=json)


def _labels(pairs: list[str]) -> dict[str, int]:
    from naturalist.categories import parse_label

    unknown = [text for text in pairs if re.fullmatch(r"-+[^\d-].*", text)]
    if unknown:
        raise typer.BadParameter(f"No such option: {unknown[0]}")
    if len(pairs) % 2:
        raise ConfigError(
            f"{' '.join(pairs)!r}: expected pairs of a category and a label, "
            "such as: plant 1 animal 0"
        )
    twice = [name for name, k in Counter(pairs[::2]).items() if k > 1]
    if twice:
        raise ConfigError(f"{twice[0]} is given {pairs[::2].count(twice[0])} labels: give one")
    return {name: parse_label(label) for name, label in zip(pairs[::2], pairs[1::2], strict=True)}


def _print(change: Change, text: str, *, json: bool) -> None:
    if json:
        names = {one.name: vars(one) for one in change.categories.known}
        output.print_json({"changed": change.changed, "rows": list(names.values())})
    else:
        output.print_text(text if change.changed else f"nothing to change: {text}")
