"""How a collection is doing: freshness, stages, failures, growth, verdicts, storage and cost.

One document; the page, the API and the metrics show the same numbers.
"""

import datetime as dt
import os
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from naturalist import artifacts, snapshots
from naturalist.consume import check_published
from naturalist.curation.reviewing.journal import Journal
from naturalist.dashboard import alerts, cron, damage, missing, studies, trends
from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.collection import Collection
from naturalist.errors import NaturalistError, NotFound
from naturalist.reasons import Reason
from naturalist.running import lock
from naturalist.stores import open_store
from naturalist.stores.prices import Prices, prices_for
from naturalist.studies.drift.wording import flagged_first
from naturalist.studies.labels.ranking import read_suspects

T = TypeVar("T")
Document = dict[str, Any]

_RUNS_SHOWN = 60
_PUNCTUAL = dt.timedelta(minutes=15)
"""A run that begins so soon after it was due was begun by a schedule."""
_EXAMPLES = 3
_STORAGE_FOR_S = 300.0
_SNAPSHOT_FOR_S = 60.0
_CONSISTENCY_FOR_S = 3600.0
_KINDS = (
    "ledger", "features", "previews", "checks", "tables", "maps", "clusters", "index", "models",
    "samples", "duplicates", "reports", "outbox",
)  # fmt: skip


@dataclass(eq=False)
class Health:
    """The health of a place; what is slow to find out is remembered for a while."""

    place: Collection
    catalogue: Catalogue
    _known: dict[str, tuple[float, Any]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _watch: missing.Watch = field(default_factory=missing.Watch, repr=False)

    def __post_init__(self) -> None:
        """Look once at the start, so that what goes away before somebody asks is missed."""
        # It reads what is new in the file alone.
        self._journal = Journal(self.place.layout.review_journal)
        self._watch.missing(self.place)

    def document(self) -> Document:
        """Everything that the page of health shows."""
        runs = self.runs()
        result: Document = {
            "collection": self.place.name,
            "kind": self.place.kind,
            "address": self.place.address,
            "checked_at": _now().isoformat(timespec="seconds"),
            "running": self.place.kind == "workspace" and lock.is_locked(self.place.layout),
            "freshness": self._freshness(runs),
            "missing": self._watch.missing(self.place),
            "damaged": self._damaged(),
            "runs": runs,
            "trends": trends.trends(runs, self._prices()),
            "totals": self.totals(),
            "growth": self._growth(runs),
            "failures": self._failures(),
            "verification": self._verification(),
            "drift": self.drift(),
            "storage": self._remembered("storage", _STORAGE_FOR_S, self._storage),
            "consistency": self._consistency(),
        }
        result["cost"] = self._cost(result)
        result["issues"] = self._issues()
        result["model"] = self._model()
        result["alerts"] = alerts.alerts(result, self._thresholds())
        return result

    def runs(self) -> list[Document]:
        """The newest runs, oldest first; a report that cannot be read is left out."""
        folder = self.place.layout.runs
        paths = sorted(folder.glob("[0-9]*.json")) if folder.is_dir() else []
        result = []
        for path in paths[-_RUNS_SHOWN:]:
            report = _tolerant(path)
            if isinstance(report, dict):
                result.append({"number": int(path.stem), **report})
        return result

    def totals(self) -> list[Document]:
        """Files by category and source: how many were seen, and what became of them."""
        return self.catalogue.rows(
            """SELECT category, source,
                count(*) FILTER (outcome NOT IN ('unpacked', 'relabelled')) AS seen,
                count(*) FILTER (outcome = 'accepted') AS accepted,
                count(*) FILTER (outcome = 'duplicate') AS duplicates,
                count(*) FILTER (outcome = 'conflict') AS conflicts,
                count(*) FILTER (outcome = 'refused') AS refused,
                CAST(coalesce(sum(size_bytes) FILTER (outcome = 'accepted'), 0) AS BIGINT)
                    AS size_bytes
            FROM files GROUP BY category, source ORDER BY category, source"""
        )

    def drift(self) -> list[Document]:
        """Reports on drift, by batch; what was flagged is said first."""
        folder = self.place.layout.drift("x").parent
        paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
        reports = [report for path in paths if isinstance(report := _tolerant(path), dict)]
        return [
            # Reports of earlier versions say it in the order of sources.
            report | {"words": flagged_first(report["words"], report.get("by_source", []))}
            if "words" in report
            else report
            for report in reports
        ]

    def _damaged(self) -> list[str]:
        """What is wrong with files that cannot be read, of all that the pages show."""
        runs = sorted(self.place.layout.runs.glob("[0-9]*.json"))[-_RUNS_SHOWN:]
        return damage.damaged(self.place, runs, self._journal)

    def _freshness(self, runs: list[Document]) -> Document:
        now = _now()
        last = runs[-1] if runs else None
        result: Document = {"last_run": None, "next_run": None, "snapshot": self._snapshot()}
        if last is not None:
            at = _time(last.get("started_at"))
            result["last_run"] = {
                "number": last["number"],
                "at": last.get("started_at"),
                "age_s": (now - at).total_seconds() if at else None,
                "outcome": last.get("outcome"),
                "error": last.get("error"),
                "duration_s": last.get("duration_s"),
            }
        config = self.place.config
        if config is not None and _scheduled(runs, config.airflow.schedule, config.airflow.zone):
            due = cron.next_run(config.airflow.schedule, now.astimezone(config.airflow.zone))
            result["next_run"] = {
                "at": due.isoformat(timespec="seconds") if due else None,
                "schedule": config.airflow.schedule,
                "time_zone": config.airflow.time_zone,
            }
        return result

    def _snapshot(self) -> Document | None:
        if self.place.kind != "workspace":
            return _aged({"id": self.place.snapshot, "at": self.place.about.get("created_at")})
        config = self.place.config
        if config is None or not config.publish_url:
            return None

        def look_up() -> Document:
            try:
                store = open_store(config.publish_url, config.s3_options)
                newest = snapshots.newest(store)[0]
            except NaturalistError as error:
                if isinstance(error, NotFound) and not self._has_published():
                    return {"id": None, "at": None}
                return {"id": None, "at": None, "error": str(error)}
            size = {"files": len(newest.files), "size_bytes": newest.size_bytes}
            return {"id": newest.id, "at": newest.about.get("created_at"), **size}

        return _aged(self._remembered("snapshot", _SNAPSHOT_FOR_S, look_up))

    def _growth(self, runs: list[Document]) -> list[Document]:
        """What each batch added, by category, and when its run began."""
        started = {
            batch: run.get("started_at")
            for run in runs
            for batch in run.get("stages", {}).get("ingest", {}).get("batches", [])
        }
        rows = self.catalogue.rows(
            """SELECT batch, category, source, count(*) FILTER (outcome = 'accepted') AS accepted,
                count(*) FILTER (outcome = 'refused') AS refused,
                count(*) FILTER (outcome IN ('duplicate', 'conflict')) AS repeated
            FROM files GROUP BY batch, category, source ORDER BY batch, category, source"""
        )
        return [row | {"at": started.get(row["batch"])} for row in rows]

    def _failures(self) -> list[Document]:
        counted = self.catalogue.rows(
            "SELECT reason, count(*) AS files FROM files WHERE outcome = 'refused' "
            "GROUP BY reason ORDER BY files DESC, reason"
        )
        for row in counted:
            known = Reason(row["reason"]) if row["reason"] in list(Reason) else None
            row["meaning"] = known.meaning if known else ""
            row["is_failure"] = known.is_failure if known else True
            row["examples"] = self.catalogue.rows(
                "SELECT category, source, path_text, detail FROM files "
                "WHERE outcome = 'refused' AND reason = ? LIMIT ?",
                [row["reason"], _EXAMPLES],
            )
        return counted

    def _verification(self) -> Document | None:
        path = self.place.layout.verification
        report = _tolerant(path)
        if not isinstance(report, dict):
            return None
        verdicts = [*report.get("hard", []), *report.get("soft", [])]
        checks = [
            {
                "check": name,
                "severity": severity,
                "asks": asks,
                "findings": sum(one.get("check") == name for one in verdicts),
            }
            for severity, named in report.get("checks", {}).items()
            for name, asks in named.items()
        ]
        return {
            # A copy was written when it was fetched.
            "at": _written_at(path) if self.place.kind == "workspace" else None,
            "passed": bool(report.get("passed")),
            "hard": len(report.get("hard", [])),
            "soft": len(report.get("soft", [])),
            "checks": checks,
            "verdicts": verdicts[:50],
        }

    def _storage(self) -> Document:
        root = self.place.layout.root
        kinds = [{"kind": kind, **_sizes(root / kind)} for kind in _KINDS]
        held = self.totals()
        pictures = {
            "kind": "pictures",
            "files": sum(row["accepted"] for row in held),
            "size_bytes": sum(row["size_bytes"] for row in held),
        }
        free = shutil.disk_usage(root) if root.exists() else None
        return {
            "kinds": [pictures, *(one for one in kinds if one["files"])],
            "free_bytes": free.free if free else None,
            "total_bytes": free.total if free else None,
        }

    def _cost(self, result: Document) -> Document | None:
        snapshot = result["freshness"]["snapshot"]
        config, prices = self.place.config, self._prices()
        if config is None or prices is None or not snapshot or not snapshot.get("size_bytes"):
            return None
        size = snapshot["size_bytes"]
        return {
            "url": config.publish_url,
            "size_bytes": size,
            "storage_month": prices.month(size),
            "one_download": prices.reading(snapshot["files"], size),
        }

    def _has_published(self) -> bool:
        """Whether a run says that it published something."""
        runs = self.runs()
        return any((run.get("stages", {}).get("publish") or {}).get("snapshot") for run in runs)

    def _prices(self) -> Prices | None:
        """Prices of the store that is published to; None without one, and where nothing is paid."""
        config = self.place.config
        if config is None or not config.publish_url:
            return None
        try:
            prices = prices_for(config.publish_url, config.s3_options)
        except NaturalistError:
            return None
        return prices if prices.storage_gb_month or prices.egress_gb else None

    def _consistency(self) -> Document | None:
        config = self.place.config
        if config is None or not config.publish_url:
            return None

        def look_up() -> Document | None:
            at = _now().isoformat(timespec="seconds")
            try:
                store = open_store(config.publish_url, config.s3_options)
                checked = check_published(store, quick=True)
            except NaturalistError as error:
                if isinstance(error, NotFound) and not self._has_published():
                    return None
                return {"at": at, "passed": None, "error": str(error)}
            return {
                "at": at,
                "snapshot": checked.snapshot,
                "passed": checked.passed,
                "files": checked.files,
                "size_bytes": checked.size_bytes,
                "findings": [vars(one) for one in checked.findings[:20]],
            }

        return self._remembered("consistency", _CONSISTENCY_FOR_S, look_up)

    def _issues(self) -> Document | None:
        path = self.place.layout.label_issues
        summary = _tolerant(path.with_suffix(".json"))
        if not path.exists():
            return None
        rows = summary.get("rows") if isinstance(summary, dict) else None
        try:
            counted = rows if isinstance(rows, int) else read_suspects(path).num_rows
        except NaturalistError:
            return None
        return {"rows": counted}

    def _model(self) -> Document | None:
        """How the champion does on a random split and on sources that were left out."""
        try:
            held = studies.models(self.place)
        except NaturalistError:
            return None
        for one in held["models"]:
            if one["id"] == held["champion"] and one.get("evaluation"):
                return {"id": one["id"], **accuracies(one["evaluation"])}
        return None

    def _thresholds(self) -> Any:
        from naturalist.config.dashboard import AlertsSection

        config = self.place.config
        return config.dashboard.alerts if config is not None else AlertsSection()

    def _remembered(self, name: str, for_s: float, look_up: Callable[[], T]) -> T:
        with self._lock:
            known = self._known.get(name)
            if known is None or time.monotonic() - known[0] > for_s:
                known = (time.monotonic(), look_up())
                self._known[name] = known
            value: T = known[1]
            return value


def accuracies(evaluation: Document) -> Document:
    """Balanced accuracies of an evaluation, and the gap between them; None where it has none."""

    def of(name: str) -> float | None:
        result = evaluation.get(name)
        value = result.get("balanced_accuracy") if isinstance(result, dict) else None
        return float(value) if isinstance(value, int | float) else None

    random, honest = of("random_split"), of("leave_one_source_out")
    gap = random - honest if random is not None and honest is not None else None
    return {"random_split": random, "new_sources": honest, "gap": gap}


def _tolerant(path: Path) -> Any:
    """A JSON file; None where there is none or it is damaged: one bad report hides no other."""
    try:
        return artifacts.read_json(path)
    except NaturalistError:
        return None


def _written_at(path: Path) -> str:
    at = dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC)
    return at.isoformat(timespec="seconds")


def _sizes(folder: Path) -> Document:
    files = size = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                size += (Path(parent) / name).lstat().st_size
            except FileNotFoundError:
                continue
            files += 1
    return {"files": files, "size_bytes": size}


def _aged(result: Document) -> Document:
    at = _time(result.get("at"))
    return result | {"age_s": (_now() - at).total_seconds() if at else None}


def _time(text: Any) -> dt.datetime | None:
    try:
        result = dt.datetime.fromisoformat(text)
    except (TypeError, ValueError):
        return None
    return result if result.tzinfo else result.replace(tzinfo=dt.UTC)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _scheduled(runs: list[Document], schedule: str, zone: dt.tzinfo) -> bool:
    """Whether one of the runs began when the schedule says: a schedule alone begins nothing."""
    if not schedule:
        return False
    for at in (_time(run.get("started_at")) for run in runs):
        due = cron.next_run(schedule, at.astimezone(zone) - _PUNCTUAL) if at else None
        if at and due and due <= at:
            return True
    return False
