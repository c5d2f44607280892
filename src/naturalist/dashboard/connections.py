"""Connections that send nothing, or too slowly, are closed: each holds a file descriptor.

Uvicorn limits how long an idle connection stays open after an answer, and nothing before: whoever
opens a connection and sends half of a request would keep it forever.
"""

import asyncio
import socket
from typing import ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol

MAX_CONNECTIONS = 900
"""Below the usual limit of 1,024 open files; more connections are answered with 503."""


class TimedProtocol(H11Protocol):
    """HTTP/1.1 with a limit on the time until the head, and the body, of a request are here."""

    head_timeout_s: ClassVar[float] = 15.0
    body_timeout_s: ClassVar[float] = 120.0
    _deadline: asyncio.TimerHandle | None = None
    _waits_for_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the head of the first request."""
        super().connection_made(transport)
        # asyncio does this only for sockets that name their protocol; ours come from a listener
        # that does not. Or the body waits up to 40 ms until the client has confirmed the head.
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._restart()

    def data_received(self, data: bytes) -> None:
        """Take what came; a request that is whole, or another one, moves the deadline."""
        if self._deadline is None:
            self._restart()
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before or self._is_body_due() != self._waits_for_body:
            self._restart()

    def on_response_complete(self) -> None:
        """From here on uvicorn closes the connection if it stays idle."""
        self._stop()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        self._stop()
        super().connection_lost(exc)

    def _is_body_due(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _is_answering(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not cycle.more_body and not cycle.response_complete

    def _restart(self) -> None:
        self._stop()
        self._waits_for_body = self._is_body_due()
        if self._is_answering():
            return
        timeout_s = self.body_timeout_s if self._waits_for_body else self.head_timeout_s
        self._deadline = self.loop.call_later(timeout_s, self._close)

    def _stop(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self.transport.abort()
