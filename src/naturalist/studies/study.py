"""What all studies share: when there is nothing to do, when a result grows, when it is rebuilt.

A study of a subject is one small class in the `study.py` of its room. It knows whether its result
is up to date, what of an earlier result can be kept, and how to extend or make one; the decision
between these is made here, for all of them.
"""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

from naturalist.errors import MissingExtra
from naturalist.features.blocks import BlockMapper

Report = dict[str, Any]
Kept = TypeVar("Kept")
_ANALYSIS = {
    "scipy": "SciPy",
    "sklearn": "scikit-learn",
    "numba": "numba",
    "openTSNE": "openTSNE",
    "matplotlib": "matplotlib",
}
"""Modules of the extra `analysis`, and the names of their packages."""


def check_installed() -> None:
    """Find out whether the extra `analysis` is installed, before a study begins long work.

    Raises:
        MissingExtra: one of its packages is not installed.
    """
    for module, package in _ANALYSIS.items():
        if find_spec(module) is None:
            raise MissingExtra(package, "analysis")


@dataclass(frozen=True)
class Outgrown(Generic[Kept]):
    """An earlier result that has to be rebuilt instead of extended, and the reason.

    Attributes:
        kept: the earlier result.
        reason: as the study reports it; None if a person requested it.
    """

    kept: Kept
    reason: Any = None


@dataclass(frozen=True)
class Result:
    """The report of a study that is up to date.

    Attributes:
        report: as JSON values.
        changed: whether anything was done.
    """

    report: Report
    changed: bool

    @property
    def as_json(self) -> Report:
        """The report, and `changed`."""
        return self.report | {"changed": self.changed}


class Study(Protocol[Kept]):
    """One study of a collection. It may be used once, by the process that may write its files."""

    @property
    def name(self) -> str:
        """What reports and messages call it."""

    def current(self) -> Report | None:
        """The report that is there, if it is up to date."""

    def kept(self) -> Kept | None:
        """The earlier result, if it can be extended; None if there is none or it does not fit."""

    def grow(self, kept: Kept) -> Report | Outgrown[Kept]:
        """Extend an earlier result by what is new, or say why it has to be rebuilt."""

    def make(self, outgrown: Outgrown[Kept] | None) -> Report:
        """Make the result, from scratch or in place of one that was outgrown."""

    def summary(self, result: Result) -> Report:
        """What the report of a run keeps of it."""

    def warning(self, report: Report) -> str:
        """What a person should know of it after a run; empty if nothing."""


@runtime_checkable
class Divisible(Protocol):
    """A study, a dataclass, whose rows are worked on in blocks that do not need each other."""

    blocks: BlockMapper


class WholeStudy:
    """The part of a study that never extends an earlier result, and warns of nothing."""

    def kept(self) -> None:
        """Nothing is kept."""

    def grow(self, kept: None) -> Report:
        """Never called, because nothing is kept."""
        raise AssertionError("nothing was kept")

    def warning(self, report: Report) -> str:
        """Nothing."""
        del report
        return ""


def bring_up_to_date(study: Study[Any], *, rebuild: bool = False) -> Result:
    """Do what a study needs: nothing, extend its result, or make it.

    Args:
        study: of the rows as they are now.
        rebuild: make it from scratch although it is up to date or could be extended.

    Raises:
        As the study.
    """
    if not rebuild and (report := study.current()) is not None:
        return Result(report, changed=False)
    kept = study.kept()
    if kept is None:
        return Result(study.make(None), changed=True)
    grown = Outgrown(kept) if rebuild else study.grow(kept)
    if isinstance(grown, Outgrown):
        grown = study.make(grown)
    return Result(grown, changed=True)
