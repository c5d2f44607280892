"""Downloading over HTTP: a file, resumed, whole or not at all; or a small answer, into memory."""

import contextlib
import fcntl
import http.client
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlsplit

from naturalist import __version__, artifacts
from naturalist.errors import StoreError, WorkspaceError

logger = logging.getLogger(__name__)

T = TypeVar("T")
Progress = Callable[[int, int | None], None]
"""Called with the bytes so far and the bytes in all, where the server told."""

_CHUNK_BYTES = 1 << 18
LARGEST_BYTES = 4 << 30
LONGEST_WAIT_S = 300.0
"""How long a server may ask to be left alone (``Retry-After``) before that is an error."""
_TIMEOUT_S = 30
_RANGE_NOT_SATISFIABLE = 416
_PARTIAL = 206
_TOO_MANY_REQUESTS = 429
_AGENT = f"naturalist/{__version__}"


def _no_advice(status: int) -> str:
    return ""


@dataclass(frozen=True)
class DownloadOptions:
    """How a file is asked for.

    Attributes:
        attempts: how often, when connections break or the server is busy.
        pause_s: before the second attempt; twice as long before each further one.
        largest_bytes: more are refused.
        headers: sent with each request, and not to other hosts that a redirect names.
        advice: what to do about a status of refusal, as 401; may be empty.
    """

    attempts: int = 4
    pause_s: float = 1.0
    largest_bytes: int = LARGEST_BYTES
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    advice: Callable[[int], str] = _no_advice


def download(
    url: str,
    target: Path,
    *,
    sha256: str | None = None,
    options: DownloadOptions | None = None,
    progress: Progress | None = None,
) -> str:
    """Download `url` to `target` and return the sha256 of what came.

    The part that has come is beside `target` until the rest is there, also over several calls;
    it is used only if the server says that the file is still the same one (``If-Range``).

    Raises:
        StoreError: no connection, the server refuses, or the sha256 is not the expected one
            (then nothing is kept).
    """
    if not url.startswith(("https://", "http://")):
        raise StoreError(f"cannot download {url}: only http and https URLs are fetched")
    options = options or DownloadOptions()
    part = _Part(url, target, options)
    with _alone(target):
        try:
            _repeated(url, options, lambda: part.continue_download(progress))
        except _Broken as error:
            raise StoreError(_advice(url, error)) from error
        return part.finish(sha256)


def read_answer(url: str, options: DownloadOptions) -> bytes:
    """The answer of a server, in memory; repeated and waited for as a download is.

    Args:
        url: an http or https address.
        options: of `largest_bytes` so many are read at most, and the rest is left.

    Raises:
        StoreError: no connection, or the server refuses.
    """
    headers = {"User-Agent": _AGENT, **options.headers}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - of the caller

    def ask() -> bytes:
        with _answered(request, options) as response:
            data: bytes = response.read(options.largest_bytes)
            return data

    try:
        return _repeated(url, options, ask)
    except _Broken as error:
        raise StoreError(
            f"requesting {url}: {error}. Check the connection and run the same command again later"
        ) from error


def _repeated(url: str, options: DownloadOptions, ask: Callable[[], T]) -> T:
    """What `ask` gives, in as many attempts as are allowed; the last one's `_Broken` is raised."""
    for attempt in range(1, options.attempts):
        try:
            return ask()
        except _Broken as error:
            logger.info("%s was interrupted (%s), trying again", url, error)
            time.sleep(max(error.wait_s, options.pause_s * 2 ** (attempt - 1)))
    return ask()


class _Broken(Exception):
    """The connection failed in a way that another attempt may fix, after a wait."""

    def __init__(self, message: str, wait_s: float = 0.0) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class _Part:
    """The part of a file that has come, and the validator that says which file it is of."""

    def __init__(self, url: str, target: Path, options: DownloadOptions) -> None:
        self._url = url
        self._options = options
        self._target = target
        self._path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.json")

    def continue_download(self, progress: Progress | None) -> None:
        with _answered(self._request(), self._options) as response:
            if response.status == _RANGE_NOT_SATISFIABLE:
                self._forget()
                raise _Broken("the downloaded part does not match the file")
            self._receive(response, progress)

    def finish(self, sha256: str | None) -> str:
        """Check the sha256 and give the file its name."""
        result = artifacts.sha256_file(self._path)
        if sha256 is not None and result != sha256.lower():
            self._forget()
            raise StoreError(
                f"{self._url} is not the expected file: its sha256 is {result}, not {sha256}; "
                "nothing was saved"
            )
        artifacts.sync(self._path)
        self._path.replace(self._target)
        self._forget()
        return result

    def _request(self) -> urllib.request.Request:
        headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"}
        headers |= self._options.headers
        validator = self._validator()
        if validator and self._size():
            headers |= {"Range": f"bytes={self._size()}-", "If-Range": validator}
        return urllib.request.Request(self._url, headers=headers)  # noqa: S310 - checked above

    def _receive(self, response: Any, progress: Progress | None) -> None:
        if response.status == _PARTIAL:
            self._check_range(response.headers.get("Content-Range", ""))
        else:
            self._restart(response.headers)
        done = self._size()
        length = response.headers.get("Content-Length")
        total = None if length is None else done + int(length)
        with artifacts.storage_errors(str(self._path)), self._path.open("ab") as file:
            while chunk := _read(response):
                file.write(chunk)
                done += len(chunk)
                if done > self._options.largest_bytes:
                    limit = self._options.largest_bytes / 2**30
                    raise StoreError(f"{self._url} is larger than {limit:,.0f} GiB")
                if progress is not None:
                    progress(done, total)
        if total is not None and done < total:
            raise _Broken(f"{done:,} of {total:,} bytes arrived")

    def _check_range(self, content_range: str) -> None:
        if not content_range.startswith(f"bytes {self._size()}-"):
            self._forget()
            raise _Broken(f"the server sent another range ({content_range}) than requested")

    def _restart(self, headers: Any) -> None:
        self._forget()
        tag = headers.get("ETag", "")
        # A weak tag does not promise equal bytes (RFC 9110, section 13.1.5).
        validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        artifacts.write_json(self._note, {"url": self._url, "validator": validator})

    def _validator(self) -> str:
        try:
            note = artifacts.read_json(self._note) or {}
            return str(note["validator"]) if note.get("url") == self._url else ""
        except (WorkspaceError, KeyError, AttributeError):
            return ""

    def _size(self) -> int:
        return self._path.stat().st_size if self._path.exists() else 0

    def _forget(self) -> None:
        self._path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but never from https down to http."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https://") and not newurl.startswith("https://"):
            raise StoreError(f"{req.full_url} redirects to {newurl}, which is not encrypted")
        result = super().redirect_request(req, fp, code, msg, headers, newurl)
        if result is not None and urlsplit(newurl).netloc != urlsplit(req.full_url).netloc:
            # A token is for the host that it was made for.
            result.headers.pop("Authorization", None)
        return result


@contextlib.contextmanager
def _answered(request: urllib.request.Request, options: DownloadOptions) -> Iterator[Any]:
    """An answer that is no refusal, or says that a range does not fit.

    Raises:
        _Broken: another attempt may go well.
        StoreError: the server refuses.
    """
    try:
        with _open(request) as response:
            yield response
    except urllib.error.HTTPError as error:
        _refused(request.full_url, error, options)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(getattr(error, "reason", error)) or type(error).__name__) from error


def _open(request: urllib.request.Request) -> Any:
    try:
        return urllib.request.build_opener(_SafeRedirects).open(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == _RANGE_NOT_SATISFIABLE:
            return error
        raise


def _refused(url: str, error: urllib.error.HTTPError, options: DownloadOptions) -> NoReturn:
    text = f"the server answered {error.code} {error.reason}"
    if error.code == _TOO_MANY_REQUESTS or error.code >= 500:
        raise _Broken(text, _wait_s(error.headers.get("Retry-After", ""))) from error
    advice = options.advice(error.code)
    raise StoreError(f"requesting {url}: {text}{f'. {advice}' if advice else ''}") from error


def _read(response: Any) -> bytes:
    """Read a piece; what goes wrong here is the network's fault, not the disk's."""
    try:
        data: bytes = response.read(_CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(error) or type(error).__name__) from error
    return data


def _wait_s(retry_after: str) -> float:
    """Seconds that a server asks to be left alone; its dates are not read."""
    wait_s = float(retry_after) if retry_after.isdecimal() else 0.0
    if wait_s > LONGEST_WAIT_S:
        raise StoreError(f"the server asks to wait {wait_s:,.0f} s: try again then")
    return wait_s


@contextlib.contextmanager
def _alone(target: Path) -> Iterator[None]:
    """Keep other processes and threads from downloading the same file meanwhile."""
    folder = target.parent
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f".{target.name}.fetching").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError(
                f"another process is downloading {target}: wait until it ends"
            ) from None
        yield


def _advice(url: str, error: _Broken) -> str:
    return (
        f"cannot download {url}: {error}. Run the same command again to continue where it broke "
        "off, "
        "or get the file in another way and pass its path instead of the URL"
    )
