"""Which files of a source are taken, by patterns of their paths, in folders and archives alike.

Patterns are those of a `.gitignore`, upper and lower case alike:

- a pattern without a slash is compared with each name of a path: `masks` leaves out every file and
  every folder of that name with all in it, `*.png` every file with that ending;
- one with a slash begins at the root of the source, or of any archive on the way: `train/cat`;
- one that ends with a slash means folders only; `*` and `?` stay in one name, `**` does not;
- `!` takes back what an earlier pattern matched; the last pattern that matches decides.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from naturalist import archives
from naturalist.errors import PictureError
from naturalist.reasons import Reason

DEFAULT_EXCLUDE = (
    "__MACOSX",
    ".AppleDouble",
    "@eaDir",
    ".thumbnails",
    ".ipynb_checkpoints",
    "$RECYCLE.BIN",
    ".Trash-*",
)
"""Folders in which systems and programs keep copies and leftovers; always excluded first."""

SEPARATOR = b"\0"
"""Between the path of an archive and those of its members."""


@dataclass(frozen=True)
class Selection:
    """Which files of a source are taken.

    Attributes:
        include: if any, only files that match are taken.
        exclude: files that match are not, besides those of `DEFAULT_EXCLUDE`.
        open_documents: office files and e-books are opened as the zips that they are.
        routing: fingerprint of how its files get their category; empty where the source has one.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    open_documents: bool = False
    routing: str = field(default="", repr=False)

    @property
    def is_default(self) -> bool:
        """Whether nothing was configured."""
        return self == TAKE_ALL

    @property
    def fingerprint(self) -> bytes:
        """16 bytes that change with what is taken."""
        text = repr((DEFAULT_EXCLUDE, self)) + self.routing
        return hashlib.blake2b(text.encode(), digest_size=16).digest()

    @property
    def _excluding(self) -> "_Rules":
        return _default_rules() if not self.exclude else _rules((*DEFAULT_EXCLUDE, *self.exclude))

    def exclusion(self, path: bytes) -> PictureError | None:
        """Why a file is left out before it is opened; `path` as in the ledger."""
        pattern = self._excluding.deciding(path)
        return _excluded(f"exclude has {pattern!r}") if pattern else None

    def may_exclude(self, paths: Iterable[bytes]) -> bool:
        """Whether `exclusion` may leave out one of some files; far faster than to ask of each."""
        return self._excluding.may_decide(b"\n".join(paths))

    def omission(self, path: bytes) -> PictureError | None:
        """Why a file that is no archive is left out."""
        if not self.include or _rules(self.include).deciding(path):
            return None
        return _excluded("nothing in include matches it")

    def leaves_out(self, path: bytes) -> bool:
        """Whether a picture at this path is not taken, by its own name or one of its archives'."""
        parts = path.split(SEPARATOR)
        steps = (SEPARATOR.join(parts[: k + 1]) for k in range(len(parts)))
        if any(map(self.exclusion, steps)) or self.omission(path) is not None:
            return True
        return not self.open_documents and any(map(archives.is_named_like_document, parts[:-1]))


TAKE_ALL = Selection()


@dataclass(frozen=True)
class MembersOf:
    """The choice among the members of one archive (`archives.Choice`)."""

    selection: Selection
    archive: bytes

    def refuse_unopened(self, path: tuple[bytes, ...]) -> PictureError | None:
        """See `archives.Choice`."""
        return self.selection.exclusion(SEPARATOR.join((self.archive, *path)))

    def refuse_file(self, path: tuple[bytes, ...]) -> PictureError | None:
        """See `archives.Choice`."""
        return self.selection.omission(SEPARATOR.join((self.archive, *path)))


def _excluded(why: str) -> PictureError:
    return PictureError(Reason.EXCLUDED, why)


@dataclass(frozen=True)
class _Rule:
    pattern: str
    takes_back: bool
    expression: re.Pattern[bytes]
    literal: bytes
    """In lower case, part of whatever it matches: to look for that takes a tenth of the time."""


@dataclass(frozen=True)
class _Rules:
    last_first: tuple[_Rule, ...]

    def deciding(self, path: bytes) -> str:
        """The last pattern that matches; empty if there is none or it takes back."""
        lower = path.lower()
        for rule in self.last_first:
            if rule.literal in lower and rule.expression.search(path):
                return "" if rule.takes_back else rule.pattern
        return ""

    def may_decide(self, paths: bytes) -> bool:
        """Whether one of the rules may match one of the paths in a text."""
        lower = paths.lower()
        return any(rule.literal in lower for rule in self.last_first)


@lru_cache(maxsize=256)
def _rules(patterns: tuple[str, ...]) -> _Rules:
    return _Rules(tuple(_rule(pattern) for pattern in reversed(patterns)))


@lru_cache(maxsize=1)
def _default_rules() -> _Rules:
    return _rules(DEFAULT_EXCLUDE)


def _rule(pattern: str) -> _Rule:
    takes_back = pattern.startswith("!")
    body = pattern.removeprefix("!")
    is_folder = body.endswith("/")
    # As the ledger writes paths inside of archives.
    steps = body.strip("/").replace("!/", "/")
    # Members of archives begin anew behind the separator, which is a slash to unanchored patterns.
    start = rb"(?:^|\0)" if "/" in body.rstrip("/") else rb"(?:^|[/\0])"
    end = rb"[/\0]" if is_folder else rb"(?:[/\0]|$)"
    expression = start + _translated(steps) + end
    compiled = re.compile(expression, re.IGNORECASE | re.DOTALL)
    return _Rule(pattern, takes_back, compiled, _literal(steps))


def _literal(steps: str) -> bytes:
    """The longest run of letters that a path must have, as it is written or in lower case."""
    runs = (run for piece in _PIECES.split(steps)[::2] for run in piece.split("/"))
    return max(runs, key=len).encode().lower()


_PIECES = re.compile(r"(\*\*/|/\*\*$|\*\*|\*|\?|\[!?\]?[^]]*\])")
_WILD = {
    "**/": rb"(?:.*[/\0])?",
    "/**": rb"[/\0].*",
    "**": rb".*",
    "*": rb"[^/\0]*",
    "?": rb"[^/\0]",
}


def _translated(steps: str) -> bytes:
    return b"".join(_piece(piece) for piece in _PIECES.split(steps))


def _piece(piece: str) -> bytes:
    if piece in _WILD:
        return _WILD[piece]
    if _PIECES.fullmatch(piece):
        # What could mean sets within sets is text here.
        inside = re.sub(r"[\\\[&~|]|-(?=-)", r"\\\g<0>", piece[1:-1])
        inside = "^" + inside[1:] if inside.startswith("!") else inside.replace("^", r"\^")
        return f"[{inside}]".encode()
    return re.escape(piece.encode()).replace(b"/", rb"[/\0]")


def unusable(patterns: Iterable[str]) -> str:
    """What is wrong with the first pattern that cannot be used; empty if all can."""
    for pattern in patterns:
        if not pattern.strip("!/ ") or "\0" in pattern:
            return (
                f"{pattern!r} is not a pattern: expected a name or a path, such as masks or "
                "train/*.png"
            )
        try:
            _rule(pattern)
        except re.error as error:
            return f"{pattern!r} is not a valid pattern ({error})"
    return ""
