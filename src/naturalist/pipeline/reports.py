"""The verification report for machines and people, and one report for each run."""

from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.backbones import BackboneSpec
from naturalist.config import Config
from naturalist.layout import Layout
from naturalist.pipeline.status import CategoryStatus, collection_status
from naturalist.pipeline.steps import VerifyResult
from naturalist.stages.verify.verdicts import HARD_CHECKS, SOFT_CHECKS, Verdict, hard

_SHOWN = 50


def write_verification(
    config: Config, spec: BackboneSpec, features: VerifyResult, tables: VerifyResult | None
) -> dict[str, Any]:
    """Write `reports/verification.json` and `.md`; they change only when the data do.

    Returns:
        The report as JSON values.
    """
    verdicts = [*features.verdicts, *(tables.verdicts if tables else ())]
    status = collection_status(config)["categories"]
    report = {
        "collection": config.name,
        "backbone": spec.as_dict() | {"id": spec.id},
        "passed": not hard(verdicts),
        "categories": {name: _counts(one) for name, one in status.items()},
        "hard": [v.as_json() for v in verdicts if v.severity == "hard"],
        "soft": [v.as_json() for v in verdicts if v.severity == "soft"],
        "checks": {"hard": HARD_CHECKS, "soft": SOFT_CHECKS},
    }
    artifacts.write_json(config.layout.verification, report)
    artifacts.write_bytes(config.layout.verification_page, _as_markdown(report, verdicts).encode())
    return report


def _counts(status: CategoryStatus) -> dict[str, int]:
    return {
        "label": status["label"],
        "seen": status["seen"],
        "accepted": status["accepted"],
        "features": status["features"],
        "tables": status["tables"],
        "table_rows": status["table_rows"],
    }


def _as_markdown(report: dict[str, Any], verdicts: list[Verdict]) -> str:
    text = "All checks passed." if report["passed"] else "**Checks failed.**"
    lines = [f"# Verification of {report['collection']}", "", text, ""]
    lines += [f"Backbone: `{report['backbone']['id']}`", ""]
    lines += [
        "| category | label | seen | accepted | features | tables | rows |",
        "|---|" + "---:|" * 6,
    ]
    for name, one in report["categories"].items():
        cells = [one[k] for k in ("label", "seen", "accepted", "features", "tables", "table_rows")]
        lines.append(f"| {name} | " + " | ".join(f"{cell:,}" for cell in cells) + " |")
    lines += ["", "| check | kind | findings | what it asks |", "|---|---|---:|---|"]
    for kind, checks in (("hard", HARD_CHECKS), ("soft", SOFT_CHECKS)):
        for check, meaning in checks.items():
            result = sum(v.check == check for v in verdicts)
            lines.append(f"| {check} | {kind} | {result} | {meaning} |")
    lines += _findings(verdicts)
    return "\n".join(lines) + "\n"


def _findings(verdicts: list[Verdict]) -> list[str]:
    if not verdicts:
        return []
    lines = ["", "## Findings", "", "| check | where | what |", "|---|---|---|"]
    for verdict in sorted(verdicts, key=lambda v: v.severity)[:_SHOWN]:
        where = verdict.pic_id or verdict.file or "the collection"
        lines.append(f"| {verdict.check} | {where} | {verdict.detail} |")
    if len(verdicts) > _SHOWN:
        lines.append(f"\n{len(verdicts) - _SHOWN} more are in verification.json.")
    return lines


def write_run(layout: Layout, report: dict[str, Any]) -> Path:
    """Write the report of a run under the next number."""
    path = layout.runs / f"{_last_number(layout) + 1:06d}.json"
    artifacts.write_json(path, report)
    return path


def _last_number(layout: Layout) -> int:
    return max((int(p.stem) for p in layout.runs.glob("[0-9]*.json")), default=0)
