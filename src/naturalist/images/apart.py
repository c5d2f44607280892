"""Decoding in a process of its own, for programs that must not hang or crash with a decoder.

The process is this module, run by `python -m`. It ends itself by an alarm of the system when one
picture takes too long: that works while a decoder is busy in C, and when nobody is left to watch.
Requests and answers are a length, a JSON header and raw bytes; nothing is unpickled, so what a
hostile picture makes of the process stays there.
"""

import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import IO, Any, Protocol

import numpy as np

from naturalist import images
from naturalist.errors import NaturalistError, PictureError
from naturalist.images import Picture, PictureLimits
from naturalist.reasons import Reason

_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 1 << 20
_START_S = 120.0
"""Longest time for the process to begin, on a machine that is very busy."""
_GRACE_S = 5.0
"""How much later than its own alarm a process is killed from outside."""


class Decode(Protocol):
    """Decodes a picture as `images.decode` does."""

    def __call__(
        self, data: bytes, limits: PictureLimits, /, *, longer: int = 0, shorter: int = 0
    ) -> Picture:
        """See `images.decode`."""


class _Ended(Exception):
    """The process ended, with this code, before it gave an answer."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class DecoderProcess:
    """A process that decodes one picture after another; a new one begins where it has ended.

    It begins at once, so that it is ready when a network has been loaded. Threads wait for each
    other. Close it when done.

    Args:
        timeout_s: longest time for one picture.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = _begin()
        self._is_ready = False

    def decode(
        self, data: bytes, limits: PictureLimits, *, longer: int = 0, shorter: int = 0
    ) -> Picture:
        """See `images.decode`.

        Raises:
            PictureError: as `images.decode`; DECODER_TIMED_OUT, or DECODER_CRASHED when the
                process ended twice on this picture.
            MemoryError: there is no memory for it.
        """
        request = {
            "limits": asdict(limits),
            "longer": longer,
            "shorter": shorter,
            "timeout_s": self._timeout_s,
        }
        with self._lock:
            for _ in range(2):
                try:
                    return self._run(request, data)
                except _Ended as error:
                    self._end()
                    if error.code == -signal.SIGALRM:
                        detail = f"longer than {self._timeout_s:g} s"
                        raise PictureError(Reason.DECODER_TIMED_OUT, detail) from error
                    ended = error
        if ended.code == -signal.SIGKILL:
            raise MemoryError("the decoder process was killed twice") from ended
        raise PictureError(
            Reason.DECODER_CRASHED, "crashed twice while decoded alone in a separate process"
        )

    def close(self) -> None:
        """End the process at once."""
        self._end()

    def _run(self, request: dict[str, Any], data: bytes) -> Picture:
        process = self._ready_process()
        deadline = time.monotonic() + self._timeout_s + _GRACE_S
        with _Deadline(process, deadline), _ends_seen(process):
            _send(_stream(process.stdin), request, data)
            header = _receive_header(_stream(process.stdout))
            if "reason" in header:
                raise PictureError(Reason(header["reason"]), str(header["detail"]))
            if "memory" in header:
                raise MemoryError(header["memory"])
            return _receive_picture(_stream(process.stdout), header)

    def _ready_process(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process, self._is_ready = _begin(), False
        process = self._process
        if not self._is_ready:
            deadline = time.monotonic() + _START_S
            try:
                with _Deadline(process, deadline), _ends_seen(process):
                    self._is_ready = _receive_header(_stream(process.stdout))["ready"]
            except _Ended as error:
                self._end()
                raise NaturalistError(f"the decoder process cannot be started ({error})") from error
        return process

    def _end(self) -> None:
        process, self._process, self._is_ready = self._process, None, False
        if process is not None:
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with contextlib.suppress(OSError):
                    _stream(stream).close()


class _Deadline:
    """Kills a process that gives no answer in time, as one that was stopped does."""

    def __init__(self, process: "subprocess.Popen[bytes]", at_s: float) -> None:
        self._timer = threading.Timer(max(0.0, at_s - time.monotonic()), self._strike)
        self._timer.daemon = True
        self._process = process

    def _strike(self) -> None:
        # Looks to the parent like the process's own alarm.
        self._process.send_signal(signal.SIGALRM)
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


@contextlib.contextmanager
def _ends_seen(process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Turn the end of a process, seen as the end of its streams, into `_Ended`."""
    try:
        yield
    except (BrokenPipeError, EOFError) as error:
        raise _Ended(process.wait()) from error


def _begin() -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "naturalist.images.apart"]
    # Fixed words; the picture comes by a pipe.
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise NaturalistError("the process that decodes pictures has no streams")
    return stream


def _send(stream: IO[bytes], header: dict[str, Any], data: bytes | memoryview = b"") -> None:
    encoded = json.dumps(header | {"size_bytes": len(data)}).encode()
    stream.write(_LENGTH.pack(len(encoded)))
    stream.write(encoded)
    stream.write(data)
    stream.flush()


def _receive(stream: IO[bytes], size_bytes: int) -> bytes:
    data = stream.read(size_bytes)
    if len(data) < size_bytes:
        raise EOFError
    return data


def _receive_header(stream: IO[bytes]) -> dict[str, Any]:
    (length,) = _LENGTH.unpack(_receive(stream, _LENGTH.size))
    if length > _MAX_HEADER_BYTES:
        raise EOFError
    header: dict[str, Any] = json.loads(_receive(stream, length))
    return header


def _receive_picture(stream: IO[bytes], header: dict[str, Any]) -> Picture:
    size_bytes, shape = header.pop("size_bytes"), tuple(header.pop("shape"))
    if int(np.prod(shape)) != size_bytes:
        raise EOFError
    pixels = np.frombuffer(_receive(stream, size_bytes), np.uint8).reshape(shape)
    return Picture(pixels=pixels, **header)


def _answer(header: dict[str, Any], data: bytes) -> tuple[dict[str, Any], memoryview]:
    limits = PictureLimits(**header["limits"])
    try:
        picture = images.decode(data, limits, longer=header["longer"], shorter=header["shorter"])
    except PictureError as error:
        return {"reason": error.reason.value, "detail": error.detail}, memoryview(b"")
    except MemoryError as error:
        return {"memory": str(error)}, memoryview(b"")
    pixels = np.ascontiguousarray(picture.pixels)
    reported = {f.name: getattr(picture, f.name) for f in fields(picture) if f.name != "pixels"}
    return reported | {"shape": pixels.shape}, pixels.data.cast("B")


def main() -> None:
    """Decode what comes through the standard input, until that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Without a handler the system ends the process by itself, whatever Python is busy with.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    with open(os.devnull, "r+b") as nowhere:  # noqa: PTH123
        # What a library prints must not be taken for an answer.
        os.dup2(nowhere.fileno(), 0)
        os.dup2(nowhere.fileno(), 1)
    _send(answers, {"ready": True})
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            header = _receive_header(requests)
            signal.setitimer(signal.ITIMER_REAL, header["timeout_s"])
            answer = _answer(header, _receive(requests, header["size_bytes"]))
            signal.setitimer(signal.ITIMER_REAL, 0)
            _send(answers, *answer)


if __name__ == "__main__":
    main()
