"""Commands for the owner of a bucket: create, delete, policy, audit."""

from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    EndpointOption,
    JsonOption,
    PricesOption,
    PriceTableOption,
    RegionOption,
    s3_options,
)
from naturalist.errors import ConfigError
from naturalist.stores import S3Options
from naturalist.stores.audit import Audit, audit_bucket
from naturalist.stores.buckets import BucketOptions, create_bucket, delete_bucket
from naturalist.stores.prices import prices_for
from naturalist.stores.sharing import grant_accounts, grant_everyone, links_below, revoke

app = typer.Typer(
    name="bucket",
    help="Make, share, examine and delete an S3 bucket.\n\nCredentials come from the ordinary AWS "
    "chain: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, or a role.",
)
_HOUR_S = 3600

BucketArgument = Annotated[
    str, typer.Argument(metavar="BUCKET", help="Its name, or s3://NAME.", show_default=False)
]


@app.command(epilog=EXIT_CODES)
def create(
    bucket: BucketArgument,
    versioning: Annotated[
        bool, typer.Option("--versioning/--no-versioning", help="Keep overwritten objects.")
    ] = True,
    encryption: Annotated[
        bool,
        typer.Option("--encryption/--no-encryption", help="Encrypt with the server's own keys."),
    ] = True,
    stale_upload_days: Annotated[
        int, typer.Option(min=1, help="Unfinished uploads are aborted after so many days.")
    ] = BucketOptions.stale_upload_days,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Make a bucket that is private, versioned, encrypted, and clears away unfinished uploads.

    Example: naturalist bucket create my-pictures --region eu-west-1. Settings that the server does
    not know are named. To let others read it: naturalist bucket policy.
    """
    wanted = BucketOptions(versioning, encryption, stale_upload_days=stale_upload_days)
    made = create_bucket(_name(bucket), s3_options(endpoint_url, region), wanted)
    if json:
        output.print_json(vars(made))
        return
    output.print_text(f"made {made.bucket}: {', '.join(made.settings)}")
    if made.not_supported:
        output.print_text(f"the server does not know: {', '.join(made.not_supported)}")
    output.print_text(f'publish to it with  url = "s3://{made.bucket}/PREFIX"  in naturalist.toml')


@app.command(epilog=EXIT_CODES)
def delete(
    bucket: BucketArgument,
    confirm: Annotated[
        str,
        typer.Option(
            metavar="BUCKET",
            help="The name once more: needed unless naturalist made the bucket and it is empty.",
        ),
    ] = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Delete a bucket with everything in it: objects, old versions, unfinished uploads.

    Without --confirm nothing is deleted from a bucket that holds anything, or that naturalist did
    not make: the command says what is in it and ends with exit code 7. This cannot be undone.
    """
    name, again = _name(bucket), _name(confirm) if confirm else None
    gone = delete_bucket(name, s3_options(endpoint_url, region), confirmed_name=again)
    if json:
        output.print_json({"deleted": name, "held": vars(gone)})
    else:
        output.print_text(f"deleted {name}, which held {gone}")


@app.command(epilog=EXIT_CODES)
def policy(
    bucket: BucketArgument,
    everyone: Annotated[
        bool, typer.Option("--everyone", help="Everybody may read and list, without credentials.")
    ] = False,
    account: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Only these may: 12 digits of an AWS account, or the ARN of a user or role; may "
            "be repeated.",
        ),
    ] = None,
    links: Annotated[
        bool, typer.Option("--links", help="Print a link to each object that works for anybody.")
    ] = False,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Take back what --everyone and --account granted.")
    ] = False,
    prefix: Annotated[
        str, typer.Option(help="Only what is below this prefix, as in garden/tables.")
    ] = "",
    hours: Annotated[
        float, typer.Option(min=0.001, max=168, help="How long links work, at most 168 (7 days).")
    ] = 24,
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Say who may read a bucket. Take one of --everyone, --account, --links, --revoke.

    Each replaces what was granted before; statements of the policy that naturalist did not write
    stay. Links need no policy, cannot be taken back, and end with the session that made them.
    """
    if sum([everyone, bool(account), links, revoke]) != 1:
        raise ConfigError("take exactly one of --everyone, --account, --links and --revoke")
    if revoke and prefix:
        raise ConfigError("--revoke takes back everything: leave --prefix out")
    name, options = _name(bucket), s3_options(endpoint_url, region)
    if links:
        _print_links(name, prefix, hours, options, json=json)
        return
    said = _grant(name, tuple(account or ()), prefix, options, everyone=everyone)
    if json:
        output.print_json({"bucket": name, "prefix": prefix, "readers": said})
    else:
        output.print_text(
            f"{name}/{prefix}: readers are now {said}; naturalist bucket audit {name}"
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
    """Tell what of a bucket is public, how it is secured, and what keeping it costs.

    Whether it is public is also tried from outside, without credentials. Access lists of single
    objects are not looked at. Costs are estimates from a table of prices that you can edit.
    """
    name, options = _name(bucket), s3_options(endpoint_url, region)
    found = audit_bucket(name, prices_for(f"s3://{name}", options, price_table, prices), options)
    if json:
        held = vars(found) | {"contents": vars(found.contents), "is_public": found.is_public}
        output.print_json(held)
    else:
        _print_audit(found)


def _name(bucket: str) -> str:
    name = bucket.removeprefix("s3://").rstrip("/")
    if not name or "/" in name:
        raise ConfigError(
            f"{bucket!r} is no bucket: give its name alone, without a prefix (--prefix takes one "
            "where there is a choice)"
        )
    return name


def _grant(
    name: str, accounts: tuple[str, ...], prefix: str, options: S3Options, *, everyone: bool
) -> str:
    if everyone:
        grant_everyone(name, prefix, options)
        return "everyone"
    if accounts:
        grant_accounts(name, accounts, prefix, options)
        return ", ".join(accounts)
    revoke(name, options)
    return "nobody but the owner"


def _print_links(name: str, prefix: str, hours: float, options: S3Options, *, json: bool) -> None:
    made = links_below(name, prefix, max(1, round(hours * _HOUR_S)), options)
    if json:
        output.print_json([vars(link) for link in made])
        return
    for link in made:
        output.print_text(f"{output.printable(link.key)}\t{link.url}")


_UNKNOWN = "the server does not know of it"


def _print_audit(found: Audit) -> None:
    yes_no = {True: "yes", False: "no", None: _UNKNOWN}
    read = {True: "yes", False: "no", None: "nothing is in it"}[found.anonymous_can_read]
    blocked = _UNKNOWN if found.blocked is None else ", ".join(found.blocked) or "nothing"
    rows = [
        ["holds", str(found.contents)],
        ["made by naturalist", yes_no[found.contents.made_by_naturalist]],
        ["public", "YES" if found.is_public else "no"],
        ["anybody can list", yes_no[found.anonymous_can_list]],
        ["anybody can read", read],
        ["opened by", "; ".join(found.public_by) or "nothing"],
        ["public access blocked", blocked],
        ["versioning", yes_no[found.versioning]],
        ["encryption", found.encryption or "none"],
        ["stale uploads aborted", yes_no[found.aborts_stale_uploads]],
        ["keeping it, a month", f"about {found.month:,.2f} (in the currency of the prices)"],
        ["downloading it once", f"about {found.read_all_once:,.2f}"],
    ]
    output.print_table((found.bucket, ""), rows)
