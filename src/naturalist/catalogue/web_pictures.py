"""One picture from an address that a stranger wrote into a list.

The host's name is resolved once for each hop, the addresses are looked at, and the connection goes
to the one that was looked at: a name that answers differently a moment later (DNS rebinding) leads
nowhere else. Proxies of the environment are not used, because a proxy would resolve the name again.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from urllib.parse import SplitResult, quote, urljoin, urlsplit

from naturalist import __version__, images

_PIECE = 1 << 16
_MOST_DIGITS = 18
_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_SAFE = "/%:@!$&'()*+,;=-._~"
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Failure(StrEnum):
    """Why an address gave no picture."""

    BAD_ADDRESS = "bad_address"
    PRIVATE_ADDRESS = "private_address"
    NO_SUCH_HOST = "no_such_host"
    NO_CONNECTION = "no_connection"
    TIMED_OUT = "timed_out"
    STATUS = "status"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    NOT_A_PICTURE = "not_a_picture"


class NoPicture(Exception):
    """An address gave no picture.

    Attributes:
        failure: why.
        detail: more, for people.
        may_mend: whether another attempt may go well.
        wait_s: how long its host asked to be left alone.
    """

    def __init__(
        self, failure: Failure, detail: str = "", *, may_mend: bool = False, wait_s: float = 0.0
    ) -> None:
        super().__init__(detail or failure.value)
        self.failure = failure
        self.detail = detail
        self.may_mend = may_mend
        self.wait_s = wait_s


@dataclass(frozen=True)
class WebLimits:
    """What is allowed.

    Attributes:
        max_bytes: of a picture, which is held in memory while it comes.
        timeout_s: of each wait for the server.
        total_s: of everything, redirects too: a server that sends a byte a second ends there.
        redirects: followed at most.
        allow_private: whether addresses of this machine and of private networks may be reached.
    """

    max_bytes: int = 32 << 20
    timeout_s: float = 10.0
    total_s: float = 60.0
    redirects: int = 5
    allow_private: bool = False


@dataclass(frozen=True)
class WebPicture:
    """A picture that came, and its format."""

    data: bytes
    format: str


def host_of(url: str) -> str:
    """The host of an address, which politeness is about; empty if it has none."""
    with contextlib.suppress(ValueError):
        return (urlsplit(url).hostname or "").lower()
    return ""


def fetch_picture(url: str, limits: WebLimits) -> WebPicture:
    """Fetch a picture.

    Raises:
        NoPicture: it is none, or did not come.
    """
    try:
        return _fetched(url, limits)
    except (ValueError, http.client.HTTPException) as error:
        # Whatever a stranger wrote: one address never ends a list.
        detail = f"{url[:200]!r}: {error or type(error).__name__}"
        raise NoPicture(Failure.BAD_ADDRESS, detail) from error


def _fetched(url: str, limits: WebLimits) -> WebPicture:
    deadline = time.monotonic() + limits.total_s
    for _ in range(limits.redirects + 1):
        target = _parsed(url)
        with _answer(target, limits, deadline) as response:
            if response.status in _REDIRECTS:
                url = _next_url(url, response.getheader("Location", ""))
                continue
            return _read(response, limits, deadline)
    raise NoPicture(Failure.TOO_MANY_REDIRECTS, f"more than {limits.redirects}, the last to {url}")


def _next_url(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError as error:
        detail = f"redirected to {location[:200]!r}: {error}"
        raise NoPicture(Failure.BAD_ADDRESS, detail) from error


def _parsed(url: str) -> SplitResult:
    try:
        target = urlsplit(url.strip())
        port = target.port
        host = (target.hostname or "").encode("idna").decode()
    except (ValueError, UnicodeError) as error:
        raise NoPicture(Failure.BAD_ADDRESS, f"{url[:200]!r}: {error}") from error
    if target.scheme not in ("http", "https") or not host:
        raise NoPicture(Failure.BAD_ADDRESS, f"{url[:200]!r}: not an http or https URL")
    if target.username is not None or target.password is not None:
        raise NoPicture(Failure.BAD_ADDRESS, "it has a name or a password in it")
    name = f"[{host}]" if ":" in host else host
    netloc = name if port is None else f"{name}:{port}"
    path = quote(target.path or "/", safe=_SAFE)
    return SplitResult(target.scheme, netloc, path, quote(target.query, safe=f"{_SAFE}?"), "")


@contextlib.contextmanager
def _answer(
    target: SplitResult, limits: WebLimits, deadline: float
) -> Iterator[http.client.HTTPResponse]:
    path = f"{target.path}?{target.query}" if target.query else target.path
    headers = {
        "Host": target.netloc,
        "User-Agent": f"naturalist/{__version__}",
        "Accept": "image/*,*/*;q=0.1",
        "Accept-Encoding": "identity",
        "Connection": "close",
    }
    connection = None
    try:
        connection = http.client.HTTPConnection(target.hostname or "", timeout=limits.timeout_s)
        connection.sock = _connected(target, limits, deadline)
        connection.request("GET", path, headers=headers)
        with connection.getresponse() as response:
            yield response
    except TimeoutError as error:
        raise NoPicture(Failure.TIMED_OUT, str(error), may_mend=True) from error
    except ssl.SSLCertVerificationError as error:
        raise NoPicture(Failure.NO_CONNECTION, f"certificate: {error.verify_message}") from error
    except http.client.InvalidURL as error:
        raise NoPicture(Failure.BAD_ADDRESS, str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        said = str(error) or type(error).__name__
        raise NoPicture(Failure.NO_CONNECTION, said, may_mend=True) from error
    finally:
        if connection is not None:
            connection.close()


def _connected(target: SplitResult, limits: WebLimits, deadline: float) -> socket.socket:
    is_tls = target.scheme == "https"
    host, port = target.hostname or "", target.port or (443 if is_tls else 80)
    address = _resolved(host, port, limits)
    left_s = min(limits.timeout_s, max(0.1, deadline - time.monotonic()))
    plain = socket.create_connection((str(address), port), timeout=left_s)
    if not is_tls:
        return plain
    try:
        return _tls().wrap_socket(plain, server_hostname=host)
    except BaseException:
        plain.close()
        raise


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()


def _resolved(host: str, port: int, limits: WebLimits) -> Address:
    """The address to connect to; all that the name has must be public unless others are allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        passing = getattr(error, "errno", None) == socket.EAI_AGAIN
        raise NoPicture(Failure.NO_SUCH_HOST, host, may_mend=passing) from error
    addresses = [ipaddress.ip_address(str(one[4][0]).partition("%")[0]) for one in found]
    private = [address for address in addresses if not is_public(address)]
    if private and not limits.allow_private:
        raise NoPicture(Failure.PRIVATE_ADDRESS, f"{host} is {private[0]}")
    if not addresses:
        raise NoPicture(Failure.NO_SUCH_HOST, host)
    return addresses[0]


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet, whatever it is wrapped in."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
        if address in _NAT64:
            inner.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if not all(is_public(one) for one in inner if one is not None):
            return False
        if address.ipv4_mapped is not None:
            return True
    return address.is_global and not address.is_multicast


def _read(response: http.client.HTTPResponse, limits: WebLimits, deadline: float) -> WebPicture:
    if response.status != 200:
        is_busy = response.status in _BUSY
        detail = f"{response.status} {response.reason}"
        wait_s = _seconds(response.getheader("Retry-After")) if is_busy else 0.0
        raise NoPicture(Failure.STATUS, detail, may_mend=is_busy, wait_s=wait_s)
    declared = _whole_number(response.getheader("Content-Length", ""))
    if declared is not None and declared > limits.max_bytes:
        raise NoPicture(Failure.TOO_LARGE, f"{declared:,} bytes")
    data = bytearray()
    while piece := response.read1(_PIECE):
        data += piece
        if len(data) > limits.max_bytes:
            raise NoPicture(Failure.TOO_LARGE, f"more than {limits.max_bytes:,} bytes")
        if time.monotonic() > deadline:
            raise NoPicture(Failure.TIMED_OUT, f"{len(data):,} bytes in {limits.total_s:g} s")
    if declared is not None and len(data) < declared:
        detail = f"{len(data):,} of {declared:,} bytes"
        raise NoPicture(Failure.TRUNCATED, detail, may_mend=True)
    sniffed = images.sniff(bytes(data[: images.HEAD_BYTES]))
    if not sniffed.format or sniffed.reason is not None:
        kind = response.getheader("Content-Type", "no type")[:100]
        raise NoPicture(Failure.NOT_A_PICTURE, f"{kind}, {len(data):,} bytes")
    return WebPicture(bytes(data), sniffed.format)


def _seconds(text: str | None) -> float:
    """What `Retry-After` asks for; a date is taken for a minute."""
    if not text:
        return 0.0
    seconds = _whole_number(text)
    return 60.0 if seconds is None else float(seconds)


def _whole_number(text: str) -> int | None:
    """The number of a header; one too long for any computer is the largest there is."""
    if not (text.isascii() and text.isdecimal()):
        return None
    digits = text.lstrip("0") or "0"
    return int(digits) if len(digits) <= _MOST_DIGITS else sys.maxsize
