"""The sections of `naturalist.toml` that a DAG file reads: `[airflow]` and `[analyse]`.

It imports nothing heavy, because Airflow reads a DAG file again and again, and must not load
networks and Arrow each time.
"""

import datetime as dt
import re
import zoneinfo
from collections.abc import Sequence
from typing import Annotated, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from naturalist.counting import counted

MAX_MAP_LENGTH = 100
"""Airflow's scheduler and its pages slow down badly beyond (its issues 45991 and 29959)."""

CRON_PRESETS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@quarterly": "0 0 1 */3 *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
"""What Airflow calls some cron expressions."""

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_CRON_FIELDS: tuple[tuple[str, int, int, Sequence[str], str], ...] = (
    ("minute", 0, 59, (), ""),
    ("hour", 0, 23, (), ""),
    ("day of the month", 1, 31, (), "l"),
    ("month", 1, 12, _MONTHS, ""),
    ("day of the week", 0, 7, _DAYS, r"(l[0-7]|([0-7]|" + "|".join(_DAYS) + r")#[1-5])"),
)
"""Name, range, names of its numbers, and what else may be there."""
_CRON_ITEM = re.compile(r"(?:(\*)|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?", re.ASCII)
_DAG_ID = re.compile(r"[\w.-]{1,250}")
_MAX_POOL_LETTERS = 256

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

    @field_validator("dag_id")
    @classmethod
    def _check_dag_id(cls, dag_id: str) -> str:
        if dag_id and not _DAG_ID.fullmatch(dag_id):
            raise ValueError(
                f"{dag_id!r} is not the id of a DAG: expected at most 250 letters, digits, '_', "
                "'-' and '.', such as naturalist_garden, or nothing"
            )
        return dag_id

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, expression: str) -> str:
        if expression and expression not in CRON_PRESETS and (wrong := _cron_fault(expression)):
            raise ValueError(
                f"{expression!r} is not a cron expression ({wrong}): expected five fields (minute, "
                "hour, day of the month, month, day of the week) such as '0 7 * * *', one of "
                f"{', '.join(CRON_PRESETS)}, or nothing"
            )
        return expression

    @field_validator("pool")
    @classmethod
    def _check_pool(cls, name: str) -> str:
        if not name.strip() or len(name) > _MAX_POOL_LETTERS:
            raise ValueError(
                f"{name!r} is not the name of an Airflow pool: expected 1 to {_MAX_POOL_LETTERS} "
                "characters, such as default_pool"
            )
        return name

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

    def id_for(self, collection: str) -> str:
        """Name of the DAG of a collection, whose name may have a letter that Airflow refuses."""
        return self.dag_id or f"naturalist_{collection.replace('+', '_')}"

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        """The time zone of the schedule and of `{ds}` in source paths."""
        return zoneinfo.ZoneInfo(self.time_zone)


def _cron_fault(expression: str) -> str:
    """What is wrong with a cron expression; empty if nothing is."""
    fields = expression.lower().split()
    if len(fields) != len(_CRON_FIELDS):
        return f"it has {counted(len(fields), 'field')}"
    for text, (name, least, most, names, special) in zip(fields, _CRON_FIELDS, strict=True):
        for item in text.split(","):
            is_special = special and re.fullmatch(special, item)
            if not is_special and not _is_cron_item(item, least, most, names):
                return f"{name}: {item!r} is not from {least} to {most}"
    return ""


def _is_cron_item(item: str, least: int, most: int, names: Sequence[str]) -> bool:
    match = _CRON_ITEM.fullmatch(item)
    if match is None:
        return False
    values = [value for value in match.group(2, 3) if value is not None]
    return all(
        value in names or (value.isdecimal() and least <= int(value) <= most) for value in values
    )
