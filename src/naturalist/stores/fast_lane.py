"""Requests without botocore's overhead, for small objects by the ten thousand.

botocore spends about 1.5 ms of processor time on a small put, all of it under Python's global
lock; this spends a fifth of that. It signs the request (the payload included), sends it over a
connection that is kept, and knows one good answer. Whatever else comes back, the caller repeats the
request through botocore, which knows about retries, redirects and errors.
"""

import datetime
import hashlib
import socket
import ssl
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self
from urllib.parse import SplitResult, parse_qs, quote, urlsplit

from naturalist.stores.connection import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, Connection
from naturalist.stores.signing import sign

if TYPE_CHECKING:
    from botocore.credentials import Credentials

_SAFE_IN_PATH = "/~"
_PROBE_KEY = "k"
_GLOBAL_ADDRESS = "s3.amazonaws.com"
_MAX_ANSWER_BYTES = 1 << 16
_JOINED_BELOW_BYTES = 1 << 17


class FastLane:
    """Signed requests to one bucket, over as many connections as threads use it at once."""

    def __init__(
        self, url: SplitResult, region: str, credentials: "Credentials", trust: str | None
    ) -> None:
        """Prepare for a server.

        Args:
            url: of a bucket, ending where keys begin.
            region: to sign for.
            credentials: refreshed by themselves.
            trust: file of certificates, for https.
        """
        self._url = url
        self._region = region
        self._credentials = credentials
        self._tls = ssl.create_default_context(cafile=trust) if url.scheme == "https" else None
        self._idle: deque[socket.socket] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        while self._idle:
            self._idle.pop().close()

    def request(
        self, method: Literal["PUT", "HEAD"], key: str, headers: Mapping[str, str], data: bytes
    ) -> dict[str, str] | None:
        """Headers of the answer, with lower-case names; None if it was anything but success."""
        path = self._url.path + quote(key, safe=_SAFE_IN_PATH)
        signed = sign(
            method,
            path,
            {"host": self._url.netloc, **headers},
            hashlib.sha256(data).hexdigest(),
            self._region,
            self._credentials.get_frozen_credentials(),
            datetime.datetime.now(datetime.UTC),
        )
        lines = [
            f"{method} {path} HTTP/1.1",
            *(f"{name}: {value}" for name, value in signed.items()),
        ]
        if method == "PUT":
            lines.append(f"content-length: {len(data)}")
        head = "\r\n".join(lines) + "\r\n\r\n"
        try:
            return self._exchange(head.encode("latin-1"), data, has_body=method == "PUT")
        except (OSError, ValueError):
            return None

    def _exchange(self, head: bytes, data: bytes, *, has_body: bool) -> dict[str, str] | None:
        """Send and receive; `has_body` tells whether the answer has the body that it announces."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        keep = False
        try:
            if len(data) < _JOINED_BELOW_BYTES:
                connection.sendall(head + data)
            else:
                connection.sendall(head)
                connection.sendall(data)
            status, answer, keep = _read_answer(connection, has_body=has_body)
            return answer if status == 200 else None
        finally:
            if keep:
                self._idle.append(connection)
            else:
                connection.close()

    def _connect(self) -> socket.socket:
        host = self._url.hostname or ""
        port = self._url.port or (443 if self._tls else 80)
        connection = socket.create_connection((host, port), CONNECT_TIMEOUT_S)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(READ_TIMEOUT_S)
            if self._tls:
                return self._tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise
        return connection


def open_fast_lane(connection: Connection, bucket: str) -> FastLane | None:
    """A fast lane to the address that botocore would use; None where only botocore can go.

    Raises:
        BotoCoreError: there are no credentials, or the name of the bucket is not valid.
    """
    from botocore.httpsession import get_cert_path
    from botocore.utils import get_environ_proxies

    if connection.options.anonymous:
        return None
    presigned = connection.client.generate_presigned_url(
        "put_object", Params={"Bucket": bucket, "Key": _PROBE_KEY}
    )
    url = urlsplit(presigned)
    scope = parse_qs(url.query).get("X-Amz-Credential", [""])[0].split("/")
    credentials = connection.session.get_credentials()
    is_plain = scope[-2:] == ["s3", "aws4_request"] and not get_environ_proxies(presigned)
    if credentials is None or not is_plain:
        return None
    # botocore makes links to the global address of AWS, but sends requests to the regional one.
    endpoint = urlsplit(connection.client.meta.endpoint_url).netloc
    return FastLane(
        url._replace(
            netloc=url.netloc.replace(_GLOBAL_ADDRESS, endpoint),
            path=url.path.removesuffix(_PROBE_KEY),
            query="",
        ),
        scope[-3],
        credentials,
        connection.session.get_config_variable("ca_bundle") or get_cert_path(True),
    )


def _read_answer(connection: socket.socket, *, has_body: bool) -> tuple[int, dict[str, str], bool]:
    """Status, headers with lower-case names, and whether the connection can be used again.

    Raises:
        OSError: the connection broke.
        ValueError: the answer is not one of HTTP/1.1.
    """
    received = b""
    while b"\r\n\r\n" not in received:
        received += _receive(connection, received)
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    protocol, status, *_ = status_line.split(" ")
    if protocol != "HTTP/1.1":
        raise ValueError(f"an answer in {protocol!r}")
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    length = headers.get("content-length", "") if has_body else "0"
    keep = length.isdecimal() and headers.get("connection", "").lower() != "close"
    while keep and len(body) < int(length):
        body += _receive(connection, body)
    return int(status), headers, keep and len(body) == int(length)


def _receive(connection: socket.socket, received: bytes) -> bytes:
    data = connection.recv(_MAX_ANSWER_BYTES)
    if not data or len(received) > _MAX_ANSWER_BYTES:
        raise ConnectionError("the answer ended early, or does not end")
    return data
