"""A verdict: what a check found about a picture or a file."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from naturalist.images import Doubt

Severity = Literal["hard", "soft"]


@dataclass(frozen=True)
class Verdict:
    """One finding. Hard ones stop the run before tables or publishing; soft ones are reported."""

    check: str
    severity: Severity
    detail: str
    pic_id: str | None = None
    file: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The verdict as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Checked:
    """What a finished verification task tells."""

    rows: int
    verdicts: tuple[Verdict, ...]


def from_json(values: Iterable[dict[str, Any]]) -> tuple[Verdict, ...]:
    """Verdicts from JSON values."""
    return tuple(Verdict(**value) for value in values)


def hard(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The verdicts that stop a run."""
    return [verdict for verdict in verdicts if verdict.severity == "hard"]


HARD_CHECKS = {
    "checksum": "The file has the sha256 that its receipt or summary names.",
    "schema": "Columns and types are those of the contract.",
    "row_count": "As many rows as the ledger (features) or the features (tables) say.",
    "pic_ids": "The pictures are exactly the expected ones, in id order, each once.",
    "not_finite": "No value is NaN or infinite.",
    "all_zero": "No vector is all zeros.",
    "picture": "The stored picture has the bytes that were ingested (verify; a share in each run).",
    "re_extraction": "Extracting pictures again gives the stored vector.",
    "re_derivation": "Building tables again gives the same bytes (naturalist verify --deep only).",
    "label": "Every row has the label of its category.",
    "equals_features": "Rows of a table have the vectors of its features, bit for bit.",
    "csv_equals_parquet": "The CSV file reads back to the same bits as the Parquet file.",
    "unreadable": "The file can be read.",
    "equals_rows": "The summary of a batch of the ledger matches its rows.",
    "missing": "Every expected file is there.",
}
SOFT_CHECKS = {
    "constant": "No vector has the same value everywhere.",
    "norm_outlier": "Norms are close to those of the category (robust z-score).",
    "repeated_vector": "Different pictures have different vectors.",
    "dead_dimension": "Every dimension takes more than one value over the collection.",
    **{doubt.value: doubt.meaning for doubt in Doubt},
}
