"""Commands for the owner of a bucket: create, delete, policy, audit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.defaults import STALE_UPLOAD_DAYS
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    EndpointOption,
    JsonOption,
    PricesOption,
    PriceTableOption,
    RegionOption,
    s3_options,
)
from naturalist.errors import ConfigError, VerificationFailed

if TYPE_CHECKING:
    from naturalist.stores import S3Options
    from naturalist.stores.audit import Audit

app = typer.Typer(
    name="bucket",
    help="Create, share, audit and delete an S3 bucket.\n\nCredentials come from the ordinary AWS "
    "chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role.",
)
_HOUR_S = 3600

BucketArgument = Annotated[
    str,
    typer.Argument(metavar="BUCKET", help="Name of the bucket, or s3://NAME.", show_default=False),
]


@app.command(epilog=EXIT_CODES)
def create(
    bucket: BucketArgument,
    versioning: Annotated[
        bool,
        typer.Option(
            "--versioning/--no-versioning", help="Keep old versions of overwritten objects."
        ),
    ] = True,
    encryption: Annotated[
        bool,
        typer.Option(
            "--encryption/--no-encryption", help="Encrypt objects with keys managed by the server."
        ),
    ] = True,
    stale_upload_days: Annotated[
        int, typer.Option(min=1, help="Delete incomplete uploads after this many days.")
    ] = STALE_UPLOAD_DAYS,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Create a private, versioned, encrypted S3 bucket.

    Incomplete uploads are deleted automatically. Settings that the server does not support are
    listed. To let others read the bucket, use `naturalist bucket policy`.

    Example: naturalist bucket create my-pictures --region eu-west-1
    """
    from naturalist.stores.buckets import BucketOptions, create_bucket

    expected = BucketOptions(versioning, encryption, stale_upload_days=stale_upload_days)
    made = create_bucket(_name(bucket), s3_options(endpoint_url, region), expected)
    if json:
        output.print_json(vars(made))
        return
    output.print_text(f"created {made.bucket}: {', '.join(made.settings)}")
    if made.not_supported:
        output.print_text(f"not supported by the server: {', '.join(made.not_supported)}")
    output.print_text(
        f'to publish to it, set  url = "s3://{made.bucket}/PREFIX"  in naturalist.toml'
    )


@app.command(epilog=EXIT_CODES)
def delete(
    bucket: BucketArgument,
    confirm: Annotated[
        str,
        typer.Option(
            metavar="BUCKET",
            help="Name of the bucket again: required unless naturalist created it and it is empty.",
        ),
    ] = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Delete a bucket and everything in it, old versions too.

    Without --confirm, a bucket that is not empty or was not created by naturalist is left alone:
    the command lists its contents and ends with exit code 7. Deletion cannot be undone.

    Example: naturalist bucket delete my-pictures --confirm my-pictures
    """
    from naturalist.stores.buckets import delete_bucket

    name, again = _name(bucket), _name(confirm) if confirm else None
    gone = delete_bucket(name, s3_options(endpoint_url, region), confirmed_name=again)
    if json:
        output.print_json({"deleted": name, "held": vars(gone)})
    else:
        output.print_text(f"deleted {name}, which held {gone}")


EveryoneOption = Annotated[
    bool, typer.Option("--everyone", help="Let everyone read and list, without credentials.")
]
AccountOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="ID",
        help="Let an AWS account (12 digits) or the ARN of a user or role read. Repeatable.",
    ),
]
LinksOption = Annotated[
    bool,
    typer.Option("--links", help="Print a temporary link per object that works for anyone."),
]
RevokeOption = Annotated[
    bool, typer.Option("--revoke", help="Revoke access granted with --everyone and --account.")
]
PrefixOption = Annotated[
    str, typer.Option(help="Only objects below this prefix, such as garden/tables.")
]
HoursOption = Annotated[
    float,
    typer.Option(min=0.001, max=168, help="Hours until links expire, at most 168 (7 days)."),
]


@app.command(epilog=EXIT_CODES)
def policy(
    bucket: BucketArgument,
    everyone: EveryoneOption = False,
    account: AccountOption = None,
    links: LinksOption = False,
    revoke: RevokeOption = False,
    prefix: PrefixOption = "",
    hours: HoursOption = 24,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Set who may read a bucket.

    Pass one of --everyone, --account, --links and --revoke. Each replaces the access granted
    before; policy statements that naturalist did not write are kept. Links need no policy, cannot
    be revoked, and expire with the session that created them.

    Example: naturalist bucket policy my-pictures --everyone --prefix garden
    """
    if sum([everyone, bool(account), links, revoke]) != 1:
        raise ConfigError("pass exactly one of --everyone, --account, --links and --revoke")
    if revoke and prefix:
        raise ConfigError("--revoke revokes all grants: remove --prefix")
    name, options = _name(bucket), s3_options(endpoint_url, region)
    if links:
        _print_links(name, prefix, hours, options, json=json)
        return
    granted = _grant(name, tuple(account or ()), prefix, options, everyone=everyone)
    if json:
        output.print_json({"bucket": name, "prefix": prefix, "readers": granted})
    else:
        output.print_text(
            f"{name}/{prefix}: readers are now {granted}; check: naturalist bucket audit {name}"
        )


@app.command(epilog=EXIT_CODES)
def audit(
    bucket: BucketArgument,
    prices: PricesOption = None,
    price_table: PriceTableOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Show what is public in a bucket, how it is secured, what it costs.

    Public access is also tested from outside, without credentials. Access lists of single objects
    are not checked. Costs are estimates from a price table that you can edit. Ends with exit code 4
    if anybody can write or delete.

    Example: naturalist bucket audit my-pictures
    """
    from naturalist.stores.audit import audit_bucket
    from naturalist.stores.prices import prices_for

    name, options = _name(bucket), s3_options(endpoint_url, region)
    result = audit_bucket(name, prices_for(f"s3://{name}", options, price_table, prices), options)
    if json:
        more = {"is_public": result.is_public, "anyone_can_write": result.anyone_can_write}
        output.print_json(vars(result) | {"contents": vars(result.contents)} | more)
    else:
        _print_audit(result)
    if result.anyone_can_write:
        raise typer.Exit(VerificationFailed.exit_code)


def _name(bucket: str) -> str:
    name = bucket.removeprefix("s3://").rstrip("/")
    if name.startswith(("gs://", "az://")):
        raise ConfigError(
            f"{bucket!r}: naturalist bucket is for S3 only: use the tools of Google Cloud (gcloud "
            "storage) or Azure (az storage); publish, verify, pull and sources take this URL"
        )
    if not name or "/" in name:
        raise ConfigError(
            f"{bucket!r} is not the name of a bucket: pass the name only (use --prefix for a "
            "prefix)"
        )
    return name


def _grant(
    name: str, accounts: tuple[str, ...], prefix: str, options: S3Options, *, everyone: bool
) -> str:
    from naturalist.stores.sharing import grant_accounts, grant_everyone, revoke

    if everyone:
        grant_everyone(name, prefix, options)
        return "everyone"
    if accounts:
        grant_accounts(name, accounts, prefix, options)
        return ", ".join(accounts)
    revoke(name, options)
    return "only the owner"


def _print_links(name: str, prefix: str, hours: float, options: S3Options, *, json: bool) -> None:
    from naturalist.stores.sharing import links_below

    made = links_below(name, prefix, max(1, round(hours * _HOUR_S)), options)
    if json:
        output.print_json({"rows": [vars(link) for link in made]})
        return
    for link in made:
        output.print_text(f"{output.printable(link.key)}\t{link.url}")


_UNKNOWN = "not supported by the server"


def _writing(result: Audit) -> str:
    if result.anyone_can_write:
        return "YES"
    return "on conditions" if result.public_writes else "no"


def _print_audit(result: Audit) -> None:
    yes_no = {True: "yes", False: "no", None: _UNKNOWN}
    read = {True: "yes", False: "no", None: "empty"}[result.anonymous_can_read]
    blocked = _UNKNOWN if result.blocked is None else ", ".join(result.blocked) or "nothing"
    rows = [
        ["holds", str(result.contents)],
        ["made by naturalist", yes_no[result.contents.made_by_naturalist]],
        ["public", "YES" if result.is_public else "no"],
        ["anybody can list", yes_no[result.anonymous_can_list]],
        ["anybody can read", read],
        ["anybody can write or delete", _writing(result)],
        ["opened by", "; ".join(result.public_by) or "nothing"],
        ["public access blocked", blocked],
        ["versioning", yes_no[result.versioning]],
        ["encryption", result.encryption or "none"],
        ["stale uploads aborted", yes_no[result.aborts_stale_uploads]],
        ["keeping it, a month", f"about {result.month:,.2f} (in the currency of the prices)"],
        ["downloading it once", f"about {result.read_all_once:,.2f}"],
    ]
    output.print_table((result.bucket, ""), rows)
    if result.anyone_can_write:
        output.print_text(
            f"error: anybody can write to {result.bucket} or delete, without credentials "
            f"({'; '.join(result.public_writes)}): correct the policy or the access list of the "
            "bucket, then verify what is published there"
        )
