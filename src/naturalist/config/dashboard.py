"""The section `[dashboard]` of `naturalist.toml`: where it listens, and when it raises an alert."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]
BASE_PATH = r"^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*/?$"
"""Segments of a path prefix; none starts with a dot, so that it leads nowhere else."""


class AlertsSection(BaseModel):
    """Thresholds; crossing one is an alert on the health page and in the metrics."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    run_age_h: Positive = 26.0
    """A day and two hours: a daily run that is late."""
    snapshot_age_h: Positive = 50.0
    refused_share: Share = 0.05
    duplicate_share: Share = 0.2
    conflict_share: Share = 0.01
    slow_run_factor: Positive = 3.0
    disk_free_gb: Positive = 5.0
    label_issue_share: Share = 0.05
    evaluation_gap: Share = 0.15


class DashboardSection(BaseModel):
    """Address of the dashboard, and limits of what it accepts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, strict=True)] = 8642
    """0 takes a free one."""
    base_path: Annotated[str, StringConstraints(pattern=BASE_PATH)] = ""
    """Path prefix below which a proxy shows the pages, such as /garden."""
    max_upload_mb: Positive = 20.0
    """Largest picture that may be dropped on a page to look for similar ones."""
    decode_timeout_s: Positive = 10.0
    """Longest time to decode one picture for a page."""
    alerts: AlertsSection = AlertsSection()
