"""Commands about words: search, and concepts that a person makes from examples."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.counting import counted
from naturalist.errors import ConfigError

if TYPE_CHECKING:
    from naturalist.curation.searching import SearchReport

app = typer.Typer()


class NamedKind(StrEnum):
    """What `naturalist names` can name."""

    clusters = "clusters"
    map = "map"
    duplicates = "duplicates"


concept_app = typer.Typer(help="Teach your own search words by examples.", epilog=EXIT_CODES)
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the concept.")]


@app.command(epilog=EXIT_CODES)
def search(
    query: Annotated[
        str,
        typer.Argument(
            metavar="WORDS",
            help='What to search for, such as "owl on snow" or "owl not snow".',
        ),
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    k: Annotated[int, typer.Option("-k", min=1, max=10_000, help="Maximum pictures to show.")] = 20,
    category: Annotated[str, typer.Option(help="Only pictures of this category.")] = "",
    source: Annotated[str, typer.Option(help="Only pictures of this source.")] = "",
    where: Annotated[
        str,
        typer.Option(
            metavar="SQL",
            help='Filter on columns of ledger and metadata, such as "width > 1000".',
        ),
    ] = "",
    like: Annotated[
        str, typer.Option(metavar="ID|FILE", help="Also rank by similarity to this picture.")
    ] = "",
    sheet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a contact sheet (PNG) to FILE.")
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Search pictures by words.

    Searches class names of the backbone, words in paths, and your concepts. Works offline. Words
    that it does not know are reported.

    Example: naturalist search "owl on snow" -k 50 --sheet owls.png
    """
    from naturalist.config import load_config
    from naturalist.curation import searching

    settings = load_config(config)
    request = searching.Request(query, k, category, source, where, like)
    result = searching.search_words(settings, request, make_progress(quiet=quiet))
    if sheet is not None and result["rows"]:
        searching.sheet_of(settings.layout, result, sheet)
    if json:
        output.print_json(result)
        return
    _print(result, sheet)


@app.command(epilog=EXIT_CODES)
def names(
    of: Annotated[
        NamedKind,
        typer.Argument(metavar="GROUPS", help="Groups to name."),
    ] = NamedKind.clusters,
    name: Annotated[
        str,
        typer.Option(help="Name of the clustering (default: default) or map (default: tsne-2d)."),
    ] = "",
    level: Annotated[
        int, typer.Option(min=0, max=6, help="Zoom level of the regions of a map (0 = coarsest).")
    ] = 0,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Name clusters, map regions or near-duplicate groups.

    Names come from concepts, words in paths, classes of the backbone and categories; each is shown
    with the share of the group it applies to. A group without clear evidence gets no name.

    Example: naturalist names map --level 2
    """
    from naturalist.config import load_config
    from naturalist.curation import naming

    settings = load_config(config)
    result = naming.name_all(settings, of.value, name, level, make_progress(quiet=quiet))
    if json:
        output.print_json(result)
        return
    output.print_text(f"{result['named']:,} of {counted(result['groups'], 'group')} have a name\n")
    rows = [
        [entry["group"], entry["pictures"], *_name_cells(entry["names"])]
        for entry in result["entries"]
    ]
    output.print_table(("group", "pictures", "name", "by", "true of", "also"), rows)


def _name_cells(result: list[dict[str, Any]]) -> list[str]:
    if not result:
        return ["", "", "", ""]
    best, *others = result
    also = ", ".join(one["name"] for one in others)
    return [best["name"], best["by"], f"{best['support']:.0%}", also]


def _print(result: "SearchReport", sheet: Path | None) -> None:
    from naturalist.curation import searching

    for word in result["words"]:
        if word["known_to_backbone"] and not word["excluded"]:
            output.print_text(f"{word['word']}: {word['class_names']}")
    for message in result["messages"]:
        output.print_text(output.printable(message))
    if not result["rows"]:
        output.print_text("no pictures" + (f"; {sheet} was not written" if sheet else ""))
        return
    output.print_text("")
    rows = [
        [hit["rank"], _score(hit["score"]), hit["picID"], searching.reason_text(hit), hit["path"]]
        for hit in result["rows"]
    ]
    output.print_table(("rank", "score", "picID", "why", "path"), rows)
    if result["like"]:
        output.print_text(
            "\nalike: cosine of the features with the picture, 1 for the same one; score: what "
            "pictures are sorted by, from 0 to 1, and no probability"
        )
    if sheet is not None:
        output.print_text(f"\ncontact sheet: {sheet}")


def _score(score: float) -> str:
    return f"{score:.3f}" if score >= 0.001 else f"{score:.0e}"


@concept_app.command(epilog=EXIT_CODES)
def make(
    name: NameArgument,
    yes: Annotated[
        str, typer.Option(metavar="ID,...", help="Example pictures (comma-separated ids).")
    ] = "",
    no: Annotated[
        str, typer.Option(metavar="ID,...", help="Counterexamples (comma-separated ids).")
    ] = "",
    ask: Annotated[
        int, typer.Option(min=0, max=1000, help="Number of pictures to propose for labelling next.")
    ] = 10,
    sheet: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a contact sheet of the proposed pictures."),
    ] = None,
    by: Annotated[
        str, typer.Option(help="Who teaches it (default: your user name). Never published.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Create a concept from a few examples, or add examples to one.

    Prints which pictures to label next: some near the boundary, and a random selection of matches
    for estimating the precision.

    Example: naturalist concept make owl --yes animal_id_3,animal_id_9 --no animal_id_12
    """
    from naturalist.config import load_config
    from naturalist.curation import concepts, searching

    settings = load_config(config)
    result = concepts.make_concept(
        settings, name, _ids(yes), _ids(no), ask, make_progress(quiet=quiet), by
    )
    if sheet is not None:
        questions = [*result["ask"]["uncertain"], *result["ask"]["likely"]]
        searching.plain_sheet(settings.layout, questions, f"{result['concept']}: yes or no?", sheet)
    if json:
        output.print_json(result)
        return
    _print_concept(result)
    if result["gone"]:
        output.print_text(f"{result['gone']:,} of the examples are no longer accepted")
    for kind, text in (("uncertain", "near the border"), ("likely", "drawn from the matches")):
        if result["ask"][kind]:
            output.print_text(f"label next, {text}: {','.join(result['ask'][kind])}")


@concept_app.command("list", epilog=EXIT_CODES)
def list_(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """List the concepts of the workspace.

    Shows the number of examples of each, when it was last taught, and who taught it.

    Example: naturalist concept list
    """
    from naturalist.config import load_config
    from naturalist.curation import concepts

    result = concepts.list_concepts(load_config(config))
    if json:
        output.print_json_rows(result)
        return
    if not result:
        output.print_text("no concepts yet: naturalist concept make NAME --yes ID,ID,...")
        return
    columns = ("concept", "yes", "no", "made_at")
    rows = ([*(one[column] for column in columns), _teachers(one)] for one in result)
    output.print_table((*columns, "taught by"), rows)
    for one in result:
        if not one["usable"]:
            output.print_text(f"{one['concept']} is for the vectors of {one['backbone']}")


@concept_app.command(epilog=EXIT_CODES)
def show(
    name: NameArgument,
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Show a concept: examples, estimated precision and best matches.

    Example: naturalist concept show owl
    """
    from naturalist.config import load_config
    from naturalist.curation import concepts

    result = concepts.show_concept(load_config(config), name, make_progress(quiet=quiet))
    if json:
        output.print_json(result)
        return
    _print_concept(result)
    output.print_text("")
    rows = ([f"{one['score']:.3f}", one["picID"], one["source"]] for one in result["rows"])
    output.print_table(("score", "picID", "source"), rows)


@concept_app.command(epilog=EXIT_CODES)
def apply(
    name: NameArgument,
    decisions: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write decisions for `naturalist review` that relabel the matches."
        ),
    ] = None,
    category: Annotated[
        str, typer.Option(help="With --decisions: category to assign to the matches.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Score all pictures by a concept, into Parquet files.

    With --decisions, also writes a file that assigns the matches to a category, for you to review.

    Example: naturalist concept apply owl --decisions owls.csv --category animal
    """
    from naturalist.config import load_config
    from naturalist.curation import concepts

    if category and decisions is None:
        raise ConfigError("--category says what --decisions proposes: give --decisions FILE too")
    result = concepts.apply_concept(
        load_config(config),
        name,
        make_progress(quiet=quiet),
        decisions=decisions,
        category=category,
    )
    if json:
        output.print_json(result)
        return
    output.print_text(
        f"{result['concept']}: {result['matches']:,} of {counted(result['pictures'], 'picture')} "
        "match "
        f"(threshold {result['threshold']:.3f}): {result['file']}"
    )
    if result["decisions"]:
        output.print_text(
            f"{result['proposed']:,} proposed decisions: look at {result['decisions']}, then run  "
            f"naturalist review {result['decisions']}"
        )


@concept_app.command(epilog=EXIT_CODES)
def drop(
    name: NameArgument, config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False
) -> None:
    """Delete a concept and its saved scores.

    Its examples are lost. Pictures and tables stay as they are.

    Example: naturalist concept drop owl
    """
    from naturalist.config import load_config
    from naturalist.curation import concepts

    dropped = concepts.drop_concept(load_config(config), name)
    if json:
        output.print_json({"dropped": dropped})
    else:
        output.print_text(
            f"removed the concept {dropped}; run `naturalist names` to name clusters without it"
        )


def _ids(text: str) -> list[str]:
    return [one for one in text.replace(",", " ").split() if one]


def _teachers(result: dict[str, Any]) -> str:
    """Who taught a concept, each once, the last one first."""
    names = dict.fromkeys(lesson["by"] for lesson in reversed(result["lessons"]))
    return ", ".join(output.printable(name) for name in names) or "not known"


def _print_concept(result: dict[str, Any]) -> None:
    output.print_text(
        f"{result['concept']}: {counted(result['yes'], 'example')}, "
        f"{counted(result['no'], 'counter-example')}; "
        f"{result['matches']:,} of {counted(result['pictures'], 'picture')} match"
    )
    output.print_text(f"taught by {_teachers(result)}, last at {result['made_at']}")
    if not result["no"]:
        output.print_text(
            "no counter-examples: pictures that only look similar match too; give some with --no"
        )
    measured = result["cross_validation"]
    if measured is None:
        output.print_text("too few examples for cross-validation: give at least 3")
    else:
        output.print_text(
            f"cross-validation: held-out examples score higher than {measured['above']:.1%} of "
            f"pictures drawn at random; {measured['recall']:.0%} of them match"
        )
    precision = result["precision"]
    if precision is not None:
        low, high = precision["interval_90"]
        output.print_text(
            f"precision by your answers: {precision['share']:.0%} of {precision['answers']} "
            f"(90 % interval {low:.0%} to {high:.0%})"
        )
