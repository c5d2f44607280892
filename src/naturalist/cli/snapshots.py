"""Commands for the snapshots of a published collection: list, diff, rollback, prune."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from naturalist.cli import output
from naturalist.cli.asking import confirmed
from naturalist.cli.defaults import KEPT_SNAPSHOTS, PRUNE_GRACE_S
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import (
    DEFAULT_CONFIG,
    AnonymousOption,
    ConfigOption,
    DryRunOption,
    EndpointOption,
    JsonOption,
    QuietOption,
    RegionOption,
    YesOption,
    s3_options,
)
from naturalist.cli.progress import make_progress
from naturalist.counting import counted, size_text
from naturalist.errors import ConfigError
from naturalist.progress import uncounted_stage

if TYPE_CHECKING:
    from naturalist.snapshots import File, PrunePlan, Snapshot, Summary
    from naturalist.stores import Store

app = typer.Typer(
    name="snapshots",
    help="List, compare, roll back and prune snapshots.\n\n"
    "They are read from publish.url, or from --url.",
)

_DAY_S = 24 * 3600

UrlOption = Annotated[
    str, typer.Option(metavar="URL", help="The published collection (default: publish.url).")
]


def _open(
    config: Path, url: str, endpoint_url: str, region: str, *, anonymous: bool = False
) -> Store:
    from naturalist.config import load_config
    from naturalist.stores import open_store

    if url:
        options = s3_options(endpoint_url, region, anonymous=anonymous)
        return open_store(url, options)
    settings = load_config(config)
    if not settings.publish_url:
        raise ConfigError(
            "publish.url is not set: set it to a folder or s3://bucket/prefix, or pass --url"
        )
    return open_store(settings.publish_url, settings.s3_options)


@app.command("list", epilog=EXIT_CODES)
def list_all(
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
) -> None:
    """List all snapshots, oldest first.

    Example: naturalist snapshots list --url s3://bucket/prefix --anonymous
    """
    from naturalist import snapshots

    store = _open(config, url, endpoint_url, region, anonymous=anonymous)
    result = snapshots.summaries(store)
    if json:
        output.print_json({"rows": [vars(one) for one in result]})
        return
    columns = ("snapshot", "", "made at", "files", "size", "table rows", "made by")
    output.print_table(columns, [_row(one) for one in result])


def _row(one: Summary) -> list[object]:
    mark, text = "latest" if one.is_latest else "", one.fault or one.created_at
    return [one.id, mark, text, one.files, size_text(one.size_bytes), one.table_rows, one.made_by]


@app.command("diff", epilog=EXIT_CODES)
def show_diff(
    before: Annotated[str, typer.Argument(metavar="A", help="Id of the older snapshot.")],
    after: Annotated[str, typer.Argument(metavar="B", help="Id of the newer snapshot.")],
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="Write an HTML page of added, removed and relabelled pictures, and count "
            "pictures instead of files.",
        ),
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    anonymous: AnonymousOption = False,
    json: JsonOption = False,
) -> None:
    """Show which files or pictures differ between snapshots A and B.

    With --pictures, pictures are grouped by what happened, why, and their cluster or source. The
    page is a single file without external resources. Pictures that were taken down are named, not
    shown.

    Example: naturalist snapshots diff 000011 000012 --pictures changes.html
    """
    from naturalist import snapshots

    store = _open(config, url, endpoint_url, region, anonymous=anonymous)
    older, newer = snapshots.read(store, before), snapshots.read(store, after)
    if pictures is not None:
        _show_pictures(store, older, newer, pictures, None if url else config, json=json)
        return
    result = snapshots.diff(older, newer)
    changes = [("changed", new) for _, new in result.changed]
    changes += [("added", file) for file in result.added]
    changes += [("removed", file) for file in result.removed]
    if json:
        parts = {
            word: [_entry(file) for one, file in changes if one == word]
            for word in ("added", "removed", "changed")
        }
        about = {key: {"before": a, "after": b} for key, (a, b) in result.about.items()}
        output.print_json({"before": before, "after": after} | parts | {"about": about})
        return
    rows = [[word, file.name, file.size_bytes] for word, file in changes]
    if rows:
        output.print_table(("", "file", "bytes"), rows)
    output.print_text(
        f"{len(result.added):,} added, {len(result.removed):,} removed, {len(result.changed):,} "
        f"changed; {size_text(result.fetched_bytes)} to fetch from {before} to {after}"
    )


def _show_pictures(
    store: Store,
    before: Snapshot,
    after: Snapshot,
    path: Path,
    config: Path | None,
    *,
    json: bool,
) -> None:
    from naturalist import artifacts, snapshots
    from naturalist.config import load_config
    from naturalist.curation import takedown
    from naturalist.ledger import Withheld
    from naturalist.snapshots import diff_page

    gone = takedown.never_shown(load_config(config)) if config else Withheld()
    found = snapshots.diff_pictures(store, before, after, gone)
    jpegs = dict(snapshots.thumbnails(store, before, after, diff_page.wanted_pictures(found)))
    text = diff_page.page(found, str(after.about["collection"]), jpegs)
    artifacts.write_bytes(path, text.encode())
    if json:
        changes = [vars(one) for one in found.changes]
        counts = found.counts()
        output.print_json(
            {
                "before": before.id,
                "after": after.id,
                **counts,
                "changes": changes,
                "page": str(path),
            }
        )
        return
    groups = [[*key, len(group)] for key, group in found.groups().items()]
    if groups:
        output.print_table(("", "why", "cluster or source", "pictures"), groups)
    output.print_text(f"{diff_page.summary(found)} {path}")


def _entry(file: File) -> dict[str, object]:
    return {"name": file.name, "size_bytes": file.size_bytes, "sha256": file.sha256}


@app.command(epilog=EXIT_CODES)
def rollback(
    snapshot: Annotated[str, typer.Argument(metavar="ID", help="Id of the snapshot.")],
    why: Annotated[str, typer.Option(help="Reason, recorded in the store.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Point `latest` to a snapshot and hold it there.

    Runs publish nothing until `naturalist snapshots release`. Refused for a snapshot that contains
    pictures taken down since, or a retired category.

    Example: naturalist snapshots rollback 000003 --why "wrong labels since then"
    """
    from naturalist import snapshots
    from naturalist.config import load_config
    from naturalist.curation import takedown
    from naturalist.snapshots import Gone

    gone = Gone() if url else takedown.gone(load_config(config))
    done = snapshots.roll_back(_open(config, url, endpoint_url, region), snapshot, why, gone)
    if json:
        output.print_json(vars(done))
    elif done.changed:
        output.print_text(
            f"latest is held at snapshot {done.after}; it was {done.before}. Runs publish nothing "
            "until `naturalist snapshots release`"
        )
    else:
        output.print_text(
            f"nothing to change: latest is held at snapshot {done.after} since {done.held_since}"
        )


@app.command(epilog=EXIT_CODES)
def release(
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
) -> None:
    """Release a rollback: the next publish moves `latest` on.

    Example: naturalist snapshots release
    """
    from naturalist import snapshots

    hold = snapshots.release(_open(config, url, endpoint_url, region))
    if json:
        output.print_json({"released": hold is not None} | (vars(hold) if hold else {}))
    elif hold is not None:
        output.print_text(f"released: latest was held at {hold.snapshot} since {hold.since}")
    else:
        output.print_text("nothing is held")


@app.command(epilog=EXIT_CODES)
def prune(
    keep: Annotated[
        int, typer.Option(min=1, help="Number of newest snapshots to keep.")
    ] = KEPT_SNAPSHOTS,
    grace_days: Annotated[
        float, typer.Option(min=0, help="Keep everything younger than this many days.")
    ] = PRUNE_GRACE_S / _DAY_S,
    dry_run: DryRunOption = False,
    yes: YesOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    url: UrlOption = "",
    endpoint_url: EndpointOption = "",
    region: RegionOption = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Delete old snapshots and the files that only they use.

    Shows what would be deleted and asks, unless --yes is given. The snapshot that `latest` points
    to always stays. Safe while others publish. In a versioned bucket, old object versions remain
    until its lifecycle rule removes them.

    Examples: naturalist snapshots prune --keep 10 --dry-run ; naturalist snapshots prune --keep 10
    """
    from naturalist import snapshots

    store = _open(config, url, endpoint_url, region)
    options = snapshots.PruneOptions(keep, grace_days * _DAY_S)
    result = snapshots.plan(store, options)
    if not (dry_run or yes or json):
        _print_plan(result, removed=False)
    is_any = bool(result.snapshots or result.objects)
    remove = is_any and not dry_run and (yes or confirmed("Delete them?", json=json))
    if remove:
        listening = uncounted_stage(make_progress(quiet=quiet), "prune", "objects")
        with listening as (begin, advance):
            result = snapshots.prune(store, options, on_begin=begin, on_removed=advance)
    if json:
        output.print_json(_plan_as_json(result, removed=remove) | {"dry_run": dry_run})
    elif remove or dry_run or yes:
        _print_plan(result, removed=remove)


def _plan_as_json(plan: PrunePlan, *, removed: bool) -> dict[str, object]:
    return {
        "removed": removed,
        "kept": list(plan.kept),
        "snapshots": list(plan.snapshots),
        "objects": [info.key for info in plan.objects],
        "size_bytes": plan.size_bytes,
        "in_grace": plan.in_grace,
        "foreign": plan.foreign,
    }


def _print_plan(plan: PrunePlan, *, removed: bool) -> None:
    word = "removed" if removed else "to be removed"
    if plan.snapshots:
        output.print_text(f"snapshots {word}: {', '.join(plan.snapshots)}")
    output.print_text(
        f"{word}: {counted(len(plan.objects), 'object')}, {size_text(plan.size_bytes)}; kept: "
        f"{counted(len(plan.kept), 'snapshot')}; too recent to delete: "
        f"{counted(plan.in_grace, 'object')}; not "
        f"created by naturalist and left alone: {plan.foreign:,}"
    )
