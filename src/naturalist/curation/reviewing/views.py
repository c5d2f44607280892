"""Views of the map that reviewers share: a name, an address, who saved it and when.

One small file, replaced as a whole under a lock of its own. Who replaces or removes a view says
which version was seen, so that nobody's view is lost unseen.
"""

import contextlib
import datetime as dt
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from naturalist import artifacts, sealed_json
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.layout import REVIEW_VIEWS_ADVICE
from naturalist.locked_files import locked

MOST = 200
"""Views of one workspace."""
LONGEST_NAME = 60
ViewName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_NAME)
]
ViewHash = Annotated[str, StringConstraints(pattern=r"^#/map(\?[!-~]{0,4000})?$")]


class Changed(Exception):
    """Somebody else saved or removed the view meanwhile; the message says who."""


class View(BaseModel):
    """A shared view.

    Attributes:
        name: for people.
        hash: the part of the address after the page's own, which begins with `#/map`.
        by: who saved it.
        at: when, ISO 8601.
        version: another number each time that any view is saved.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ViewName
    hash: ViewHash
    by: str = Field(max_length=64)
    at: str = Field(max_length=40)
    version: int = Field(ge=1)


class _Views(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    saved: int = Field(ge=0)
    """How often a view was saved so far."""
    views: tuple[View, ...] = Field(max_length=MOST)


def read(path: Path) -> list[View]:
    """All views, in the order of their names.

    Raises:
        WorkspaceError: the file is damaged.
    """
    return sorted(_read(path).views, key=lambda one: one.name.casefold())


def save(path: Path, name: str, address: str, by: str, replaces: int = 0) -> View:
    """Save a view; durable when it returns.

    Args:
        path: the file.
        name: of the view.
        address: see `View.hash`.
        by: the reviewer.
        replaces: the version of the view of this name that was seen; 0 if there was none.

    Raises:
        Changed: there is another view of this name; nothing was changed.
        ConfigError: there are too many views.
        WorkspaceError: the file is damaged.
    """
    with _locked(path):
        held = _read(path)
        _check(held, name, replaces)
        at = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        view = View(name=name, hash=address, by=by, at=at, version=held.saved + 1)
        others = [one for one in held.views if one.name != view.name]
        if len(others) >= MOST:
            raise ConfigError(f"{MOST} views are saved already: remove one first")
        _write(path, _Views(saved=view.version, views=(*others, view)))
        return view


def remove(path: Path, name: str, version: int) -> None:
    """Remove a view.

    Args:
        path: the file.
        name: of the view.
        version: that was seen.

    Raises:
        Changed: it is another one now; nothing was changed.
        WorkspaceError: the file is damaged.
    """
    with _locked(path):
        held = _read(path)
        _check(held, name, version)
        left = tuple(one for one in held.views if one.name != name)
        _write(path, _Views(saved=held.saved, views=left))


def _check(held: _Views, name: str, seen: int) -> None:
    now = next((one for one in held.views if one.name == name), None)
    if seen == (now.version if now else 0):
        return
    if now is None:
        raise Changed(f"The view {name} was removed meanwhile.")
    raise Changed(f"{now.by} saved a view {name} at {now.at}: open it before you replace it.")


def _read(path: Path) -> _Views:
    try:
        held = sealed_json.read(path)
        return _Views(saved=0, views=()) if held is None else _Views.model_validate(held)
    except (WorkspaceError, ValidationError) as error:
        raise WorkspaceError(f"{path} is damaged: {REVIEW_VIEWS_ADVICE}") from error


def _write(path: Path, views: _Views) -> None:
    sealed_json.write(path, views.model_dump(mode="json"))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Held from reading to writing, by one process and thread at a time."""
    artifacts.make_folder(path.parent)
    with locked(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT, fcntl.LOCK_EX):
        yield
