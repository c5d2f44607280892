"""The commands about data sets that can be fetched by name: list, show, fetch, status."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, QuietOption
from naturalist.cli.progress import make_progress
from naturalist.counting import counted, size_text
from naturalist.errors import ConfigError, NaturalistError, StoreError
from naturalist.progress import Progress, stage, uncounted_stage
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    from naturalist.catalogue import Entry, Fetched, FetchOptions

app = typer.Typer(help="List and download known data sets.")

FolderOption = Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder for data sets.")]
_FOLDER = Path("sources")
_MOST_MB = 100_000.0
_NOT_LOOKED_UP = "(from memory: check at the source)"


@app.command("list", epilog=EXIT_CODES)
def list_sets(
    category: Annotated[str, typer.Option(help="Only this category.")] = "",
    folder: FolderOption = _FOLDER,
    json: JsonOption = False,
) -> None:
    """List the 37 data sets of plants, animals and humans.

    Example: naturalist sources list --category plant
    """
    entries = _of_category(category)
    if json:
        output.print_json({"rows": [_as_json(entry, folder) for entry in entries]})
        return
    rows = [
        [entry.category, entry.name, entry.handle, "yes" if _is_here(entry, folder) else ""]
        for entry in entries
    ]
    output.print_table(("category", "name", "at Kaggle", "fetched"), rows)


def _of_category(category: str) -> list[Entry]:
    """Sets of the catalogue: of a category, or all of them if none is given."""
    from naturalist import catalogue

    entries = [e for e in catalogue.known_sets() if category in ("", e.category)]
    if not entries:
        advice = choose_one_of(category, catalogue.CATEGORY_LABELS)
        raise ConfigError(f"the catalogue has no category {category!r}: {advice}")
    return entries


def _is_here(entry: Entry, folder: Path) -> bool:
    from naturalist import catalogue

    return catalogue.read_record(catalogue.path_of(folder, entry)) is not None


def _as_json(entry: Entry, folder: Path) -> dict[str, Any]:
    from naturalist import catalogue
    from naturalist.catalogue.records import licence_of

    path = catalogue.path_of(folder, entry)
    record = catalogue.read_record(path)
    return vars(entry) | {
        "page": entry.page,
        "licence": licence_of(entry, record),
        "path": str(path) if record else None,
        "fetched": vars(record) if record else None,
    }


@app.command(epilog=EXIT_CODES)
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name in the catalogue, or a URL.")],
    folder: FolderOption = _FOLDER,
    json: JsonOption = False,
) -> None:
    """Show what is known about a data set.

    Example: naturalist sources show animals10
    """
    from naturalist import catalogue
    from naturalist.catalogue.records import licence_of

    entry = catalogue.resolve(name)
    if json:
        output.print_json(_as_json(entry, folder))
        return
    record = catalogue.read_record(catalogue.path_of(folder, entry))
    facts = [
        ("name", entry.name),
        ("category", entry.category),
        ("page", entry.page),
        ("licence", licence_of(entry, record)),
        ("contents", f"{entry.contents} {_NOT_LOOKED_UP}" if entry.contents else "not known"),
        ("pictures in", entry.pictures),
        ("leave out", ", ".join(entry.leave_out)),
        ("fetched", f"version {record.version or '-'}, {record.fetched_at}" if record else "no"),
    ]
    for title, text in facts:
        if text:
            output.print_text(f"{title:<12} {text}")


NamesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="NAME",
        help="Names in the catalogue, kaggle:owner/name, hf:owner/name, or https:// URLs of "
        "archives.",
    ),
]
CategoryOption = Annotated[
    str,
    typer.Option(
        help="Download all data sets of this category; with a URL: the category it belongs to."
    ),
]
EverythingOption = Annotated[
    bool, typer.Option("--all", help="Download all data sets of the catalogue.")
]
NewestOption = Annotated[
    bool, typer.Option("--newest", help="Check for newer versions of downloaded data sets.")
]
Sha256Option = Annotated[
    str,
    typer.Option(metavar="HEX", help="Expected SHA-256 of the archive; any other file is refused."),
]


JobsOption = Annotated[int, typer.Option(min=1, max=4, help="Number of parallel downloads.")]
IngestOption = Annotated[
    bool,
    typer.Option(
        "--ingest",
        help="Download one data set at a time and ingest its pictures before the next; the "
        "configuration must name it as a source.",
    ),
]
ReleaseOption = Annotated[
    bool,
    typer.Option(
        "--release", help="With --ingest: delete each archive once its pictures are ingested."
    ),
]


@app.command(epilog=EXIT_CODES)
def fetch(
    names: NamesArgument = None,
    category: CategoryOption = "",
    everything: EverythingOption = False,
    newest: NewestOption = False,
    sha256: Sha256Option = "",
    jobs: JobsOption = 2,
    ingest: IngestOption = False,
    release: ReleaseOption = False,
    config: ConfigOption = DEFAULT_CONFIG,
    folder: FolderOption = _FOLDER,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download data sets, each as one archive to use as a source.

    Run it again to resume; existing files are not downloaded again. If one data set is not
    available, the others are still downloaded. Credentials are read where the clients of Kaggle and
    Hugging Face keep them: KAGGLE_API_TOKEN, KAGGLE_USERNAME and KAGGLE_KEY, ~/.kaggle/kaggle.json,
    HF_TOKEN.

    Examples: naturalist sources fetch animals10 lfwpeople ; naturalist sources fetch --category
    plant ; naturalist sources fetch kaggle:owner/name --category animal ; naturalist sources fetch
    --all --ingest --release -c garden
    """
    from naturalist.catalogue import FetchOptions
    from naturalist.catalogue.fetching import check_sha256

    entries = _selected(names or [], category, everything=everything)
    if sha256 and len(entries) != 1:
        raise ConfigError("--sha256 works with one data set only: name exactly one")
    check_sha256(entries[0], sha256 or None)
    if release and not ingest:
        raise ConfigError(
            "--release needs --ingest: an archive is deleted only after its pictures are ingested"
        )
    _check_places(entries, folder)
    options = FetchOptions(folder, sha256 or None, newest)
    if ingest:
        results = _one_at_a_time(entries, options, config, release=release, quiet=quiet)
    else:
        results = _fetch_all(entries, options, jobs, quiet=quiet)
    _report(results, json=json)


def _report(results: Sequence[dict[str, Any]], *, json: bool) -> None:
    """Print what became of each set; one document as JSON, also where some failed."""
    failed = sum("error" in one for one in results)
    text = (
        f"{failed} of {len(results)} data sets could not be downloaded: run the same command again"
    )
    if not json:
        for one in results:
            output.print_text(_line(one))
        if failed:
            raise StoreError(text)
        return
    code = StoreError.exit_code
    error = {"type": StoreError.__name__, "message": text, "exit_code": code}
    output.print_json({"rows": results} | ({"ok": False, "error": error} if failed else {}))
    if failed:
        raise typer.Exit(code)


def _selected(names: Sequence[str], category: str, *, everything: bool) -> list[Entry]:
    from naturalist import catalogue

    if names:
        # One set named twice, perhaps in two ways, would be downloaded twice at once to one place.
        return list(dict.fromkeys(catalogue.resolve(name, category) for name in names))
    if not (category or everything):
        raise ConfigError("name data sets, or pass --category or --all")
    return _of_category(category)


def _check_places(entries: Sequence[Entry], folder: Path) -> None:
    from naturalist import catalogue

    places: dict[Path, Entry] = {}
    for entry in entries:
        path = catalogue.path_of(folder, entry)
        other = places.setdefault(path, entry)
        if other != entry:
            raise ConfigError(
                f"{other.page} and {entry.page} would both be {path}: download them one after the "
                "other, each into a category (--category) or folder (--to) of its own"
            )


def _fetch_all(
    entries: Sequence[Entry], options: FetchOptions, jobs: int, *, quiet: bool
) -> list[dict[str, Any]]:
    """Fetch sets side by side; one that fails is reported, and the others go on."""
    from naturalist import catalogue

    def one(advance: Callable[[int], None], entry: Entry) -> dict[str, Any]:
        try:
            result = catalogue.fetch(entry, options, lambda more, _: advance(more))
        except NaturalistError as error:
            return {"name": entry.name, "error": str(error)}
        return _result(entry, result)

    if len(entries) == 1:
        return [_fetch_one(entries[0], options, make_progress(quiet=quiet))]
    with (
        stage(make_progress(quiet=quiet), "fetch", None, "MB") as advance,
        ThreadPoolExecutor(jobs, "naturalist-fetch") as threads,
    ):
        return list(threads.map(partial(one, _in_megabytes(advance)), entries))


def _result(entry: Entry, found: Fetched) -> dict[str, Any]:
    return {
        "name": entry.name,
        "path": str(found.path),
        "new": found.is_new,
        "fetched": vars(found.record),
    }


def _fetch_one(entry: Entry, options: FetchOptions, progress: Progress) -> dict[str, Any]:
    """Fetch one set, with the time that is left where its host says how large it is."""
    from naturalist import catalogue

    with uncounted_stage(progress, f"fetch {entry.name}", "MB", 1_000_000) as (begin, advance):
        has_begun = False

        def heard(more: int, total: int | None) -> None:
            nonlocal has_begun
            if not has_begun:
                has_begun = True
                begin(total)
            advance(more)

        try:
            return _result(entry, catalogue.fetch(entry, options, heard))
        except NaturalistError as error:
            return {"name": entry.name, "error": str(error)}


def _one_at_a_time(
    entries: Sequence[Entry], options: FetchOptions, config: Path, *, release: bool, quiet: bool
) -> list[dict[str, Any]]:
    """Fetch, ingest and, if asked, release one set after another."""
    from naturalist import catalogue
    from naturalist.config import load_config
    from naturalist.pipeline import taking_in

    settings = load_config(config)
    progress = make_progress(quiet=quiet)
    # All of them before the first download: it may take hours.
    for entry in entries:
        path = catalogue.path_of(options.folder, entry)
        taking_in.sources_at(settings, path)
        if release:
            taking_in.check_releasable(settings, path)
    results = []
    for entry in entries:
        result = _fetch_one(entry, options, progress)
        results.append(result)
        if "error" in result or not Path(result["path"]).exists():
            continue
        path = Path(result["path"])
        done = taking_in.take_in(load_config(config), path, progress, release=release)
        result["ingested"] = vars(done.counts)
        result["freed_bytes"] = done.freed_bytes
    return results


def _in_megabytes(advance: Callable[[int], None]) -> Callable[[int], None]:
    lock = threading.Lock()
    seen = 0

    def count(size_bytes: int) -> None:
        nonlocal seen
        with lock:
            before, seen = seen, seen + size_bytes
            advance(seen // 1_000_000 - before // 1_000_000)

    return count


def _line(one: dict[str, Any]) -> str:
    if "error" in one:
        return f"{one['name']}: not downloaded: {one['error']}"
    record = one["fetched"]
    done = "fetched" if one["new"] else "is here"
    version = f", version {record['version']}" if record["version"] else ""
    if "ingested" in one:
        accepted = counted(one["ingested"]["accepted"], "new picture")
        freed = f", {size_text(one['freed_bytes'])} freed" if one["freed_bytes"] else ""
        return f"{one['name']}: {done}{version}, {accepted}{freed}"
    if record["released_at"]:
        return f"{one['name']}: was ingested; its archive was deleted{version}"
    return f"{one['name']}: {done}{version}, {size_text(record['size_bytes'])}: {one['path']}"


@app.command(epilog=EXIT_CODES)
def urls(
    listing: Annotated[
        Path, typer.Argument(metavar="LIST", help="CSV, TSV or Parquet with a column of URLs.")
    ],
    folder: Annotated[
        Path,
        typer.Option(
            "--to", metavar="DIR", help="Folder to download to; use it as a source afterwards."
        ),
    ],
    url_column: Annotated[
        str, typer.Option(metavar="NAME", help="Column of URLs (default: url, image_url, ...).")
    ] = "",
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Number of parallel downloads.")] = 16,
    per_host: Annotated[
        int, typer.Option(min=1, max=16, help="Number of parallel downloads from one host.")
    ] = 4,
    max_mb: Annotated[
        float, typer.Option(min=0.001, max=_MOST_MB, help="Refuse larger files.")
    ] = 32.0,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try URLs again that failed in an earlier call.")
    ] = False,
    allow_private: Annotated[
        bool,
        typer.Option(
            "--allow-private",
            help="Also connect to this machine and to private networks. Only for lists you trust.",
        ),
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Download the pictures of a list of URLs into a source folder.

    Keeps the other columns as metadata (rows-*.parquet) and writes a row with a reason for each URL
    without a picture (failures-*.parquet). Run it again to resume. See docs/sources.md.

    Example: naturalist sources urls birds.csv --to sources/animal/birds
    """
    from naturalist.catalogue.url_lists import ListOptions, fetch_list
    from naturalist.catalogue.web_pictures import WebLimits

    limits = WebLimits(max_bytes=int(max_mb * 1_000_000), allow_private=allow_private)
    options = ListOptions(url_column, jobs, per_host, retry=retry, limits=limits)
    with stage(make_progress(quiet=quiet), "urls", None, "rows") as advance:
        found = fetch_list(listing, folder, options, advance)
    if json:
        output.print_json(vars(found), outputs=[folder])
        return
    output.print_text(
        f"{found.pictures:,} of {counted(found.rows, 'row')} have a picture in {folder} "
        f"({found.new:,} new); URLs were taken from the column {found.column!r}"
    )
    for reason, count in found.failures.items():
        output.print_text(f"  {reason}: {count:,}")


@app.command(epilog=EXIT_CODES)
def status(folder: FolderOption = _FOLDER, json: JsonOption = False) -> None:
    """Show which data sets are downloaded, with version and size.

    Works offline.

    Example: naturalist sources status --to /data/sets
    """
    from naturalist import catalogue

    result = catalogue.records(folder)
    if json:
        output.print_json({"rows": [vars(record) | {"path": str(path)} for path, record in result]})
        return
    rows = [
        [
            path.parent.name,
            record.name,
            record.version[:12],
            size_text(record.size_bytes),
            record.licence or "unknown",
            record.fetched_at[:10],
            record.released_at[:10],
        ]
        for path, record in result
    ]
    head = ("category", "name", "version", "size", "licence", "fetched", "released")
    output.print_table(head, rows)
    total = sum(record.size_bytes for _, record in result if not record.released_at)
    output.print_text(f"\n{len(result)} sets, {size_text(total)} in {folder}")
