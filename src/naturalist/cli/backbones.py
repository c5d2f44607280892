"""Commands for backbones: list, show, fetch, add, bench."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.progress import stage

app = typer.Typer(help="List, download, add and benchmark backbones.")
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="NAME",
        help="fast, balanced, quality, or a name from `naturalist backbones list`.",
    ),
]


@app.callback()
def _group() -> None:
    """List, download, add and benchmark backbones."""


@app.command("list", epilog=EXIT_CODES)
def list_all(json: JsonOption = False) -> None:
    """List the backbones and what each still needs before it can be used.

    Put the name of your choice into naturalist.toml: [extract] backbone.

    Example: naturalist backbones list
    """
    from naturalist import backbones

    listed = backbones.listing()
    if json:
        output.print_json(
            {
                "rows": [
                    {"name": b.name, "state": b.state, "spec": b.spec and b.spec.as_dict()}
                    for b in listed
                ]
            }
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
    """Show the specification of a backbone: all that decides its vectors.

    The same specification is stored with the vectors.

    Example: naturalist backbones show mobilenet_v1_050_128
    """
    from naturalist import backbones

    spec = backbones.describe(backbones.resolve(name))
    facts = spec.as_dict() | {"id": spec.id, "fingerprint": spec.fingerprint}
    if json:
        output.print_json(facts)
    else:
        output.print_table(("what", "value"), [[key, str(value)] for key, value in facts.items()])


@app.command(epilog=EXIT_CODES)
def fetch(
    name: NameArgument,
    source: Annotated[
        str,
        typer.Option(
            "--from", metavar="PATH_OR_URL", help="File or URL to use instead of the default."
        ),
    ] = "",
    sha256: Annotated[str, typer.Option(help="Refuse a file with any other SHA-256.")] = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download or import the weights of a backbone and test them.

    Accepts Keras .h5, .tflite and SavedModel files of MobileNet v1 0.5.

    Example: naturalist backbones fetch mobilenet_v1_050_128 --from mobilenet_5_0_128_tf_no_top.h5
    """
    from naturalist import backbones

    known = backbones.resolve(name)
    with stage(make_progress(quiet=quiet), "fetch", None, "bytes") as advance:
        done = 0

        def on_bytes(so_far: int, _: int | None) -> None:
            nonlocal done
            advance(so_far - done)
            done = so_far

        fetched = backbones.fetch(known, source or None, sha256=sha256 or None, progress=on_bytes)
    if json:
        output.print_json(asdict(fetched) | {"path": str(fetched.path)})
    else:
        output.print_text(f"{fetched.path}\nsha256 {fetched.sha256}")


@app.command(epilog=EXIT_CODES)
def add(
    descriptor: Annotated[
        Path,
        typer.Argument(
            metavar="FILE.toml",
            help="Descriptor file: how pictures are prepared for the ONNX file.",
        ),
    ],
    json: JsonOption = False,
) -> None:
    """Add an ONNX file of your own as a backbone.

    A short descriptor says how pictures are prepared (docs/backbones.md).

    Example: naturalist backbones add my-backbone.toml
    """
    from naturalist import backbones

    spec = backbones.add(descriptor)
    if json:
        output.print_json(spec.as_dict() | {"id": spec.id})
    else:
        output.print_text(f"added {spec.name}: {spec.dim} features ({spec.id})")


@app.command(epilog=EXIT_CODES)
def bench(
    name: NameArgument,
    threads: Annotated[
        list[int] | None, typer.Option(min=1, help="Numbers of threads to measure.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Duration of each measurement, in seconds.")
    ] = 1.0,
    json: JsonOption = False,
) -> None:
    """Measure the speed of a backbone, by batch size and threads.

    Example: naturalist backbones bench efficientnet_lite0
    """
    from naturalist import backbones

    result = backbones.bench(backbones.resolve(name), threads=threads or [1], seconds=seconds)
    if json:
        output.print_json(asdict(result))
        return
    rows = [[s.batch, s.threads, f"{s.pictures_per_s:,.0f}"] for s in result.speeds]
    output.print_table(("batch", "threads", "pictures/s"), rows)
    output.print_text(
        f"\nprepared {result.prepared_per_s:,.0f} pictures/s, ready after {result.open_s:.1f} s, "
        f"{result.memory_bytes / 2**20:,.0f} MB"
    )
