"""Waiting for a server that was reached and then went away: restarted, overloaded, cut off.

botocore repeats a request for a few seconds, which is right for a wrong address. In the middle of
an hour of publishing more patience is right.
"""

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,  # noqa: A004 (botocore's own; not a subclass of Python's)
    HTTPClientError,
    IncompleteReadError,
    ProxyConnectionError,
    SSLError,
)
from urllib3.exceptions import HTTPError

from naturalist.stores.s3_errors import error_code

Result = TypeVar("Result")

_BUSY = (
    "InternalError",
    "ServiceUnavailable",
    "SlowDown",
    "RequestTimeout",
    "500",
    "502",
    "503",
    "504",
)
_UNREACHABLE = (ConnectionError, HTTPClientError, IncompleteReadError)
_FOR_GOOD = (SSLError, ProxyConnectionError)
REQUEST_ERRORS = (ClientError, BotoCoreError, HTTPError)
"""What a request raises: botocore reads the rest of a refusal of an object outside of what turns
errors of urllib3 into its own."""
_PAUSE_S = 0.5
_log = logging.getLogger(__name__)


def is_outage(error: Exception) -> bool:
    """Whether an error of botocore may go away by waiting."""
    if isinstance(error, ClientError):
        return error_code(error) in _BUSY
    return isinstance(error, _UNREACHABLE) and not isinstance(error, _FOR_GOOD)


class Patience:
    """Decides whether to go on after an error; progress gives new patience."""

    def __init__(self, outage_s: float) -> None:
        self._outage_s = outage_s
        self._ends_at: float | None = None

    def progress(self) -> None:
        """The server answered."""
        self._ends_at = None

    def wait(self, error: Exception, doing: str) -> None:
        """Wait a little, or raise `error` if waiting is of no use or has been long enough.

        Raises:
            ClientError, BotoCoreError: also for an error of urllib3.
        """
        if isinstance(error, HTTPError):
            error = HTTPClientError(error=error)
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self._outage_s
        if not is_outage(error) or now >= self._ends_at:
            raise error
        _log.info("%s: the server is away (%s), waiting", doing, type(error).__name__)
        time.sleep(_PAUSE_S)


def outlast(call: Callable[[], Result], doing: str, outage_s: float) -> Result:
    """Repeat a call through outages of at most `outage_s` seconds.

    Raises:
        ClientError, BotoCoreError: the last error.
    """
    patience = Patience(outage_s)
    while True:
        try:
            return call()
        except REQUEST_ERRORS as error:
            patience.wait(error, doing)
