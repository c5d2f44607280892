"""Columns from the names of folders: ``{split}/{species}/...``.

Every step of a pattern is one folder: ``{name}`` makes its name a value of that column, ``*`` is
any folder, anything else must be there as it is written, and ``...`` at the end is any number of
further folders. A picture whose folders do not fit has no values.
"""

import re

from naturalist.errors import ConfigError

_STEP = re.compile(r"\{([A-Za-z_][A-Za-z0-9_ -]*)\}")
_ANY_DEPTH = "..."


class FolderPattern:
    """A pattern of folder names, as an expression over paths inside a source.

    Raises:
        ConfigError: it is none.

    Example:
        >>> pattern = FolderPattern("{split}/{species}/...")
        >>> pattern.columns
        ('split', 'species')
        >>> pattern.match("train/red fox/1.jpg")
        {'split': 'train', 'species': 'red fox'}
        >>> pattern.match("train/1.jpg") is None
        True
    """

    def __init__(self, text: str) -> None:
        steps = text.strip("/").split("/")
        any_depth = steps[-1] == _ANY_DEPTH
        names: list[str] = []
        pieces = [_expression(text, step, names) for step in (steps[:-1] if any_depth else steps)]
        if not names or len(set(map(str.lower, names))) < len(names):
            raise ConfigError(
                f"folders = {text!r}: name at least one folder, each only once, as in "
                "{split}/{species}/..."
            )
        self.columns = tuple(names)
        tail = "(?:[^/]+/)*" if any_depth else ""
        self.expression = "^" + "".join(f"{piece}/" for piece in pieces) + tail + "[^/]+$"
        """For RE2 and Python alike; the groups are the columns, in order."""

    def match(self, path: str) -> dict[str, str] | None:
        """The values for a path inside the source; None if its folders do not fit."""
        fits = re.match(self.expression, path)
        return dict(zip(self.columns, fits.groups(), strict=True)) if fits else None


def _expression(pattern: str, step: str, names: list[str]) -> str:
    if named := _STEP.fullmatch(step):
        names.append(named[1].strip())
        return "([^/]+)"
    if step == "*":
        return "[^/]+"
    if not step or set(step) & set("{}*?[]") or step == _ANY_DEPTH:
        raise ConfigError(
            f"folders = {pattern!r}: invalid step {step!r}: use {{name}}, *, the name of a folder, "
            "or ... at the end"
        )
    return re.escape(step)
