"""Poor pictures by what was measured of them: dark, bright, blurred, blank, tiny and so on.

Nothing is judged by a model. A limit is a value of the measure, or a share of the pictures
(``1%``), which takes those at that end whatever their values are.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from naturalist import ledger
from naturalist.curation.decisions import Decision
from naturalist.curation.measured import measured
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.stages.ingest.resolve import Kind
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.thumbnails import read_thumbnails
from naturalist.suggestions import choose_one_of

if TYPE_CHECKING:
    import duckdb

_SHOWN_OF_EACH = 24
_COLUMNS = 8
_LIMIT = re.compile(r"([0-9]*\.?[0-9]+)(%?)")


@dataclass(frozen=True)
class Check:
    """A way in which a picture may be poor.

    Attributes:
        measure: SQL over the columns of `measured`.
        end: which end of the measure is poor.
        default: limit, unless a person says another one.
        meaning: what the measure is.
    """

    measure: str
    end: Literal["low", "high"]
    default: str
    meaning: str


CHECKS: Mapping[str, Check] = {
    "dark": Check("brightness", "low", "0.06", "mean luma, 0 to 1"),
    "bright": Check("brightness", "high", "0.97", "mean luma, 0 to 1"),
    "blank": Check("contrast", "low", "0.02", "standard deviation of luma, 0 to 0.5"),
    "blurred": Check("blur", "low", "20", "variance of the Laplacian; empty pictures are low too"),
    "tiny": Check("least(width, height)", "low", "32", "pixels of the shorter side"),
    "odd-shape": Check(
        "greatest(width, height) / least(width, height)", "high", "4", "longer by shorter side"
    ),
    "low-information": Check(
        "8.0 * size_bytes / (width * height)", "low", "0.1", "bits of the file for each pixel"
    ),
}
"""By name."""


@dataclass(frozen=True)
class PoorPicture:
    """A picture that a check is about, with what was measured."""

    pic_id: str
    source: str
    check: str
    value: float


@dataclass(frozen=True)
class Quality:
    """What the checks say.

    Attributes:
        pictures: pictures that were looked at.
        limits: the value that each check used.
        counts: pictures of each check; one picture may be in several.
        poor: all of them, by check, the poorest first.
    """

    pictures: int
    limits: dict[str, float] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    poor: tuple[PoorPicture, ...] = ()

    @property
    def decisions(self) -> Iterator[Decision]:
        """Every poor picture to be retired, once, with all that is wrong with it."""
        reasons: dict[str, list[str]] = {}
        for one in self.poor:
            reasons.setdefault(one.pic_id, []).append(f"{one.check} ({one.value:.3g})")
        for number, (pic_id, words) in enumerate(reasons.items(), start=2):
            yield Decision(number, pic_id, Kind.RETIRE, note=", ".join(words))


def parse_limit(check: str, text: str) -> tuple[float, bool]:
    """A limit as a person writes it: its number, and whether it is a share in percent.

    Raises:
        ConfigError: it is neither a number nor a percentage.
    """
    fits = _LIMIT.fullmatch(text.strip())
    if fits is None or (fits[2] and float(fits[1]) > 100):
        raise ConfigError(
            f"{check}={text}: write a value ({CHECKS[check].meaning}) or a share, as in 1%"
        )
    return float(fits[1]), bool(fits[2])


def look_for_poor(
    layout: Layout, categories: list[str], limits: Mapping[str, str] | None = None
) -> Quality:
    """Look for poor pictures among those of the tables.

    Args:
        layout: the workspace.
        categories: those of the collection.
        limits: checks to do, with their limits; None does all with their defaults.

    Raises:
        ConfigError: there is no such check, or a limit is none.
        WorkspaceError: nothing has been extracted yet.
    """
    selected = limits or {name: check.default for name, check in CHECKS.items()}
    for name in selected:
        if name not in CHECKS:
            raise ConfigError(f"there is no check {name!r}: {choose_one_of(name, CHECKS)}")
    parsed = {name: parse_limit(name, text) for name, text in selected.items()}
    with measured(layout, categories) as connection:
        result: list[PoorPicture] = []
        values: dict[str, float] = {}
        for name, (number, is_share) in parsed.items():
            values[name] = _quantile(connection, name, number) if is_share else number
            result += _beyond(connection, name, values[name])
        (counted,) = ledger.query(connection, "SELECT count(*) AS n FROM pictures").to_pylist()
    counts = {name: sum(one.check == name for one in result) for name in selected}
    return Quality(counted["n"], values, counts, tuple(result))


def _quantile(connection: "duckdb.DuckDBPyConnection", name: str, percent: float) -> float:
    check = CHECKS[name]
    share = percent / 100 if check.end == "low" else 1 - percent / 100
    query = f"SELECT quantile_disc({check.measure}, {share}) AS value FROM pictures"  # noqa: S608
    (result,) = ledger.query(connection, query).to_pylist()
    return float(result["value"] or 0.0)


def _beyond(
    connection: "duckdb.DuckDBPyConnection", name: str, limit: float
) -> Iterator[PoorPicture]:
    """Pictures beyond a limit, the farthest first."""
    check = CHECKS[name]
    sign, order = ("<", "ASC") if check.end == "low" else (">", "DESC")
    rows = ledger.query(
        connection,
        f"SELECT pic_id, source, {check.measure} AS value FROM pictures "  # noqa: S608
        f"WHERE value {sign} {limit} ORDER BY value {order}, category, number",
    )
    for row in rows.to_pylist():
        yield PoorPicture(row["pic_id"], row["source"], name, float(row["value"]))


def draw_sheet(layout: Layout, quality: Quality) -> bytes:
    """The poorest pictures of each check, as a PNG."""
    shown: list[PoorPicture] = []
    for name in quality.counts:
        shown += [one for one in quality.poor if one.check == name][:_SHOWN_OF_EACH]
    thumbnails = read_thumbnails(layout, [one.pic_id for one in shown])
    tiles = [
        Tile(thumbnails.get(one.pic_id), f"{one.pic_id}\n{one.check} {one.value:.3g}")
        for one in shown
    ]
    counted = ", ".join(f"{name} {count:,}" for name, count in quality.counts.items())
    return contact_sheet(tiles, f"Poor pictures: {counted}", _COLUMNS)
