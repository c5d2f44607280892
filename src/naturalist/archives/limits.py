"""What an archive may cost, and the running account of what it has cost so far."""

from dataclasses import dataclass

from naturalist.errors import PictureError
from naturalist.reasons import Reason

MIB = 1 << 20

RATIO_FLOOR_BYTES = 10 * MIB
"""A member that unpacks to less than this is never refused for its ratio."""


@dataclass(frozen=True)
class ArchiveLimits:
    """Limits on one outermost archive; every refusal names the limit it met.

    An archive as a whole is held to `max_archive_ratio` only above `max_member_bytes` unpacked:
    what is no larger than one allowed member is no bomb.
    """

    max_member_bytes: int = 256 * MIB
    """Largest member that is read into memory and delivered."""
    max_archive_bytes: int = 1 << 40
    """Most bytes unpacked from an outermost archive and all archives inside it."""
    max_archive_ratio: float = 200.0
    """Unpacked bytes per packed byte, of a zip member, a sparse tar member or a whole archive."""
    max_archive_depth: int = 3
    """Archives inside each other: 1 opens the outermost archive only."""
    max_archive_members: int = 5_000_000
    """Files in an outermost archive and all archives inside it."""


class Budget:
    """The account of one archive; what an archive inside it spends counts for both.

    Methods raise `PictureError` once a limit is passed.
    """

    def __init__(
        self, limits: ArchiveLimits, archive_bytes: int, around: "Budget | None" = None
    ) -> None:
        self.limits = limits
        self._passed = False
        self._archive_bytes = archive_bytes
        self._ratio_bytes = max(limits.max_member_bytes, limits.max_archive_ratio * archive_bytes)
        self._unpacked_bytes = 0
        self._members = 0
        self._levels: tuple[Budget, ...] = (*around._levels, self) if around else (self,)

    @property
    def exhausted(self) -> bool:
        """Whether this archive, or one around it, passed a limit and is to be abandoned."""
        return any(level._passed for level in self._levels)

    def inside(self, archive_bytes: int) -> "Budget":
        """The account of an archive of `archive_bytes` found inside this one."""
        return Budget(self.limits, archive_bytes, self)

    def spend(self, unpacked_bytes: int) -> None:
        """Count bytes that were unpacked, here and in the archives around this one."""
        for level in self._levels:
            level._unpacked_bytes += unpacked_bytes
        self._levels[0]._check_total()
        for level in self._levels:
            level._check_ratio()

    def count_member(self) -> None:
        """Count one more member of the outermost archive."""
        outermost = self._levels[0]
        outermost._members += 1
        if outermost._members > self.limits.max_archive_members:
            outermost._refuse(
                Reason.ARCHIVE_TOO_MANY_MEMBERS,
                f"more members than limits.max_archive_members = "
                f"{self.limits.max_archive_members:,}",
            )

    def _check_total(self) -> None:
        if self._unpacked_bytes > self.limits.max_archive_bytes:
            self._refuse(
                Reason.ARCHIVE_TOO_LARGE,
                f"{self._unpacked_bytes:,} bytes unpacked so far, limits.max_archive_bytes is "
                f"{self.limits.max_archive_bytes:,}",
            )

    def _check_ratio(self) -> None:
        if self._unpacked_bytes > self._ratio_bytes:
            self._refuse(
                Reason.ARCHIVE_RATIO,
                f"{self._unpacked_bytes:,} bytes unpacked so far from {self._archive_bytes:,}, "
                f"limits.max_archive_ratio is {self.limits.max_archive_ratio:g}",
            )

    def _refuse(self, reason: Reason, detail: str) -> None:
        self._passed = True
        raise PictureError(reason, detail)
