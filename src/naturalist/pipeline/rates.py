"""What was measured of time, bytes and memory for each picture: `rates.toml`, or a file like it."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from naturalist.errors import ConfigError
from naturalist.suggestions import choose_one_of

_MAY_BE_ZERO = ("bytes", "memory", "study_memory_mb", "study_memory_bytes")


@dataclass(frozen=True)
class Rates:
    """What was measured; the sections of `rates.toml`."""

    divided: Mapping[str, float]
    undivided: Mapping[str, float]
    studies: Mapping[str, float]
    growth: Mapping[str, float]
    bytes: Mapping[str, float]
    memory: Mapping[str, float]
    study_memory_mb: Mapping[str, float]
    study_memory_bytes: Mapping[str, float]
    machines: Mapping[str, float]
    origin: str = "the built-in rates"

    def with_hour(self, price: float) -> "Rates":
        """The same rates with another price of a machine for an hour.

        Raises:
            ConfigError: it is less than nothing, or no number.
        """
        if not 0 <= price < math.inf:
            raise ConfigError(f"--machine-hour is {price}: expected a price of at least 0")
        return replace(self, machines=dict(self.machines) | {"hour": price})


def load_rates(path: Path | None = None) -> Rates:
    """Read a file of rates, or the built-in one if the path is None.

    Raises:
        ConfigError: it cannot be read, or a number is missing, unknown or not above zero.
    """
    standard = resources.files(__package__).joinpath("rates.toml").read_text("utf-8")
    if path is None:
        return Rates(**tomllib.loads(standard))
    try:
        result = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"the rates in {path} cannot be read: {error}") from error
    _check(path, result, tomllib.loads(standard))
    return Rates(**result, origin=str(path))


def _check(path: Path, result: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for section, numbers in expected.items():
        mine = result.get(section)
        if not isinstance(mine, dict) or set(mine) != set(numbers):
            raise ConfigError(
                f"{path}: the section [{section}] must have {', '.join(numbers)}, each once"
            )
        for name, value in mine.items():
            may_be_zero = section in _MAY_BE_ZERO or name == "hour"
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value < math.inf or (value == 0 and not may_be_zero):
                raise ConfigError(
                    f"{path}: {section}.{name} is {value!r}: expected a number above 0"
                )
    if unknown := sorted(set(result) - set(expected)):
        advice = choose_one_of(unknown[0], expected)
        raise ConfigError(f"{path}: there is no section [{unknown[0]}]: {advice}")
