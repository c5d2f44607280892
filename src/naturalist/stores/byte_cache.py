"""A bounded cache of objects on the local drive, shared by all processes of a user.

Entries are in 256 folders by the hash of their key, and each folder keeps to its share of the
bound: so nobody has to count everything, and no index can be wrong after a kill. An entry begins
with the SHA-256 of its bytes; one that does not match is none.
"""

import contextlib
import hashlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

_FOLDERS = 256
_DIGEST_BYTES = 32


@dataclass(frozen=True)
class ByteCache:
    """Keeps bytes under keys, the ones that were used last; at most `max_bytes` of them."""

    folder: Path
    max_bytes: int

    def get(self, key: bytes) -> bytes | None:
        """The bytes under a key, if they are here and whole."""
        if not self.max_bytes:
            return None
        path = self._path(key)
        try:
            content = path.read_bytes()
            os.utime(path)
        except OSError:
            return None
        digest, data = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
        return data if hashlib.sha256(data).digest() == digest else None

    def put(self, key: bytes, data: bytes) -> None:
        """Keep bytes, unless they are more than a folder's share; a full drive keeps nothing."""
        size_bytes = len(data) + _DIGEST_BYTES
        path = self._path(key)
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with contextlib.suppress(OSError):
            if size_bytes > self.max_bytes // _FOLDERS:
                path.unlink(missing_ok=True)
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            self._make_room(path.parent, size_bytes)
            try:
                temporary.write_bytes(hashlib.sha256(data).digest() + data)
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)

    def _path(self, key: bytes) -> Path:
        name = hashlib.blake2b(key, digest_size=16).hexdigest()
        return self.folder / name[:2] / name[2:]

    def _make_room(self, folder: Path, wanted_bytes: int) -> None:
        with os.scandir(folder) as entries:
            result = [(entry.stat(), entry.path) for entry in entries]
        used = sum(status.st_size for status, _ in result) + wanted_bytes
        for status, path in sorted(result, key=lambda one: one[0].st_mtime_ns):
            if used <= self.max_bytes // _FOLDERS:
                return
            Path(path).unlink(missing_ok=True)
            used -= status.st_size
