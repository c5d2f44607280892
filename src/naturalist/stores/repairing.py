"""Finding stored objects that no longer have their bytes.

Not part of an ordinary put, which believes the SHA-256 that was recorded when an object was
written: every object is read back.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from naturalist.stores.bounded import windows
from naturalist.stores.protocol import Store, Upload

_JOBS = 8
_WINDOW = 256


@dataclass(frozen=True)
class Damage:
    """Keys whose objects are not what they should be."""

    wrong: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()


def find_damage(
    store: Store, uploads: Iterable[Upload], on_read: Callable[[int], None] = lambda _: None
) -> Damage:
    """Read objects back and compare them with the SHA-256 of their uploads.

    Args:
        store: where to look.
        uploads: what should be there; their files need not exist.
        on_read: hears 1 for each object.

    Raises:
        StoreError: the store failed.
    """
    wrong: set[str] = set()
    missing: set[str] = set()

    def sha256_of(upload: Upload) -> str | None:
        info = store.read_back(upload.key)
        return info.sha256 if info else None

    with ThreadPoolExecutor(_JOBS, "naturalist-repair") as threads:
        for window in windows(uploads, _WINDOW):
            for upload, result in zip(window, threads.map(sha256_of, window), strict=True):
                on_read(1)
                if result is None:
                    missing.add(upload.key)
                elif result != upload.sha256:
                    wrong.add(upload.key)
    return Damage(frozenset(wrong), frozenset(missing))
