"""ONNX models made once per machine and kept in the user's cache folder.

A model is named by a key that says what it was made from; beside it lies the sha256 of its bytes,
written after it. A model that does not match its sha256 is made again. Several processes may make
the same one at once: each writes whole files, and the last one stays. Where the cache cannot be
written, the model is used from memory.
"""

import hashlib
import logging
from collections.abc import Callable
from pathlib import Path

from naturalist import artifacts
from naturalist.errors import StorageFull, WorkspaceError
from naturalist.layout import cache_folder

logger = logging.getLogger(__name__)


def cached_model(key: str, make: Callable[[], bytes]) -> bytes:
    """Return the model with this key, from the cache if it is there and whole."""
    path = cache_folder() / "models" / f"{key}.onnx"
    data = _read_whole(path)
    if data is not None:
        return data
    data = make()
    try:
        artifacts.write_bytes(path, data)
        artifacts.write_bytes(_digest_path(path), _digest(data))
    except (WorkspaceError, StorageFull) as error:
        logger.info("the model %s is not cached: %s", key, error)
    return data


def _read_whole(path: Path) -> bytes | None:
    try:
        data = path.read_bytes()
        expected = _digest_path(path).read_bytes()
    except OSError:
        return None
    if _digest(data) == expected:
        return data
    logger.warning("the cached model %s is damaged and will be rebuilt", path)
    return None


def _digest_path(path: Path) -> Path:
    return path.with_suffix(".sha256")


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode("ascii")
