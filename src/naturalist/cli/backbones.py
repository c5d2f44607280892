"""Commands for backbones: list, show, fetch, add, bench."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from naturalist import backbones
from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.progress import stage

app = typer.Typer(help="Networks that turn pictures into features.")
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="As `naturalist backbones list` shows it.")
]


@app.callback()
def _group() -> None:
    """Networks that turn pictures into features: see, fetch, add and measure them."""


@app.command("list", epilog=EXIT_CODES)
def list_all(json: JsonOption = False) -> None:
    """List the backbones, and what is missing to use each of them.

    The name goes into naturalist.toml, [extract] backbone.
    """
    listed = backbones.listing()
    if json:
        output.print_json(
            [
                {"name": b.name, "state": b.state, "spec": b.spec and b.spec.as_dict()}
                for b in listed
            ]
        )
        return
    rows = [
        [b.name, b.spec.dim, f"{b.spec.side} px", b.spec.precision, b.spec.licence, b.state]
        if b.spec
        else [b.name, "", "", "", "", b.state]
        for b in listed
    ]
    output.print_table(("backbone", "features", "side", "precision", "licence", "state"), rows)


@app.command(epilog=EXIT_CODES)
def show(name: NameArgument, json: JsonOption = False) -> None:
    """Show everything that a backbone's vectors depend on: this is written beside each of them."""
    spec = backbones.describe(name)
    facts = spec.as_dict() | {"id": spec.id, "fingerprint": spec.fingerprint}
    if json:
        output.print_json(facts)
    else:
        output.print_table(("what", "value"), [[key, str(value)] for key, value in facts.items()])


@app.command(epilog=EXIT_CODES)
def fetch(
    name: NameArgument,
    source: Annotated[
        str, typer.Option("--from", metavar="PATH_OR_URL", help="Another file than the default.")
    ] = "",
    sha256: Annotated[str, typer.Option(help="Refuse a file with any other sha256.")] = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring a backbone's weights to this machine and try them.

    Takes Keras .h5, .tflite and SavedModel files of MobileNet v1 0.5. Example:
    naturalist backbones fetch mobilenet_v1_050_128 --from mobilenet_5_0_128_tf_no_top.h5
    """
    with stage(make_progress(quiet=quiet), "fetch", None, "bytes") as advance:
        done = 0

        def on_bytes(so_far: int, _: int | None) -> None:
            nonlocal done
            advance(so_far - done)
            done = so_far

        fetched = backbones.fetch(name, source or None, sha256=sha256 or None, progress=on_bytes)
    if json:
        output.print_json(asdict(fetched) | {"path": str(fetched.path)})
    else:
        output.print_text(f"{fetched.path}\nsha256 {fetched.sha256}")


@app.command(epilog=EXIT_CODES)
def add(
    descriptor: Annotated[
        Path, typer.Argument(metavar="FILE.toml", help="Says how pictures enter the ONNX file.")
    ],
    json: JsonOption = False,
) -> None:
    """Add any ONNX file as a backbone, by a descriptor of a few lines (docs/backbones.md).

    Example: naturalist backbones add my-network.toml
    """
    spec = backbones.add(descriptor)
    if json:
        output.print_json(spec.as_dict() | {"id": spec.id})
    else:
        output.print_text(f"added {spec.name}: {spec.dim} features ({spec.id})")


@app.command(epilog=EXIT_CODES)
def bench(
    name: NameArgument,
    threads: Annotated[list[int] | None, typer.Option(min=1, help="Threads to try.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="For each measurement.")] = 1.0,
    json: JsonOption = False,
) -> None:
    """Measure a backbone on this machine, by batch size and threads.

    Example: naturalist backbones bench efficientnet_lite0
    """
    found = backbones.bench(name, threads=threads or [1], seconds=seconds)
    if json:
        output.print_json(asdict(found))
        return
    rows = [[s.batch, s.threads, f"{s.pictures_per_s:,.0f}"] for s in found.speeds]
    output.print_table(("batch", "threads", "pictures/s"), rows)
    output.print_text(
        f"\nprepared {found.prepared_per_s:,.0f} pictures/s, ready after {found.open_s:.1f} s, "
        f"{found.memory_bytes / 2**20:,.0f} MB"
    )
