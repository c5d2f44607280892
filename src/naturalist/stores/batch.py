"""Uploads under way in threads, and what became of them."""

import os
from concurrent.futures import Future

from naturalist.stores.bounded import Completed
from naturalist.stores.protocol import ObjectInfo, OnDone, Upload
from naturalist.stores.refusals import opened

Outcome = tuple[ObjectInfo, bool]
"""What was stored, and whether its bytes had to be sent."""


class Batch:
    """Uploads under way; reports those that ended in the thread that adds them."""

    def __init__(self, on_done: OnDone | None) -> None:
        self._on_done = on_done
        self._completed: Completed[Upload, Outcome] = Completed()
        self.failure: BaseException | None = None

    def add(self, upload: Upload, future: Future[Outcome]) -> None:
        """Watch an upload, and report those that ended meanwhile."""
        self._completed.add(upload, future)
        self._report(wait=False)

    def finish(self) -> None:
        """Wait for what is under way; raise the first failure."""
        self._report(wait=True)
        if self.failure:
            raise self.failure

    def _report(self, *, wait: bool) -> None:
        for upload, future in self._completed.take(wait=wait):
            failure = future.exception()
            self.failure = self.failure or failure
            if failure is None and self._on_done:
                self._on_done(upload, *future.result())


def size_of(upload: Upload) -> int:
    """Bytes of the file of an upload.

    Raises:
        StoreError: it is gone or may not be read.
    """
    with opened(upload) as file:
        return os.fstat(file.fileno()).st_size
