"""Answers of the server: JSON without NaN, bytes with an ETag, errors as JSON."""

import gzip
import hashlib
import json
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from naturalist.dashboard.documents import clean

_GZIP_FROM_BYTES = 1_000
_WORTH_IT = 0.9
_TRIED_BYTES = 65_536


class JSON(Response):
    """A JSON document; numbers that JSON does not have become null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The document as UTF-8."""
        return json.dumps(clean(content), ensure_ascii=False, separators=(",", ":")).encode()


def failed(status: int, text: str) -> JSON:
    """An error for people and machines."""
    return JSON({"error": text}, status_code=status)


def packed(
    request: Request, data: bytes, media_type: str, cache: str = "private, no-cache"
) -> Response:
    """Bytes with an ETag, compressed where that makes them smaller; 304 where the browser has them.

    Coordinates hardly shrink and are sent as they are; codes in the order of tables shrink to a
    hundredth.
    """
    tag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    headers = {"etag": tag, "cache-control": cache, "vary": "accept-encoding"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    if "gzip" in request.headers.get("accept-encoding", "") and _shrinks(data):
        data = gzip.compress(data, 1, mtime=0)
        headers["content-encoding"] = "gzip"
    return Response(data, media_type=media_type, headers=headers)


def _shrinks(data: bytes) -> bool:
    if len(data) < _GZIP_FROM_BYTES:
        return False
    middle = len(data) // 2
    part = data[middle : middle + _TRIED_BYTES]
    return len(gzip.compress(part, 1)) < _WORTH_IT * len(part)
