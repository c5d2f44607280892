"""Lists of addresses: every picture of a list fetched into a folder that is then a source.

::

    <folder>/ab/ab34….jpg            pictures, by a hash of their address
    <folder>/rows-00001.parquet      file_name and the columns of the list, of what came
    <folder>/failures-00001.parquet  address, why it gave no picture, in how many attempts
    <folder>/rows-00001.json         receipt: this part of the list is done

The list is worked through in parts of `PART` rows, which bounds memory; a part that was interrupted
goes on with what is not there yet.
"""

import hashlib
import itertools
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from naturalist import artifacts, images
from naturalist.catalogue.web_pictures import NoPicture, WebLimits, fetch_picture, host_of
from naturalist.errors import ConfigError

PART = 10_000
FILE_NAME = "file_name"
_URL_NAMES = ("url", "image_url", "img_url", "link", "src", "identifier", "coreimageurl", "address")
_FAILURES = pa.schema(
    [
        pa.field("url", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("attempts", pa.int32()),
    ]
)


@dataclass(frozen=True)
class ListOptions:
    """How a list is fetched.

    Attributes:
        column: that has the addresses; empty takes one that is named like it.
        jobs: pictures fetched at once.
        per_host: of those, from one host.
        attempts: for each address, where another one may go well.
        pause_s: before the second attempt; doubled each time. A host that asks for more gets more.
        longest_pause_s: a host that asks for more than this is given up for this call.
        retry: try the failures of parts that are done again.
        limits: on each picture.
    """

    column: str = ""
    jobs: int = 16
    per_host: int = 4
    attempts: int = 3
    pause_s: float = 1.0
    longest_pause_s: float = 120.0
    retry: bool = False
    limits: WebLimits = field(default_factory=WebLimits)


@dataclass(frozen=True)
class Listed:
    """What became of a list: rows, pictures that are here, and failures by reason.

    `column` is the one that the addresses were taken from.
    """

    column: str
    rows: int
    pictures: int
    new: int
    failures: dict[str, int]


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of a list, their addresses as the first column, `url`; `column` had them."""

    rows: pa.Table
    column: str


def fetch_list(
    path: Path,
    folder: Path,
    options: ListOptions,
    on_row: Callable[[int], None] = lambda _: None,
) -> Listed:
    """Fetch the pictures of a list into a folder, but for those that are there.

    Args:
        path: CSV, TSV or Parquet.
        folder: made if there is none.
        options: how.
        on_row: hears how many more rows are done.

    Raises:
        ConfigError: the list cannot be read, is empty, or has no column of addresses; or the
            folder is a file, or that of another list.
        StorageFull: there is no space left.
    """
    there = next((one for one in (folder, *folder.parents) if one.exists()), None)
    if there is not None and not there.is_dir():
        raise ConfigError(f"{there} is a file: name a folder to download to with --to")
    totals, failures, taken = Counter[str](), Counter[str](), ""
    fetching = _Fetching(folder, options, on_row)
    for number, part in enumerate(_parts(path, options.column), start=1):
        target, taken = folder / f"rows-{number:05d}.parquet", part.column
        done = _fetch_part(target, path.name, part, options, fetching)
        totals.update(rows=done.rows, pictures=done.pictures, new=done.new)
        failures.update(done.failures)
    if not taken:
        raise ConfigError(
            f"the list {path} has no rows below the names of its columns: nothing was downloaded"
        )
    rows, pictures, new = totals["rows"], totals["pictures"], totals["new"]
    return Listed(taken, rows, pictures, new, dict(failures.most_common()))


def _parts(path: Path, column: str) -> Iterator[_Part]:
    """The list in parts of at most `PART` rows."""
    batches = _batches(path)
    held: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while batch.num_rows:
            piece = batch.slice(0, PART - count)
            held.append(piece)
            count += piece.num_rows
            batch = batch.slice(piece.num_rows)
            if count == PART:
                yield _with_url(path, pa.Table.from_batches(held), column)
                held, count = [], 0
    if held:
        yield _with_url(path, pa.Table.from_batches(held), column)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    try:
        with path.open("rb") as file:
            is_parquet = file.read(4) == b"PAR1"
        if is_parquet:
            with pq.ParquetFile(path) as opened:
                yield from opened.iter_batches(PART)
            return
        with path.open(encoding="utf-8-sig") as text:
            first = text.readline()
        names = first.rstrip("\r\n")
        delimiter = max(",;\t", key=names.count)
        # All columns as text: what they are is found when metadata are collected.
        columns = [name.strip().strip('"') for name in names.split(delimiter)]
        types = pa_csv.ConvertOptions(column_types=dict.fromkeys(columns, pa.string()))
        parse = pa_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True)
        with pa_csv.open_csv(path, parse_options=parse, convert_options=types) as opened_csv:
            yield from opened_csv
    except FileNotFoundError as error:
        raise ConfigError(f"the list {path} does not exist: check its path") from error
    except (OSError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise ConfigError(f"the list {path} cannot be read: {error}") from error


def _with_url(path: Path, table: pa.Table, column: str) -> _Part:
    twice = [name for name, count in Counter(table.column_names).items() if count > 1]
    if twice:
        raise ConfigError(
            f"the list {path} has more than one column named {', '.join(map(repr, twice))}: give "
            "each column a name of its own"
        )
    by_lower = {name.lower(): name for name in reversed(table.column_names)}
    wanted = [column.lower()] if column else list(_URL_NAMES)
    name = next((by_lower[one] for one in wanted if one in by_lower), None)
    if name is None:
        raise ConfigError(_without_column(path, column, table.column_names))
    try:
        urls = table[name].cast(pa.string()).combine_chunks()
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid) as error:
        raise ConfigError(
            f"the column {name!r} of the list {path} has the type {table[name].type}, not text: "
            "choose the column of URLs with --url-column"
        ) from error
    kept = [one for one in table.column_names if one != name and one.lower() != FILE_NAME]
    rows = pa.table({"url": urls, **{one: table[one] for one in kept if one != "url"}})
    return _Part(rows, name)


def _without_column(path: Path, column: str, names: Sequence[str]) -> str:
    if any(host_of(name) for name in names):
        return (
            f"the first line of the list {path} is a row already ({names[0][:200]}): put a line "
            "with the names of the columns before it, such as  url"
        )
    missing = f"column {column!r}" if column else "column of URLs"
    listed = ", ".join(names)
    return f"the list {path} has no {missing}: choose one with --url-column: {listed}"


def file_name(url: str, format_name: str) -> str:
    """Where the picture of an address lies, inside the folder."""
    digest = hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{digest[:2]}/{digest}.{images.EXTENSIONS[format_name]}"


def _fetch_part(
    target: Path,
    list_name: str,
    part: _Part,
    options: ListOptions,
    fetching: "_Fetching",
) -> Listed:
    folder, rows = target.parent, part.rows
    urls = [url or "" for url in rows["url"].to_pylist()]
    values = [list(map(str, column)) for column in rows.to_pydict().values()]
    fingerprint = artifacts.fingerprint(rows.column_names, values)
    receipt = artifacts.read_receipt(target)
    if receipt is not None and receipt.fingerprint != fingerprint:
        _check_same_list(receipt, target, list_name)
        receipt = None
    if receipt is not None and not (options.retry and receipt.facts["failures"]):
        fetching.on_row(len(urls))
        held = dict(receipt.facts["failures"])
        return Listed(part.column, len(urls), receipt.rows, 0, held)
    here = _here(folder, urls)
    fetching.on_row(sum(url in here for url in urls))
    wanted = [url for url in dict.fromkeys(urls) if url not in here]
    fetched, failed = fetching.run(wanted)
    names = here | fetched
    if fetched:
        artifacts.sync_file_system(folder)
    counted = _write(target, rows, urls, names, failed)
    facts = {"failures": counted, "list": list_name}
    digest = {target.name: artifacts.sha256_file(target)}
    came = sum(url in names for url in urls)
    artifacts.write_receipt(target, artifacts.Receipt(fingerprint, came, digest, facts=facts))
    return Listed(part.column, len(urls), came, len(fetched), counted)


def _check_same_list(receipt: artifacts.Receipt, target: Path, list_name: str) -> None:
    """A list that has grown goes on in its folder; another one would take away the rows of it."""
    before = receipt.facts.get("list", list_name)
    if before != list_name:
        raise ConfigError(
            f"{target.parent} holds the pictures of another list, {before}: name another folder "
            f"with --to. If {list_name} is that list in a newer version, name the file {before}"
        )


def _here(folder: Path, urls: Sequence[str]) -> dict[str, str]:
    """Names of the pictures that are here already, by address."""
    digests = {file_name(url, "png").partition(".")[0]: url for url in urls}
    found: dict[str, str] = {}
    for inside in {digest[:2] for digest in digests}:
        for path in (folder / inside).glob("*.*"):
            url = digests.get(f"{inside}/{path.stem}")
            if url is not None and path.suffix != artifacts.TEMPORARY_SUFFIX:
                found[url] = f"{inside}/{path.name}"
    return found


def _write(
    target: Path,
    rows: pa.Table,
    urls: Sequence[str],
    names: dict[str, str],
    failed: dict[str, tuple[NoPicture, int]],
) -> dict[str, int]:
    """Write the rows that have a picture, and those that have none; the failures by reason."""
    came = pa.array([url in names for url in urls])
    kept = rows.filter(came)
    listed = pa.array([names[url] for url in urls if url in names], pa.string())
    table = kept.add_column(0, FILE_NAME, listed)
    artifacts.write_parquet(target, table)
    lost = [
        {"url": url, "reason": one.failure.value, "detail": one.detail[:500], "attempts": attempts}
        for url, (one, attempts) in failed.items()
    ]
    path = target.with_name(target.name.replace("rows-", "failures-"))
    artifacts.write_parquet(path, pa.Table.from_pylist(lost, _FAILURES))
    return dict(Counter(failure.failure.value for failure, _ in failed.values()))


@dataclass
class _Host:
    """Addresses of one host that wait, those under way, and when it may be asked again."""

    waiting: deque[tuple[str, int]] = field(default_factory=deque)
    active: int = 0
    not_before: float = 0.0
    given_up: NoPicture | None = None


class _Fetching:
    """Fetches addresses side by side, a few at a time from each host.

    What hosts asked for is remembered from one call of `run` to the next.
    """

    def __init__(self, folder: Path, options: ListOptions, on_row: Callable[[int], None]) -> None:
        self.on_row = on_row
        self._folder, self._options = folder, options
        self._hosts: dict[str, _Host] = defaultdict(_Host)
        self._fetched: dict[str, str] = {}
        self._failed: dict[str, tuple[NoPicture, int]] = {}

    def run(self, urls: Sequence[str]) -> tuple[dict[str, str], dict[str, tuple[NoPicture, int]]]:
        """Names of what came, and what did not, by address."""
        self._fetched, self._failed = {}, {}
        self._forget_hosts()
        for url in urls:
            self._hosts[host_of(url)].waiting.append((url, 1))
        for host in list(self._hosts.values()):
            if host.given_up is not None:
                self._give_up(host, host.given_up)
        running: dict[Future[str], tuple[str, int]] = {}
        with ThreadPoolExecutor(self._options.jobs, "naturalist-pictures") as threads:
            try:
                while running or any(host.waiting for host in self._hosts.values()):
                    for url, attempt in self._due(self._options.jobs - len(running)):
                        running[threads.submit(self._one, url)] = (url, attempt)
                    done, _ = wait(running, self._next_due_s(), FIRST_COMPLETED)
                    if not running:
                        time.sleep(min(0.05, self._next_due_s() or 0.0))
                    for future in done:
                        self._settle(future, *running.pop(future))
            except BaseException:
                threads.shutdown(cancel_futures=True)
                raise
        return self._fetched, self._failed

    def _forget_hosts(self) -> None:
        """Keep those hosts only that asked for something: a list may have a million of them."""
        now = time.monotonic()
        kept = {
            name: host
            for name, host in self._hosts.items()
            if host.given_up is not None or host.not_before > now
        }
        self._hosts = defaultdict(_Host, kept)

    def _due(self, free: int) -> Iterator[tuple[str, int]]:
        """The next addresses to ask for, one of each host in turn."""
        now = time.monotonic()
        while free > 0:
            ready = [
                host
                for host in self._hosts.values()
                if host.waiting and host.active < self._options.per_host and host.not_before <= now
            ]
            if not ready:
                return
            for host in itertools.islice(ready, free):
                host.active += 1
                free -= 1
                yield host.waiting.popleft()

    def _next_due_s(self) -> float | None:
        """Until a host that waits may be asked again; None if only answers are waited for."""
        now = time.monotonic()
        due = [
            host.not_before - now
            for host in self._hosts.values()
            if host.waiting and host.active < self._options.per_host and host.not_before > now
        ]
        return min(due, default=None)

    def _one(self, url: str) -> str:
        picture = fetch_picture(url, self._options.limits)
        name = file_name(url, picture.format)
        path = self._folder / name
        with artifacts.storage_errors(str(path)):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Flushed with all others of the part, before its receipt says that they are there.
            temporary = path.with_name(f"{path.name}{artifacts.TEMPORARY_SUFFIX}")
            temporary.write_bytes(picture.data)
            temporary.replace(path)
        return name

    def _settle(self, future: Future[str], url: str, attempt: int) -> None:
        host = self._hosts[host_of(url)]
        host.active -= 1
        try:
            self._fetched[url] = future.result()
        except NoPicture as failure:
            if self._tries_again(host, url, attempt, failure):
                return
            self._failed[url] = (failure, attempt)
        self.on_row(1)

    def _tries_again(self, host: _Host, url: str, attempt: int, failure: NoPicture) -> bool:
        options = self._options
        if not failure.may_mend or host.given_up is not None:
            return False
        pause_s = max(failure.wait_s, options.pause_s * 2 ** (attempt - 1))
        if pause_s > options.longest_pause_s:
            self._give_up(host, failure)
            return False
        host.not_before = max(host.not_before, time.monotonic() + pause_s)
        if attempt >= options.attempts:
            return False
        host.waiting.append((url, attempt + 1))
        return True

    def _give_up(self, host: _Host, failure: NoPicture) -> None:
        """Leave a host alone that asks for more time than this call has."""
        host.given_up = failure
        while host.waiting:
            url, attempt = host.waiting.popleft()
            self._failed[url] = (failure, attempt - 1)
            self.on_row(1)
