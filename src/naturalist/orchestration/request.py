"""What one run was asked for, as it travels from Airflow's templates to the tasks."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from naturalist.config import Config, load_config
from naturalist.errors import ConfigError

_WORDS = {"true": True, "1": True, "false": False, "0": False, "": False, "none": False}


@dataclass(frozen=True)
class Request:
    """One run of one collection.

    Attributes:
        config_path: the collection's `naturalist.toml`.
        run: name of the run; the workspace belongs to it until it ends.
        at: when the run was due (ISO 8601), or the day that was asked for (`2026-11-24`).
        new_images: a folder with a folder for each category, to be taken in instead of the
            configured sources; empty for those.
        dry_run: tell what would be done.
        rescan: examine known files again too.
        accept_failures: go on although the failure budget is exceeded.
    """

    config_path: str
    run: str
    at: str = ""
    new_images: str = ""
    dry_run: bool = False
    rescan: bool = False
    accept_failures: bool = False

    @classmethod
    def of(cls, rendered: Mapping[str, str]) -> "Request":
        """A request from rendered templates, where everything is text.

        Raises:
            ConfigError: a value is not what it should be.
        """
        return cls(
            config_path=rendered["config_path"],
            run=rendered["run"],
            at=rendered["at"],
            new_images=rendered["new_images"],
            dry_run=_truth("dry_run", rendered["dry_run"]),
            rescan=_truth("rescan", rendered["rescan"]),
            accept_failures=_truth("accept_failures", rendered["accept_failures"]),
        )

    def config(self) -> Config:
        """The configuration, with the sources that this run looks through.

        Raises:
            ConfigError: the configuration or the request is wrong.
        """
        config = load_config(Path(self.config_path))
        day = _day(self.at, config.airflow.zone)
        return config.on_day(day, self.new_images)


def _truth(key: str, text: str) -> bool:
    try:
        return _WORDS[str(text).strip().lower()]
    except KeyError as error:
        raise ConfigError(f"{key} is {text!r}: expected true or false") from error


def _day(at: str, zone: ZoneInfo) -> dt.date | None:
    if not at:
        return None
    try:
        moment = dt.datetime.fromisoformat(at)
    except ValueError as error:
        raise ConfigError(f"{at!r} is not a date: expected one such as 2026-11-24") from error
    return moment.astimezone(zone).date() if moment.tzinfo else moment.date()
