"""The numbers of health in Prometheus' text format."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Metric, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_OUTCOMES = ("accepted", "duplicates", "conflicts", "refused")
Sample = tuple[dict[str, str], float | None]


@dataclass(frozen=True, eq=False)
class _Gauges:
    """What a registry asks for its metrics."""

    health: dict[str, Any]

    def collect(self) -> Iterator[Metric]:
        """Every metric that has a number."""
        for name, about, samples in _metrics(self.health):
            metric = Metric(f"naturalist_{name}", about, "gauge")
            for labels, value in samples:
                if value is not None:
                    metric.add_sample(metric.name, labels, value)
            if metric.samples:
                yield metric


def exposition(health: dict[str, Any]) -> str:
    """Every metric with its help, type and samples."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Gauges(health))
    return generate_latest(registry).decode()


def _metrics(health: dict[str, Any]) -> Iterator[tuple[str, str, list[Sample]]]:
    last, snapshot = health["freshness"]["last_run"] or {}, health["freshness"]["snapshot"] or {}
    yield (
        "files",
        "Files seen, by category, source and what became of them.",
        [
            ({"category": r["category"], "source": r["source"], "outcome": o}, r[o])
            for r in health["totals"]
            for o in _OUTCOMES
        ],
    )
    refused: list[Sample] = [
        ({"reason": r["reason"] or ""}, r["files"]) for r in health["failures"]
    ]
    yield "refused_files", "Refused files by reason.", refused
    yield "run_in_progress", "1 while a run holds the workspace.", [({}, int(health["running"]))]
    yield "last_run_age_seconds", "Since the last run began.", [({}, last.get("age_s"))]
    yield "last_run_duration_seconds", "Of the last run.", [({}, last.get("duration_s"))]
    succeeded = int(last["outcome"] == "done") if last else None
    yield "last_run_succeeded", "1 if the last run was done.", [({}, succeeded)]
    yield (
        "stage_duration_seconds",
        "Of each stage of the last run.",
        [
            ({"stage": name}, facts.get("duration_s"))
            for name, facts in (health["runs"][-1]["stages"] if health["runs"] else {}).items()
        ],
    )
    yield "snapshot_age_seconds", "Of the newest snapshot.", [({}, snapshot.get("age_s"))]
    yield (
        "storage_bytes",
        "By kind of file.",
        [({"kind": one["kind"]}, one["size_bytes"]) for one in health["storage"]["kinds"]],
    )
    yield "disk_free_bytes", "On the drive.", [({}, health["storage"]["free_bytes"])]
    verification = health["verification"] or {}
    yield (
        "verification_findings",
        "Of the last verification, by severity.",
        [({"severity": kind}, verification.get(kind)) for kind in ("hard", "soft")],
    )
    yield (
        "drift",
        "1 if a batch differs from its reference.",
        [
            ({"batch": str(one.get("batch"))}, int(one.get("verdict") == "drift"))
            for one in health["drift"]
        ],
    )
    model = health["model"] or {}
    yield (
        "model_accuracy",
        "Balanced accuracy of the champion.",
        [({"on": name}, model.get(name)) for name in ("random_split", "new_sources")],
    )
    raised: list[Sample] = [({"name": a["name"], "level": a["level"]}, 1) for a in health["alerts"]]
    yield "alert", "Alerts that are raised.", raised
