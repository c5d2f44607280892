"""The sections of `naturalist.toml` that a DAG file reads: `[airflow]` and `[analyse]`.

It imports nothing heavy, because Airflow reads a DAG file again and again, and must not load
networks and Arrow each time.
"""

import datetime as dt
import re
import zoneinfo
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MAX_MAP_LENGTH = 100
"""Airflow's scheduler and its pages slow down badly beyond (its issues 45991 and 29959)."""

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

Seconds = Annotated[int, Field(gt=0)]

AnalysisStep = Literal["duplicates", "index", "clusters", "words", "map", "classifier", "drift"]
ANALYSIS_STEPS: tuple[AnalysisStep, ...] = get_args(AnalysisStep)
"""Every study that can be part of a run, in the order in which they are done."""


class AnalyseSection(BaseModel):
    """What is made of the tables when they are verified, before they are published."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: tuple[AnalysisStep, ...] = ()

    @property
    def in_order(self) -> tuple[AnalysisStep, ...]:
        """The steps in the order in which they are done, each once."""
        return tuple(name for name in ANALYSIS_STEPS if name in self.steps)


class AirflowSection(BaseModel):
    """Schedule, retries, limits and messages of the DAG."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dag_id: str = ""
    """Empty: `naturalist_` and the collection's name."""
    schedule: str = "0 7 * * *"
    """A cron expression; empty runs only when asked."""
    time_zone: str = "UTC"
    start_date: dt.date | None = None
    """First day; needed for catching up, and otherwise the day of unpausing."""
    catchup: Annotated[bool, Field(strict=True)] = False
    retries: Annotated[int, Field(ge=0)] = 3
    retry_delay_s: Seconds = 60
    max_retry_delay_s: Seconds = 900
    task_timeout_s: Seconds = 6 * 3600
    run_timeout_s: Seconds = 23 * 3600
    pool: str = "default_pool"
    max_map_length: Annotated[int, Field(gt=0, le=1000)] = MAX_MAP_LENGTH
    single_task_pictures: Annotated[int, Field(ge=0)] = 10_000
    """Most pictures that one task does alone, for what a task costs; 0 always shares the work."""
    workers_per_task: Annotated[int, Field(ge=0)] = 1
    """Worker processes of a task over a group of shards; Airflow runs many such tasks."""
    python: str = ""
    """Python of the environment that has naturalist, where that is not Airflow's own."""
    wait_s: Annotated[int, Field(ge=0)] = 600
    """How long a task waits for somebody else who writes to the workspace."""
    lease_s: Seconds = 900
    """How long the workspace stays with a run that gives no sign of life."""
    email: tuple[str, ...] = ()
    smtp_connection: str = "smtp_default"
    webhook_connection: str = ""
    """An Airflow connection of type HTTP; gets a POST when a run fails."""
    reports_url: str = ""
    """Where people can read the folder `reports` in a browser."""
    analysis: tuple[str, ...] = ()
    """`module:function`, each called with the path of the configuration, after publishing."""
    owner: str = "naturalist"
    tags: tuple[str, ...] = ("naturalist",)

    @field_validator("time_zone")
    @classmethod
    def _check_time_zone(cls, name: str) -> str:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"{name!r} is not a time zone: expected a name such as Europe/Athens"
            ) from error
        return name

    @field_validator("analysis")
    @classmethod
    def _check_functions(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not _FUNCTION.fullmatch(name):
                raise ValueError(
                    f"{name!r}: expected module:function, such as my_package.maps:update"
                )
        return names

    @model_validator(mode="after")
    def _check_start(self) -> Self:
        if self.catchup and self.start_date is None:
            raise ValueError("catchup needs start_date: set it to the first day to catch up with")
        return self

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone of the schedule and of `{ds}` in source paths."""
        return zoneinfo.ZoneInfo(self.time_zone)
