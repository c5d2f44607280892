"""The bytes of a picture to predict: a file, or an http(s) address."""

import http.client
import stat
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from naturalist import __version__
from naturalist.errors import PictureError
from naturalist.reasons import Reason

_CHUNK_BYTES = 1 << 18


@dataclass(frozen=True)
class FetchLimits:
    """What is read at most: bytes of a file or an answer, seconds for an answer as a whole."""

    max_bytes: int = 256 * 1024 * 1024
    timeout_s: float = 30.0


def is_address(name: str) -> bool:
    """Whether a name is an address that is fetched."""
    return name.startswith(("http://", "https://"))


def read_input(name: str, limits: FetchLimits) -> bytes:
    """The bytes of a file or an address.

    Raises:
        PictureError: it cannot be read, or it is too large.
    """
    return _fetch(name, limits) if is_address(name) else _read(Path(name), limits)


def _read(path: Path, limits: FetchLimits) -> bytes:
    try:
        result = path.stat()
        if not stat.S_ISREG(result.st_mode):
            raise PictureError(Reason.SPECIAL_FILE, "not a regular file")
        _check_size(result.st_size, limits)
        return path.read_bytes()
    except FileNotFoundError as error:
        reason = Reason.BROKEN_LINK if path.is_symlink() else Reason.VANISHED
        raise PictureError(reason, "it does not exist") from error
    except PermissionError as error:
        raise PictureError(Reason.PERMISSION_DENIED, path.name) from error
    except OSError as error:
        raise PictureError(Reason.READ_ERROR, error.strerror or str(error)) from error


def _check_size(size_bytes: int, limits: FetchLimits) -> None:
    if size_bytes > limits.max_bytes:
        detail = f"{size_bytes:,} bytes; limits.max_file_bytes allows {limits.max_bytes:,}"
        raise PictureError(Reason.TOO_LARGE, detail)


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirections to web addresses only."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not is_address(newurl):
            fp.close()
            raise urllib.error.URLError(f"redirected to {newurl}, which is not a web URL")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _fetch(url: str, limits: FetchLimits) -> bytes:
    opener = urllib.request.build_opener(_WebOnly)
    request = urllib.request.Request(url, headers={"User-Agent": f"naturalist/{__version__}"})  # noqa: S310
    until = time.monotonic() + limits.timeout_s
    try:
        with opener.open(request, timeout=limits.timeout_s) as answer:
            return _read_all(answer, limits, until)
    except urllib.error.HTTPError as error:
        error.close()
        raise PictureError(Reason.READ_ERROR, f"cannot be fetched: {error}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # URLError and time-outs are OSErrors.
        raise PictureError(Reason.READ_ERROR, f"cannot be fetched: {error}") from error


def _read_all(answer: IO[bytes], limits: FetchLimits, until: float) -> bytes:
    data = bytearray()
    while chunk := answer.read(_CHUNK_BYTES):
        data += chunk
        _check_size(len(data), limits)
        if time.monotonic() > until:
            raise TimeoutError(f"it took longer than {limits.timeout_s:g} s")
    return bytes(data)
