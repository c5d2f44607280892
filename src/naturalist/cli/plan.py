"""The command that estimates what a collection of some size would take."""

from pathlib import Path
from typing import Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import JsonOption, PricesOption
from naturalist.counting import counted, size_text
from naturalist.errors import ConfigError

app = typer.Typer()


PicturesOption = Annotated[
    str,
    typer.Option(metavar="NUMBER", help="Number of pictures, such as 1000000, 1_000_000 or 100e6."),
]
CoresOption = Annotated[
    int,
    typer.Option(help="Cores per machine (default: those of this machine).", show_default=False),
]
KeepPicturesOption = Annotated[
    bool,
    typer.Option(
        "--keep-pictures",
        help="Assume that the workspace stores copies of the pictures, not links.",
    ),
]
PublishPicturesOption = Annotated[
    bool,
    typer.Option(
        "--publish-pictures", help="Assume that pictures are published too, as tar files."
    ),
]
NoCsvOption = Annotated[
    bool, typer.Option("--no-csv", help="Assume that tables are Parquet only (tables.csv = false).")
]
LikeOption = Annotated[
    Path | None,
    typer.Option(metavar="CONFIG", help="Use rates and sizes measured in this collection."),
]
RatesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Your own table of rates (default: the built-in one)."),
]
MachineHourOption = Annotated[
    float,
    typer.Option(
        metavar="PRICE", help="Price of one machine per hour (default: 0).", show_default=False
    ),
]
TableOption = Annotated[
    str, typer.Option(metavar="NAME", help="Store in the price table: aws, r2 or own.")
]


@app.command(epilog=EXIT_CODES)
def plan(
    pictures: PicturesOption,
    machines: Annotated[int, typer.Option(help="Number of machines.")] = 1,
    cores: CoresOption = 0,
    keep_pictures: KeepPicturesOption = False,
    publish_pictures: PublishPicturesOption = False,
    no_csv: NoCsvOption = False,
    like: LikeOption = None,
    rates: RatesOption = None,
    machine_hour: MachineHourOption = 0.0,
    prices: PricesOption = None,
    price_table: TableOption = "aws",
    json: JsonOption = False,
) -> None:
    """Estimate time, disk, memory and cost of a collection.

    For a number of pictures and machines. Runs no test and writes nothing. The assumptions are
    printed with the numbers.

    Example: naturalist plan --pictures 100e6 --machines 8 --cores 16 --like naturalist.toml
    """
    from naturalist.config import load_config
    from naturalist.pipeline.rates import load_rates
    from naturalist.planning import capacity
    from naturalist.planning.capacity import Workload
    from naturalist.running.executors import worker_count
    from naturalist.stores.prices import load_prices

    result, csv = load_rates(rates), True
    if like is not None:
        config = load_config(like)
        result, csv = capacity.rates_of(config, result), config.tables.csv
    if machine_hour:
        result = result.with_hour(machine_hour)
    expected = Workload(
        pictures=_number(pictures),
        machines=machines,
        cores=cores or worker_count(0),
        keep_pictures=keep_pictures,
        publish_pictures=publish_pictures,
        csv=csv and not no_csv,
    )
    planned = capacity.plan(expected, result, load_prices(price_table, prices))
    if json:
        output.print_json(planned)
    else:
        _print(planned)


def _number(text: str) -> int:
    try:
        number = float(text.replace("_", "").replace(",", ""))
        return int(number)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"--pictures {text!r}: expected a number such as 1000000 or 100e6"
        ) from error


def _print(planned: dict[str, Any]) -> None:
    from naturalist.planning.capacity import MB

    expected = planned["requested"]
    many = counted(expected["machines"], "machine")
    output.print_text(
        f"{counted(expected['pictures'], 'picture')}; {many} with "
        f"{counted(expected['cores'], 'core')} each\n"
    )
    rows = [
        [
            stage["stage"],
            _rate(stage),
            output.duration(stage["one_machine_s"]),
            output.duration(stage["machines_s"]),
        ]
        for stage in planned["stages"]
    ]
    studied_s = sum(study["s"] for study in planned["studies"])
    keys = ("one_machine_s", "machines_s")
    totals = [output.duration(planned[key]) for key in keys]
    with_studies = [output.duration(planned[key] + studied_s) for key in keys]
    rows += [["all", "", *totals], ["all, and each study once", "one process", *with_studies]]
    output.print_table(("stage", "rate", "on one", f"on {many}"), rows)
    output.print_text("")
    studies = [[one["study"], output.duration(one["s"])] for one in planned["studies"]]
    output.print_table(("study of all, once", "time"), studies)
    output.print_text(
        f"\nlater, a run with nothing new: {output.duration(planned['nothing_new_s'])}\n"
    )
    disk = [
        [kind.replace("_", ", "), size_text(size)] for kind, size in planned["disk_bytes"].items()
    ]
    disk.append(["all", size_text(sum(planned["disk_bytes"].values()))])
    output.print_table(("on disk", "size"), disk)
    output.print_text("")
    memory = [
        [what.replace("_", " "), size_text(size * MB)]
        for what, size in planned["memory_mb"].items()
    ]
    output.print_table(("memory of", "size"), memory)
    _print_publish(planned)
    output.print_text("\nassumed:")
    for sentence in planned["assumptions"]:
        output.print_text(f"- {sentence}")


_WHOLE_RATE = 10
"""Pictures a second from which on a rate is printed without decimals."""


def _rate(stage: dict[str, Any]) -> str:
    if stage["unit"] == "MB":
        return f"{stage['rate']:,.1f} MB/s to the store" + (" each" if stage["divided"] else "")
    digits = 0 if stage["rate"] >= _WHOLE_RATE else 2
    return f"{stage['rate']:,.{digits}f}/s " + ("a core" if stage["divided"] else "in one process")


def _print_publish(planned: dict[str, Any]) -> None:
    sent, money = planned["publish"], planned["money"]
    output.print_text(
        f"\npublishing sends {counted(sent['objects'], 'object')}, "
        f"{size_text(sent['size_bytes'])}, in "
        f"{sent['write_requests']:,} writing and {sent['read_requests']:,} reading requests, in "
        f"{output.duration(sent['duration_s'])}\n"
        f"it costs {money['requests']:,.2f} for the requests and {money['month']:,.2f} a month; "
        f"the machines cost {money['machines']:,.2f}"
    )
