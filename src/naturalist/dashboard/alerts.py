"""What a person should look at: numbers of the health document that cross a threshold."""

import re
from collections.abc import Iterator, Mapping
from statistics import median
from typing import Any

from naturalist.config.dashboard import AlertsSection
from naturalist.counting import counted

Alert = dict[str, Any]
_HOUR_S = 3600
_BETWEEN_CLAUSES = re.compile(r"; (?![^()]*\))")
"""A semicolon that is not between brackets."""
FEWEST_TIMED = 100
"""Pictures that a run must have extracted so that its speed says more than its start."""


def alerts(health: dict[str, Any], limits: AlertsSection) -> list[Alert]:
    """Alerts of a health document, the bad ones first.

    Each has `name` (stable, for machines), `level` (`bad` or `warn`), `text`, and where a number is
    compared `value` and `limit`.
    """
    result = [
        *_missing(health),
        *(_alert("damaged_report", "bad", text) for text in health["damaged"]),
        *_runs(health, limits),
        *_snapshot(health, limits),
        *_counts(health, limits),
        *_verdicts(health),
        *_drive(health, limits),
        *_labels(health, limits),
    ]
    return sorted(result, key=lambda alert: alert["level"] != "bad")


def _alert(name: str, level: str, text: str, value: Any = None, limit: Any = None) -> Alert:
    return {"name": name, "level": level, "text": text, "value": value, "limit": limit}


def _missing(health: dict[str, Any]) -> Iterator[Alert]:
    for folder in health["missing"]:
        text = (
            f"{folder} is missing: is its drive mounted? Nothing is deleted because of this; "
            "the page shows what is left."
        )
        yield _alert("workspace_gone", "bad", text)


def _runs(health: dict[str, Any], limits: AlertsSection) -> Iterator[Alert]:
    if health["kind"] != "workspace":
        return
    last = health["freshness"]["last_run"]
    if last is None:
        yield from _nothing_run(health)
        return
    if last["outcome"] != "done":
        yield _alert("run_failed", "bad", f"The last run ended with {last['outcome']}.")
    age_h = (last["age_s"] or 0) / _HOUR_S
    if age_h > limits.run_age_h and not health["running"]:
        text = f"The last run began {age_h:,.0f} hours ago."
        yield _alert("run_late", "warn", text, age_h, limits.run_age_h)
    yield from _slow(health["runs"], limits)


def _nothing_run(health: dict[str, Any]) -> Iterator[Alert]:
    published = (health["freshness"]["snapshot"] or {}).get("id")
    if health["missing"]:
        return
    if published:
        text = (
            f"{health['address']} is empty, yet snapshot {published} is published: is the drive of "
            "the workspace mounted?"
        )
        yield _alert("workspace_gone", "bad", text)
        return
    yield _alert("no_run", "warn", "No run yet: start one with `naturalist run`")


def _slow(runs: list[dict[str, Any]], limits: AlertsSection) -> Iterator[Alert]:
    pace = [one for run in runs if (one := seconds_per_picture(run)) is not None]
    if len(pace) < 3:
        return
    usual = median(pace[:-1])
    if pace[-1] > limits.slow_run_factor * usual:
        times = pace[-1] / usual
        text = f"The last run took {times:.1f} times as long per picture as earlier runs."
        yield _alert("run_slow", "warn", text, times, limits.slow_run_factor)


def seconds_per_picture(run: Mapping[str, Any]) -> float | None:
    """Seconds that a run extracted for each picture; None if it extracted too few to say."""
    stage = run.get("stages", {}).get("extract", {})
    pictures, seconds = stage.get("pictures"), stage.get("duration_s")
    enough = pictures is not None and pictures >= FEWEST_TIMED
    return seconds / pictures if enough and seconds is not None else None


def _snapshot(health: dict[str, Any], limits: AlertsSection) -> Iterator[Alert]:
    snapshot = health["freshness"]["snapshot"]
    if snapshot is None:
        return
    if snapshot.get("error"):
        yield _alert("store_unreachable", "bad", snapshot["error"])
    elif snapshot["age_s"] is not None and snapshot["age_s"] / _HOUR_S > limits.snapshot_age_h:
        age_h = snapshot["age_s"] / _HOUR_S
        text = f"The newest snapshot is {age_h:,.0f} hours old."
        yield _alert("snapshot_old", "warn", text, age_h, limits.snapshot_age_h)
    result = health["consistency"]
    if result and result.get("passed") is False:
        count = len(result["findings"])
        text = (
            f"{count} published objects differ from the snapshot: repair them with `naturalist "
            "publish --repair`"
        )
        yield _alert("store_inconsistent", "bad", text, count, 0)


def _counts(health: dict[str, Any], limits: AlertsSection) -> Iterator[Alert]:
    seen = sum(row["seen"] for row in health["totals"])
    if not seen:
        return
    failures = sum(row["files"] for row in health["failures"] if row["is_failure"])
    measured = (
        ("refused_share", failures, limits.refused_share, "could not be used"),
        (
            "duplicate_share",
            sum(row["duplicates"] for row in health["totals"]),
            limits.duplicate_share,
            "are duplicates",
        ),
        (
            "conflict_share",
            sum(row["conflicts"] for row in health["totals"]),
            limits.conflict_share,
            "are in two categories, and are in no table until you decide",
        ),
    )
    for name, count, limit, what in measured:
        if count / seen > limit:
            text = f"{count:,} of {counted(seen, 'file')} ({count / seen:.1%}) {what}."
            yield _alert(name, "warn", text, count / seen, limit)


def _verdicts(health: dict[str, Any]) -> Iterator[Alert]:
    report = health["verification"]
    if report is not None and not report["passed"]:
        text = f"{counted(report['hard'], 'check')} failed: see `naturalist verify`"
        yield _alert("verification", "bad", text, report["hard"], 0)
    if health["drift"] and health["drift"][-1].get("verdict") == "drift":
        words = health["drift"][-1].get("words") or ["The newest batch differs from the reference."]
        # The first clause says what; the page has all of it under Drift.
        clause = _BETWEEN_CLAUSES.split(words[0])[0].rstrip(".")
        yield _alert("drift", "warn", f"Drift: {clause}.")


def _drive(health: dict[str, Any], limits: AlertsSection) -> Iterator[Alert]:
    free = health["storage"]["free_bytes"]
    if free is not None and free / 1e9 < limits.disk_free_gb:
        text = f"{free / 1e9:.1f} GB are free on the drive of {health['kind']}."
        yield _alert("disk_full", "bad", text, free / 1e9, limits.disk_free_gb)


def _labels(health: dict[str, Any], limits: AlertsSection) -> Iterator[Alert]:
    accepted = sum(row["accepted"] for row in health["totals"])
    gap = (health["model"] or {}).get("gap")
    if gap is not None and gap > limits.evaluation_gap:
        text = (
            f"The champion is {100 * gap:.0f} percentage points better on a random split than on "
            "sources it never saw: it partly recognises sources instead of categories"
        )
        yield _alert("evaluation_gap", "warn", text, gap, limits.evaluation_gap)
    issues = (health["issues"] or {}).get("rows") or 0
    if accepted and issues / accepted > limits.label_issue_share:
        text = (
            f"{counted(issues, 'picture')} may have the wrong category: see `naturalist "
            "label-issues`"
        )
        yield _alert("label_issues", "warn", text, issues / accepted, limits.label_issue_share)
