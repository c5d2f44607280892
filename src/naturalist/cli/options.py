"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

from naturalist.config import CONFIG_NAME
from naturalist.config.executor import ExecutorKind
from naturalist.stores import S3Options

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
FullScanOption = Annotated[
    bool,
    typer.Option(
        "--full-scan",
        help="Look at every file, whatever ingest.unchanged_folders says.",
    ),
]
AcceptWithdrawalsOption = Annotated[
    bool,
    typer.Option(
        "--accept-withdrawals",
        help="Let more pictures leave the tables than withdrawal_budget allows.",
    ),
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")]
SnapshotOption = Annotated[
    str, typer.Option(metavar="ID", help="Id of a snapshot, as in 000012; the newest by default.")
]
EndpointOption = Annotated[
    str, typer.Option(metavar="URL", help="Address of an S3 server that is not AWS.")
]
RegionOption = Annotated[str, typer.Option(help="Region of the bucket.")]
AnonymousOption = Annotated[
    bool, typer.Option("--anonymous", help="Send no credentials: for public buckets.")
]
RequesterPaysOption = Annotated[
    bool, typer.Option("--requester-pays", help="Agree to pay for requests and traffic.")
]


def s3_options(
    endpoint_url: str, region: str, *, anonymous: bool = False, requester_pays: bool = False
) -> S3Options:
    """How to reach a bucket that the configuration does not name, from a command's options."""
    return S3Options(
        endpoint_url=endpoint_url or None,
        region=region or None,
        anonymous=anonymous,
        requester_pays=requester_pays,
    )


PricesOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Your own table of prices; the one that comes along by default."
    ),
]
PriceTableOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Which of its stores: aws, r2, own; by the address if not said."
    ),
]
ExecutorOption = Annotated[
    ExecutorKind | None,
    typer.Option(help="Who does the work, instead of what executor.kind says."),
]
RayAddressOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="With --executor ray: local, auto, or host:port of the head node; "
        "executor.ray_address by default.",
    ),
]
NameOption = Annotated[str, typer.Option(metavar="NAME", help="Name of the result.")]
FromOption = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="PLACE",
        help="Read a published or pulled collection, or another workspace; needs --out.",
    ),
]
OutOption = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Folder to write to, with --from or --vectors.")
]
VectorsOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Your own vectors: .npy, or .parquet with a column features (and picID, category, "
        "source where you have them); needs --out.",
    ),
]
