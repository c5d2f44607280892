"""Options that several commands take."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli.defaults import CONFIG_NAME, Executor

if TYPE_CHECKING:
    from naturalist.stores import S3Options

DEFAULT_CONFIG = Path(CONFIG_NAME)
ConfigOption = Annotated[
    Path,
    typer.Option(
        "-c", "--config", help=f"Configuration file, or the folder that contains {CONFIG_NAME}."
    ),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document to stdout and nothing else.")
]
FullScanOption = Annotated[
    bool,
    typer.Option(
        "--full-scan",
        help="Check every file, also in unchanged folders (overrides ingest.unchanged_folders).",
    ),
]
AcceptWithdrawalsOption = Annotated[
    bool,
    typer.Option(
        "--accept-withdrawals",
        help="Allow more pictures to leave the tables than withdrawal_budget.",
    ),
]
AcceptLowSpaceOption = Annotated[
    bool,
    typer.Option(
        "--accept-low-space",
        help="Start even if the drives seem too small for the new files.",
    ),
]
AcceptFailuresOption = Annotated[
    bool, typer.Option("--accept-failures", help="Continue even if failure_budget is exceeded.")
]
AcceptReplacementOption = Annotated[
    bool,
    typer.Option(
        "--accept-replacement",
        help="Replace what another collection or workspace has published to publish.url.",
    ),
]
RescanOption = Annotated[
    bool,
    typer.Option(
        "--rescan",
        help="Examine known files again, even if their modification time is unchanged.",
    ),
]
ByOption = Annotated[
    str, typer.Option(help="Who decided (default: your user name). Never published.")
]
YesOption = Annotated[bool, typer.Option("--yes", help="Go ahead without asking.")]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Show what would change, without changing it.")
]
QuietOption = Annotated[bool, typer.Option("-q", "--quiet", help="Show no progress.")]
SnapshotOption = Annotated[
    str, typer.Option(metavar="ID", help="Id of a snapshot, such as 000012 (default: the newest).")
]
EndpointOption = Annotated[
    str, typer.Option(metavar="URL", help="URL of an S3 server other than AWS.")
]
RegionOption = Annotated[str, typer.Option(help="Region of the bucket.")]
AnonymousOption = Annotated[
    bool, typer.Option("--anonymous", help="Send no credentials: for public buckets.")
]
RequesterPaysOption = Annotated[
    bool,
    typer.Option(
        "--requester-pays", help="Pay for requests and traffic yourself (requester-pays buckets)."
    ),
]


def s3_options(
    endpoint_url: str, region: str, *, anonymous: bool = False, requester_pays: bool = False
) -> "S3Options":
    """How to reach a bucket that the configuration does not name, from a command's options."""
    from naturalist.stores import S3Options

    return S3Options(
        endpoint_url=endpoint_url or None,
        region=region or None,
        anonymous=anonymous,
        requester_pays=requester_pays,
    )


PricesOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Your own price table (default: the built-in one)."),
]
PriceTableOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Store in the price table: aws, r2 or own (default: chosen by the URL).",
    ),
]
ExecutorOption = Annotated[
    Executor | None,
    typer.Option(help="Executor to use (overrides executor.kind)."),
]
RayAddressOption = Annotated[
    str,
    typer.Option(
        metavar="ADDRESS",
        help="With --executor ray: local, auto, or host:port of the head node (default: "
        "executor.ray_address).",
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
        help="Your own vectors: .npy, or .parquet with a column features (optional: picID, "
        "category, source); needs --out.",
    ),
]
