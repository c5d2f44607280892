"""What every object store can do: the contract that the local folder and S3 both keep."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, Self


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of one object."""

    key: str
    size_bytes: int
    sha256: str | None
    """Hex digest recorded when the object was written; None where the store cannot say cheaply."""
    version: str | None
    """Opaque token of these bytes under this key, for `if_match`; None in some listings."""
    modified_s: float | None = field(default=None, compare=False)
    """When the object was written, in seconds since 1970 by the store's clock; in listings only."""


@dataclass(frozen=True)
class Upload:
    """One file to be put: its key, where it lies, and the hex SHA-256 that it must have."""

    key: str
    path: Path
    sha256: str


OnDone = Callable[[Upload, ObjectInfo, bool], None]
"""Called after each upload with the object, and whether its bytes had to be sent."""


class Store(Protocol):
    """Objects under keys (see `keys.check_key`).

    Every method raises `StoreError` with a message that says what to do: for a key that is not
    valid, a store that cannot be reached, permission that is missing. All are safe to call from
    several threads.
    """

    url: str

    def check_writable(self) -> None:
        """Find out whether objects can be stored now; no object is made.

        Raises:
            StoreError: the store cannot be reached, or these credentials may not write there.
            StorageFull: there is no space.
        """
        ...

    def put_file(self, key: str, path: Path, sha256: str) -> ObjectInfo:
        """Store a file, whole or not at all, its checksum verified at the store.

        An object that is already there with this `sha256` is left alone and not sent again.

        Raises:
            StoreError: the file does not have this `sha256`, or the key holds other bytes
                (a published key never changes its bytes).
        """
        ...

    def put_files(self, uploads: Iterable[Upload], on_done: OnDone | None = None) -> None:
        """Store many files as `put_file` does, in parallel, taking `uploads` as it goes.

        `on_done` is called in the calling thread, in no particular order. After the first
        failure nothing new is started; what is under way is finished and reported first.
        """
        ...

    def put_bytes(
        self, key: str, data: bytes, *, if_absent: bool = False, if_match: str | None = None
    ) -> ObjectInfo:
        """Store a small object, replacing what is there unless told otherwise.

        Raises:
            Conflict: with `if_absent`, the key exists; with `if_match`, the key no longer has
                that version (or is gone).
        """
        ...

    def get_bytes(self, key: str, max_bytes: int | None = None) -> tuple[bytes, ObjectInfo]:
        """Read a small object.

        Raises:
            NotFound: there is no such object.
            StoreError: it has more than `max_bytes`; no more than that is read.
        """
        ...

    def fetch(
        self, key: str, path: Path, sha256: str | None = None, size_bytes: int | None = None
    ) -> None:
        """Download to a file that appears whole or not at all; a killed download is resumed.

        Raises:
            NotFound: there is no such object.
            StoreError: its bytes do not have `sha256` (or, without it, the recorded one), or are
                not `size_bytes`; no more than that is written.
        """
        ...

    def head(self, key: str) -> ObjectInfo | None:
        """What is known of an object; None if there is none."""
        ...

    def read_back(self, key: str) -> ObjectInfo | None:
        """As `head`, with the digest of the bytes as they are read now; None if there are none."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose key begins with `prefix`, in order of the UTF-8 bytes of their keys."""
        ...

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects; keys that are not there are passed over."""
        ...


class Bucket(Store, Protocol):
    """A store that other programs write to as well, read as a source of pictures."""

    def everything(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """As `list`, with keys that are not valid here too."""
        ...

    def patient(self) -> Self:
        """This store; it waits through an outage from the first request on."""
        ...
