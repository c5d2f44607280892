"""Who may ask: hosts, tokens and origins are checked before anything else sees a request.

A page of another site can make a browser send requests to a server on loopback, under the name of
that site once its address was turned to 127.0.0.1 (DNS rebinding). So the name that was asked for
must be one of this machine's, unless a token says who asks.
"""

import hmac
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from naturalist.config.dashboard import BASE_PATH
from naturalist.errors import ConfigError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "naturalist_token"
TOKEN_LETTERS = 16
_LOOPBACK_NAMES = ("localhost", "ip6-localhost")

CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
FRAMED_HEADERS = {
    name: value.replace(" frame-ancestors 'none';", "")
    for name, value in HEADERS.items()
    if name != "x-frame-options"
}
"""For pages that a notebook shows in a frame."""


@dataclass(frozen=True)
class ListenOptions:
    """Where the server listens, and to whom it answers.

    Attributes:
        base_path: the path prefix below which a proxy shows the pages, such as "/garden".
        is_secret_path: the base path is itself the token: only what is asked below it is answered,
            under any name, and another program may show the pages in a frame.
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str = field(default="", repr=False)
    open_to_network: bool = False
    base_path: str = ""
    is_secret_path: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(BASE_PATH, self.base_path):
            raise ConfigError(
                f"the base path {self.base_path!r} is not a path prefix: expected one such as "
                "/garden"
            )
        if self.token and len(self.token) < TOKEN_LETTERS:
            raise ConfigError(
                f"the token has {len(self.token)} characters: use at least {TOKEN_LETTERS}, for "
                "example from  "
                "python3 -c 'import secrets; print(secrets.token_urlsafe())'"
            )
        if is_loopback(self.host):
            return
        if not self.open_to_network:
            raise ConfigError(
                f"--host {self.host} would show the collection to other machines: remove it, or "
                "add --open-to-network and a token"
            )
        if not self.token:
            raise ConfigError(
                f"--host {self.host} needs a token: set NATURALIST_DASHBOARD_TOKEN or --token, so "
                "that only people with the token can see the collection"
            )

    @property
    def root(self) -> str:
        """The path of the first page as a browser sees it, such as "/garden/"."""
        return f"{self.base_path.rstrip('/')}/"


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine's, for this machine alone."""
    name = host.strip("[]").lower()
    if name in _LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True, eq=False)
class SecurityMiddleware:
    """Wraps an application: refuses strangers, and adds the headers of security to every answer."""

    app: App
    listen: ListenOptions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand the request on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): v.decode("latin-1") for name, v in scope["headers"]}
        if self.listen.is_secret_path:
            await self._answer_below_secret(scope, receive, send)
            return
        if self.listen.base_path and scope["path"] == self.listen.root[:-1]:
            # Addresses in the pages are relative: they need the slash at the end.
            query = scope["query_string"].decode("latin-1")
            location = self.listen.root + (f"?{query}" if query else "")
            await _respond(_with_headers(send), 308, "", {"location": location})
            return
        scope = _below(scope, self.listen.root)
        answer = self._refusal(scope, headers)
        if answer is None:
            await self.app(scope, receive, _with_headers(send))
        else:
            status, text, extra = answer
            await _respond(_with_headers(send), status, text, extra)

    async def _answer_below_secret(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer those who know the path. No other site can guess it, whatever name it uses."""
        send = _with_headers(send, FRAMED_HEADERS)
        root = self.listen.root
        if hmac.compare_digest(scope["path"][: len(root)].encode(), root.encode()):
            await self.app(_below(scope, root), receive, send)
        else:
            await _respond(send, 401, "Open the URL that was shown with its path.", {})

    def _refusal(
        self, scope: Scope, headers: dict[str, str]
    ) -> tuple[int, str, dict[str, str]] | None:
        host = headers.get("host", "")
        if not self.listen.token and not is_loopback(_name_of(host)):
            return 421, f"This server does not answer under the name {host!r}.", {}
        if not self.listen.open_to_network and not is_loopback(_name_of(host)):
            return 421, f"This server does not answer under the name {host!r}.", {}
        origin = headers.get("origin")
        if scope["method"] not in ("GET", "HEAD") and (
            origin is not None and _address_of(origin) != host
        ):
            return 403, "Requests from other sites are refused.", {}
        if not self.listen.token or scope["path"] == "/healthz":
            return None
        return self._token_refusal(scope, headers)

    def _token_refusal(
        self, scope: Scope, headers: dict[str, str]
    ) -> tuple[int, str, dict[str, str]] | None:
        parameters = dict(parse_qsl(scope["query_string"].decode("latin-1")))
        if self._is_token(parameters.get("token", "")):
            parameters.pop("token")
            query = f"?{urlencode(parameters)}" if parameters else ""
            cookie = (
                f"{COOKIE}={self.listen.token}; HttpOnly; SameSite=Strict; Path={self.listen.root}"
            )
            # The token leaves the address bar and the history.
            path = quote(self.listen.root + scope["path"].lstrip("/"))
            return 303, "", {"location": f"{path}{query}", "set-cookie": cookie}
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if self._is_token(bearer) or self._is_token(_cookie(headers.get("cookie", ""))):
            return None
        return 401, "A token is needed: open the URL with ?token=...", {}

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.listen.token.encode())


def _below(scope: Scope, root: str) -> Scope:
    """The request without the prefix, for a proxy that passes it on."""
    if root == "/" or not scope["path"].startswith(root):
        return scope
    path = scope["path"][len(root) - 1 :]
    return {**scope, "path": path, "raw_path": quote(path).encode()}


def _address_of(origin: str) -> str | None:
    """Host and port of an origin; None if it is no address."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return None


def _name_of(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _cookie(header: str) -> str:
    try:
        jar = SimpleCookie(header)
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""


def _with_headers(send: Send, headers: Mapping[str, str] = HEADERS) -> Send:
    async def with_headers(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            there = {name for name, _ in message["headers"]}
            added = [
                (name.encode(), value.encode())
                for name, value in headers.items()
                if name.encode() not in there
            ]
            if b"cache-control" not in there:
                added.append((b"cache-control", b"no-store"))
            message = {**message, "headers": [*message["headers"], *added]}
        await send(message)

    return with_headers


async def _respond(send: Send, status: int, text: str, extra: dict[str, str]) -> None:
    body = text.encode()
    headers = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    listed = [(k.encode(), v.encode("latin-1")) for k, v in (headers | extra).items()]
    await send({"type": "http.response.start", "status": status, "headers": listed})
    await send({"type": "http.response.body", "body": body})
