"""What commands print: one JSON document, or text for people."""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextvars import ContextVar
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from naturalist.cli.advice import completed
from naturalist.counting import counted, size_text
from naturalist.document_keys import ENVELOPE, ROWS, printed, with_second_keys

if TYPE_CHECKING:
    from rich.console import Console


_command: ContextVar[str] = ContextVar("command", default="naturalist")


def set_command(name: str) -> None:
    """Name the command, as in `snapshots list`, for the documents that it prints."""
    _command.set(name)


def print_json(value: Mapping[str, Any], *, outputs: Sequence[Path | str] = ()) -> None:
    """Print one JSON document: `value` inside the envelope.

    Args:
        value: the result. Its own `ok` stands; without one the command has succeeded.
        outputs: files and folders that the command wrote.
    """
    print(json.dumps(_enveloped(value, outputs), indent=1, ensure_ascii=True))


def print_json_rows(values: Iterable[Any]) -> None:
    """Print one JSON document with a list of rows, as its values come."""
    remaining = iter(values)
    # What is wrong comes with the first value, and must be the only document then.
    first = list(islice(remaining, 1))
    opening = json.dumps(_enveloped({}), indent=1).removesuffix("\n}")
    print(f'{opening},\n "{ROWS}": [', end="")
    separator = ""
    for value in chain(first, remaining):
        print(separator, json.dumps(with_second_keys(value), ensure_ascii=True), sep="\n", end="")
        separator = ","
    print("\n ]\n}")


def _enveloped(value: Mapping[str, Any], outputs: Sequence[Path | str] = ()) -> dict[str, Any]:
    head: dict[str, Any] = {"envelope": ENVELOPE, "command": _command.get(), "ok": True}
    written = {"outputs": [str(path) for path in outputs]} if outputs else {}
    return {**head, **printed(value), **written}


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str = "") -> None:
    """Print a table, numbers to the right; markup and control characters are shown as text.

    Words of a header and numbers are never broken: where they do not fit beside each other, the
    gaps become narrower, and below that each row becomes a block of lines.
    """
    listed = [list(row) for row in rows]
    console = _console()
    cells = [[row[at] for row in listed] for at in range(len(columns))]
    least = list(map(_least_width, columns, cells))
    gaps, room = len(columns) - 1, console.width - sum(least)
    if room < gaps:
        _print_blocks(columns, listed, title)
        return
    # Imported here because most of the command line starts without it.
    from rich.table import Table
    from rich.text import Text

    gap = 2 if room >= 2 * gaps else 1
    table = Table(
        title=title or None, title_justify="left", box=None, pad_edge=False, padding=(0, gap, 0, 0)
    )
    widths = _filled(least, list(map(_full_width, columns, cells)), room - gap * gaps)
    for column, values, width in zip(columns, cells, widths, strict=True):
        justify: Literal["left", "right"] = "right" if all(map(_is_number, values)) else "left"
        table.add_column(column, justify=justify, overflow="fold", width=width)
    for row in listed:
        table.add_row(*(Text(_cell(value)) for value in row))
    console.print(table)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _least_width(column: str, values: Sequence[Any]) -> int:
    """The fewest characters that a column needs, with text of more than 8 folded."""
    cells = [len(_cell(one)) if _is_number(one) else min(len(_cell(one)), 8) for one in values]
    return max([len(word) for word in column.split()] + cells, default=1)


def _full_width(column: str, values: Sequence[Any]) -> int:
    from rich.cells import cell_len

    return max([len(column)] + [cell_len(_cell(one)) for one in values], default=1)


def _filled(least: Sequence[int], full: Sequence[int], spare: int) -> list[int]:
    """Widths of columns between least and full: whoever lacks least is given first."""
    widths = list(least)
    for at in sorted(range(len(widths)), key=lambda at: full[at] - least[at]):
        added = min(max(full[at] - least[at], 0), spare)
        widths[at] += added
        spare -= added
    return widths


def _print_blocks(columns: Sequence[str], rows: Iterable[Sequence[Any]], title: str) -> None:
    """Print each row as lines of a column's name and its value."""
    width = max(map(len, columns))
    blocks = [
        "\n".join(
            f"{column:{width}}  {_cell(value)}".rstrip()
            for column, value in zip(columns, row, strict=True)
        )
        for row in rows
    ]
    print("\n\n".join([title, *blocks] if title else blocks))


def print_text(text: str) -> None:
    """Print plain text; who reads a pipe sees it at once.

    Control characters but line ends and tabs are shown as text: names and words of strangers'
    files are in it. Commands in it name the configuration that this one was given.
    """
    print(shown(completed(text)), flush=True)


def _console() -> "Console":
    from rich.console import Console

    width = None if "COLUMNS" in os.environ else _terminal_width()
    return Console(width=width, markup=False, highlight=False, emoji=False)


def _terminal_width() -> int:
    try:
        return os.get_terminal_size(1).columns
    except OSError:
        return 160


def _cell(value: Any) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if value is None:
        return ""
    return printable(str(value))


def printable(text: str) -> str:
    """Text with control characters escaped, so that a file name cannot write on the terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shown(text: str) -> str:
    """Text of several lines with other control characters escaped."""
    return "".join(c if c in "\n\t" else printable(c) for c in text)


STATUS_COLUMNS = (
    "category",
    "label",
    "seen",
    "accepted",
    "duplicates",
    "conflicts",
    "refused",
    "features",
    "tables",
    "table rows",
)


def print_status(status: Mapping[str, Any], notes: Collection[str] = ()) -> None:
    """Print a collection's counts by category, and its warnings.

    Args:
        status: see `pipeline.status.CollectionStatus`.
        notes: what the person has seen as progress; a warning among them is not printed again.
    """
    rows = []
    for name, one in status["categories"].items():
        refused = sum(one["refused"].values())
        counts = [one[key] for key in ("seen", "accepted", "duplicates", "conflicts")]
        made = [one[key] for key in ("features", "tables", "table_rows")]
        rows.append([name, str(one["label"]), *counts, refused, *made])
    print_table(STATUS_COLUMNS, rows)
    print_text("\naccepted + duplicates + conflicts + refused = seen, in every category")
    reasons = [
        [name, reason, count]
        for name, one in status["categories"].items()
        for reason, count in one["refused"].items()
    ]
    if reasons:
        print_text("")
        print_table(("refused in", "reason", "files"), reasons)
    warnings = [f"warning: {one}" for one in status["warnings"]]
    new = [warning for warning in warnings if warning not in notes]
    if new:
        print_text("")
    for warning in new:
        print_text(printable(warning))


def print_run(report: Mapping[str, Any], published_to: str = "") -> None:
    """Print what a run did, a line for each stage, and where it published to if that is given."""
    stages = report["stages"]
    ingest = stages.get("ingest", {})
    for category, added in ingest.get("added", {}).items():
        refused = sum(added["refused"].values())
        print_text(
            f"ingest   {category}: {added['seen']:,} seen = {added['accepted']:,} accepted "
            f"+ {counted(added['duplicates'], 'duplicate')} + "
            f"{counted(added['conflicts'], 'conflict')} "
            f"+ {refused:,} refused"
        )
    if (one := stages.get("extract")) and one["shards"]:
        rate = one["pictures"] / one["duration_s"]
        print_text(
            f"extract  {counted(one['pictures'], 'picture')} in {one['duration_s']:,.1f} s "
            f"({rate:,.0f}/s), {one['refused']:,} refused"
        )
    for name in ("verify-features", "verify-tables"):
        if (one := stages.get(name)) and one["checked"]:
            print_text(
                f"verify   {one['rows']:,} {name.removeprefix('verify-')[:-1]} rows checked: "
                f"{counted(one['hard'], 'error')}, {counted(one['soft'], 'warning')}"
            )
    if (one := stages.get("tables")) and one["written"]:
        print_text(f"tables   {one['written']:,} written, {counted(one['rows'], 'row')}")
    if (one := stages.get("metadata")) and one.get("changed"):
        print_text(
            f"metadata {counted(one['columns'], 'column')}, {counted(one['matched'], 'row')} "
            "matched"
        )
    if report["studied"]:
        print_text(f"studies  brought up to date: {', '.join(report['studied'])}")
    if (one := stages.get("publish")) and one["changed"]:
        print_text(
            f"publish  snapshot {one['snapshot']}: {counted(one['files'], 'file')}, "
            f"{one['sent_files']:,} of them new ({size_text(one['sent_bytes'])})"
            + (f", to {published_to}" if published_to else "")
        )
    if one and one["repaired_files"]:
        print_text(
            f"repaired {counted(one['repaired_files'], 'object was', 'objects were')} damaged or "
            "missing and replaced"
        )


def print_estimate(url: str, result: Mapping[str, Any]) -> None:
    """Print what a publish would do."""
    if not result["objects"]:
        print_text(
            f"nothing would be uploaded to {url}: all {counted(result['files_there'], 'file')} "
            "are there already"
        )
        return
    print_text(
        f"nothing was uploaded. Publishing to {url} would upload about\n"
        f"  {counted(result['files'], 'file')}, {size_text(result['size_bytes'])}, with "
        f"{counted(result['objects'] - result['files'], 'object')} of the snapshot itself\n"
        f"  ({counted(result['files_there'], 'more file is', 'more files are')} already there)\n"
        f"  in {result['write_requests']:,} writing and {result['read_requests']:,} reading "
        "requests"
    )
    if result["pictures"]:
        print_text(
            f"  {counted(result['pictures'], 'picture is', 'pictures are')} counted with the sizes "
            "in the ledger: without metadata they are smaller,\n  and formats that it cannot be "
            "taken out of are "
            "left out"
        )
    print_text(
        f"costing about {result['requests_cost']:,.4f} for requests and "
        f"{result['month_cost']:,.4f} for one month of storage, in the currency of the prices,\n"
        f"and taking about {duration(result['duration_s'])} at the assumed "
        f"{result['upload_mb_s']:,g} MB/s and {result['requests_s']:,g} requests/s (--prices "
        "changes prices and speeds)"
    )


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 120:
        return f"{seconds:,.0f} s"
    minutes = seconds / 60
    if minutes < 120:
        return f"{minutes:,.0f} minutes"
    hours = minutes / 60
    return f"{hours:,.1f} hours" if hours < 72 else f"{hours / 24:,.1f} days"
