"""Who may decide in the dashboard: a name and a token each, of which only the checksum is kept.

A token has 192 random bits, so that a plain SHA-256 of it cannot be turned back.
"""

import datetime as dt
import hashlib
import hmac
import re
import secrets
from pathlib import Path

from naturalist import artifacts, ledger
from naturalist.errors import ConfigError

_NAME = re.compile(r"[^\W_][\w .@+-]{0,63}")
_TOKEN_BYTES = 24


def names(path: Path) -> list[str]:
    """Names of all reviewers."""
    return sorted(_read(path))


def add(path: Path, name: str) -> str:
    """Give a person a new token; an earlier one of the same name is worth nothing from then on.

    Returns:
        The token, which is not kept anywhere.

    Raises:
        ConfigError: the name cannot be used.
    """
    if not _NAME.fullmatch(name) or name in ledger.BY_STAGES:
        raise ConfigError(
            f"{name!r} cannot be the name of a reviewer: start with a letter or digit; use at "
            "most 64 letters, digits, spaces and . @ + - _; reserved are "
            f"{', '.join(ledger.BY_STAGES)}"
        )
    token = secrets.token_urlsafe(_TOKEN_BYTES)
    since = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    _write(path, _read(path) | {name: {"sha256": _sum(token), "since": since}})
    return token


def remove(path: Path, name: str) -> None:
    """Let a person decide no more; what was decided stays.

    Raises:
        ConfigError: there is no such reviewer.
    """
    known = _read(path)
    if name not in known:
        raise ConfigError(
            f"there is no reviewer {name!r}: {', '.join(sorted(known)) or 'none yet'}"
        )
    _write(path, {key: one for key, one in known.items() if key != name})


def who(path: Path, token: str) -> str | None:
    """Whose token it is; None if nobody's."""
    given, result = _sum(token), None
    for name, one in _read(path).items():
        if hmac.compare_digest(str(one.get("sha256", "")), given):
            result = name
    return result


def _sum(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _read(path: Path) -> dict[str, dict[str, str]]:
    return artifacts.read_json(path) or {}


def _write(path: Path, known: dict[str, dict[str, str]]) -> None:
    artifacts.write_json(path, known)
    path.chmod(0o600)
