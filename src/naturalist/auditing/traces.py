"""Traces of people and machines in bytes: local paths, names, secrets, mail addresses."""

import getpass
import os
import re
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Kind = Literal["local_path", "user_name", "host_name", "secret", "mail_address"]

_SHOWN_BYTES = 80
_SHORTEST_NAME = 4
_SHORTEST_SECRET = 8
COMMON_NAMES = frozenset(
    {"admin", "data", "debian", "localhost", "nobody", "root", "runner", "test", "ubuntu", "user"}
)
"""Names that say nothing about anybody; they are words of ordinary texts too."""
_SECRET_VARIABLE = re.compile(r"SECRET|TOKEN|PASSWORD|PASSWD|ACCESS_KEY|API_KEY|CREDENTIAL")
_AFTER = rb"(?![A-Za-z0-9_])"
_BEFORE = rb"(?<![A-Za-z0-9_])"
_IN_PATH = rb"[^/\\\s\"'<>|:*?\x00-\x1f]"

_ANYBODYS: tuple[tuple[Kind, bytes], ...] = (
    # A path begins after a character that belongs to none: photos/home/x is no home folder.
    (
        "local_path",
        rb"(?<![\w.~%-])(?:/home/|/Users/|/root/|/var/folders/|/tmp/|/media/|/mnt/)"
        + _IN_PATH
        + rb"{2,}",
    ),
    ("local_path", rb"(?<!\w)[A-Za-z]:\\{1,2}Users\\{1,2}" + _IN_PATH + rb"{2,}"),
    ("local_path", rb"(?<!\w)file:///" + _IN_PATH + rb"{2,}"),
    ("secret", _BEFORE + rb"A[KS]IA[0-9A-Z]{16}" + _AFTER),
    ("secret", rb"-----BEGIN [A-Z ]{0,20}PRIVATE KEY-----"),
    ("secret", _BEFORE + rb"(?:hf_[A-Za-z0-9]{30,}|gh[pousr]_[A-Za-z0-9]{36,})" + _AFTER),
    ("secret", rb"(?i:aws_secret_access_key)[\"']?\s{0,3}[=:]"),
    ("secret", rb"X-Amz-Signature=[0-9a-f]{64}"),
    ("secret", rb"\b[a-z][a-z0-9+]{1,10}://[^/\s:@\"']{1,64}:[^/\s@\"']{1,64}@"),
)
_MAIL = re.compile(rb"(?<![\w.+-])[\w.+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,4}[A-Za-z]{2,20}\b")


@dataclass(frozen=True)
class Trace:
    """Something that was found; of a secret only that it is one."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Known:
    """What is known of this machine and its user, and is looked for.

    Attributes:
        users: names of the user.
        hosts: names of the machine.
        paths: folders on it.
        secrets: values of variables of the environment that are secret.
        passed_over: names that are too short or too common to look for.
    """

    users: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Known(users={self.users}, hosts={self.hosts}, paths={self.paths})"


def known_here(paths: Iterable[Path] = (), environment: Mapping[str, str] | None = None) -> Known:
    """What this machine, its environment and a configuration tell.

    Args:
        paths: folders that a configuration names.
        environment: variables; those of this process if None.
    """
    variables = os.environ if environment is None else environment
    users = {variables.get("USER", ""), variables.get("LOGNAME", ""), *_account()} - {""}
    hosts = {socket.gethostname(), os.uname().nodename} - {""}
    common = {name for name in users | hosts if _is_common(name)}
    folders = {str(path) for path in (*paths, Path.home(), Path.cwd(), tempfile.gettempdir())}
    secrets = (
        value
        for name, value in variables.items()
        if _SECRET_VARIABLE.search(name.upper()) and len(value) >= _SHORTEST_SECRET
    )
    return Known(
        users=tuple(sorted(users - common)),
        hosts=tuple(sorted(hosts - common)),
        # "/" and "/work" are in every text about paths.
        paths=tuple(sorted(path for path in folders if path.count("/") > 1)),
        secrets=tuple(sorted(set(secrets))),
        passed_over=tuple(sorted(common)),
    )


def _account() -> tuple[str, ...]:
    """Login and full name of the account, as far as the system knows them."""
    import pwd

    try:
        entry = pwd.getpwuid(os.geteuid())
        full = entry.pw_gecos.partition(",")[0]
        return (getpass.getuser(), entry.pw_name, *([full] if " " in full else []))
    except (KeyError, OSError):
        return ()


def _is_common(name: str) -> bool:
    return len(name) < _SHORTEST_NAME or name.lower() in COMMON_NAMES


class Search:
    """Looks for all traces in bytes."""

    def __init__(self, known: Known) -> None:
        named: list[tuple[Kind, bytes]] = []
        named += [("secret", re.escape(one)) for one in map(os.fsencode, known.secrets)]
        # A known folder may end in a common word: what follows must not make it another one.
        named += [("local_path", re.escape(p) + _AFTER) for p in map(os.fsencode, known.paths)]
        of_machine: tuple[tuple[Kind, tuple[str, ...]], ...] = (
            ("user_name", known.users),
            ("host_name", known.hosts),
        )
        for kind, names in of_machine:
            named += [(kind, _BEFORE + re.escape(n) + _AFTER) for n in map(os.fsencode, names)]
        self._kinds: list[tuple[Kind, re.Pattern[bytes]]] = [
            (kind, re.compile(pattern)) for kind, pattern in (*named, *_ANYBODYS)
        ]

    def in_bytes(self, data: bytes | memoryview, *, is_text: bool) -> Iterator[Trace]:
        """Every trace, as often as it is there.

        Args:
            data: the bytes.
            is_text: whether they are text, in which a mail address is one.
        """
        for kind, pattern in self._kinds:
            for match in pattern.finditer(data):
                yield Trace(kind, "" if kind == "secret" else _shown(match[0]))
        if is_text:
            yield from (Trace("mail_address", _shown(m[0])) for m in _MAIL.finditer(data))


def _shown(result: bytes) -> str:
    return result[:_SHOWN_BYTES].decode("utf-8", "backslashreplace")
