"""What can be fetched: sets of the catalogue by name, and sets and archives by address."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal
from urllib.parse import urlsplit

from naturalist.errors import ConfigError
from naturalist.suggestions import did_you_mean

Host = Literal["kaggle", "huggingface", "web"]

CATEGORY_LABELS = {"plant": 0, "animal": 1, "human": 2}
"""Labels of the catalogue's categories."""
UNKNOWN_LICENCE = "unknown: look it up at the source"

_HANDLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*/[A-Za-z0-9][A-Za-z0-9._-]*")
_KAGGLE_PAGE = re.compile(
    r"https?://(?:www\.)?kaggle\.com/(?:datasets/)?([^/?#]+/[^/?#]+)/?(?:\?.*)?"
)
_HUB_PAGE = re.compile(r"https?://huggingface\.co/datasets/([^/?#]+/[^/?#]+)/?")


@dataclass(frozen=True)
class Entry:
    """A data set that can be fetched.

    Attributes:
        name: short name; of a source, too.
        category: category that it belongs to; empty if the catalogue does not say.
        host: who has it.
        handle: ``owner/name`` at Kaggle or Hugging Face, or the whole web address.
        contents: what is in it, in words; empty if nothing is known.
        pictures: folder inside it that the pictures are in; empty for all of it.
        leave_out: folders inside it that hold no pictures of their own.
        licence: its licence; empty if it is not known.
    """

    name: str
    category: str
    host: Host
    handle: str
    contents: str = ""
    pictures: str = ""
    leave_out: tuple[str, ...] = ()
    licence: str = ""

    @property
    def page(self) -> str:
        """Where people read about it."""
        if self.host == "kaggle":
            return f"https://www.kaggle.com/datasets/{self.handle}"
        if self.host == "huggingface":
            return f"https://huggingface.co/datasets/{self.handle}"
        return self.handle

    @property
    def file_name(self) -> str:
        """Name of the file or folder that it is kept under: owner and name, as one."""
        if self.host == "web":
            return urlsplit(self.handle).path.rpartition("/")[2] or "download"
        plain = self.handle.replace("/", "+")
        return f"{plain}.zip" if self.host == "kaggle" else plain


@cache
def known_sets() -> tuple[Entry, ...]:
    """The sets of the catalogue, by category and in its order."""
    text = files("naturalist.catalogue").joinpath("sets.toml").read_text("utf-8")
    return tuple(_entry(**one) for one in tomllib.loads(text)["set"])


def _entry(
    name: str,
    category: str,
    kaggle: str,
    contents: str = "",
    pictures: str = "",
    leave_out: tuple[str, ...] = (),
    licence: str = "",
) -> Entry:
    return Entry(name, category, "kaggle", kaggle, contents, pictures, tuple(leave_out), licence)


def resolve(text: str, category: str = "") -> Entry:
    """The set that a person means.

    Args:
        text: a name of the catalogue, ``kaggle:owner/name``, ``hf:owner/name``, or an address.
        category: category that it belongs to, where the catalogue does not say it.

    Raises:
        ConfigError: it is none of these.
    """
    for entry in known_sets():
        if text in (entry.name, entry.handle):
            return entry
    host, handle = _by_address(text)
    known = next((e for e in known_sets() if (e.host, e.handle) == (host, handle)), None)
    if known is not None:
        return known
    name = handle.rstrip("/").rpartition("/")[2]
    return Entry(re.sub(r"[^A-Za-z0-9._+-]+", "-", name) or "set", category, host, handle)


def _by_address(text: str) -> tuple[Host, str]:
    prefix, colon, rest = text.partition(":")
    if colon and prefix in ("kaggle", "hf") and _HANDLE.fullmatch(rest):
        return ("kaggle" if prefix == "kaggle" else "huggingface"), rest
    if page := _KAGGLE_PAGE.fullmatch(text):
        return "kaggle", page[1]
    if page := _HUB_PAGE.fullmatch(text):
        return "huggingface", page[1]
    if text.startswith(("https://", "http://")) and urlsplit(text).hostname:
        return "web", text
    raise ConfigError(
        f"{text!r} is not in the catalogue: choose a name from `naturalist sources list`, "
        "kaggle:owner/name, hf:owner/name, or the https:// URL of an archive"
        f"{did_you_mean(text, [entry.name for entry in known_sets()])}"
    )
