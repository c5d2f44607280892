"""Every exception of naturalist, and the exit code each one gives the command line.

::

    NaturalistError                 1   anything below, when nothing more exact is known
    ├── ConfigError                 2   the configuration or an argument is wrong
    ├── FailureBudgetExceeded       3   too many pictures could not be used
    ├── WithdrawalBudgetExceeded    3   too many pictures would leave the tables at once
    ├── VerificationFailed          4   a check of features, tables or a snapshot failed
    ├── WorkspaceError              5   the workspace cannot be used as it is
    │   ├── WorkspaceLocked         5   another process is writing to it
    │   └── WorkspaceFormatError    5   made by a newer or an older, unmigratable program
    ├── SourceError                 6   a source or a drive is missing or unreadable
    ├── StoreError                  7   the object store refused, failed or lost something
    │   ├── AccessDenied            7   these credentials may not read or write an object
    │   ├── Conflict                7   somebody else wrote the same key first
    │   └── NotFound                7   there is no object under that key
    ├── BackboneError               8   a backbone or its weights cannot be used
    ├── MissingExtra                9   an optional package is not installed
    ├── BundleMissing               9   the dashboard's pages were left out of the installation
    ├── StorageFull                10   no space left where something had to be written
    ├── MemoryShort                10   no memory left for what had to be done
    └── ClusterError               11   the Ray cluster is away, or lacks what tasks ask for

    PictureError                    -   trouble with one picture: a ledger row, never stops a run

An interrupt (Ctrl-C, SIGTERM) ends the command line with 130.
"""

from typing import ClassVar

from naturalist.reasons import Reason


class NaturalistError(Exception):
    """Base of all errors that stop a run; the message says what to do next."""

    exit_code: ClassVar[int] = 1


class ConfigError(NaturalistError):
    """The configuration file or an argument is wrong."""

    exit_code = 2


class FailureBudgetExceeded(NaturalistError):
    """More pictures failed than ``failure_budget`` allows; everything else was finished first."""

    exit_code = 3


class WithdrawalBudgetExceeded(NaturalistError):
    """A run would take more out of the tables than ``withdrawal_budget`` allows; it did not."""

    exit_code = 3


class VerificationFailed(NaturalistError):
    """A hard check failed; the report names the pictures and files."""

    exit_code = 4


class WorkspaceError(NaturalistError):
    """The workspace cannot be used as it is."""

    exit_code = 5


class WorkspaceLocked(WorkspaceError):
    """Another process holds the workspace's lock."""


class WorkspaceFormatError(WorkspaceError):
    """The workspace's format version is not one this program can write."""


class SourceError(NaturalistError):
    """A source or a drive that the configuration names is missing or unreadable."""

    exit_code = 6


class StoreError(NaturalistError):
    """The object store refused, failed or lost something."""

    exit_code = 7


class AccessDenied(StoreError):
    """The store does not allow these credentials to read or write an object."""


class Conflict(StoreError):
    """A conditional write found that somebody else wrote the key first."""


class NotFound(StoreError):
    """There is no object under a key that was to be read."""


class BackboneError(NaturalistError):
    """A backbone is unknown, or its weights are missing, broken or not the expected ones."""

    exit_code = 8


class MissingExtra(NaturalistError):
    """An optional package is needed and not installed."""

    exit_code = 9

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(
            f"{package} is needed for this and is not installed: "
            f"run `pip install 'naturalist[{extra}]'`"
        )
        self._missing = (package, extra)

    def __reduce__(self) -> tuple[type["MissingExtra"], tuple[str, str]]:
        """Keep both arguments when the error crosses a process border."""
        return (MissingExtra, self._missing)


class BundleMissing(NaturalistError):
    """The installation was made without the dashboard's front end."""

    exit_code = 9


class StorageFull(NaturalistError):
    """No space is left where something had to be written."""

    exit_code = 10


class MemoryShort(NaturalistError):
    """There is no memory for something that had to be done; nothing was written down for it."""

    exit_code = 10


INTERRUPTED_EXIT_CODE = 130


class ClusterError(NaturalistError):
    """The Ray cluster no longer answers, or no node has what tasks ask for."""

    exit_code = 11


class PictureError(Exception):
    """Trouble with one file: `reason` is the documented word, `detail` what was found."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail

    def __reduce__(self) -> tuple[type["PictureError"], tuple[Reason, str]]:
        """Keep both arguments when the error crosses a process border."""
        return (PictureError, (self.reason, self.detail))
