"""Reading `naturalist.toml`, with errors that name the line's setting and what is allowed."""

import tomllib
from pathlib import Path

from pydantic import ValidationError

from naturalist.config.models import Config
from naturalist.errors import ConfigError

CONFIG_NAME = "naturalist.toml"


def load_config(path: Path) -> Config:
    """Read a configuration; a folder stands for the `naturalist.toml` in it.

    Raises:
        ConfigError: the file is missing, is no TOML, or says something that is not allowed.
    """
    path = path / CONFIG_NAME if path.is_dir() else path
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise ConfigError(
            f"there is no {path}: make one with  naturalist init DIR --category NAME=LABEL:SOURCE "
            "(once for each category), or name yours with  -c FILE"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        config = Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    except ValidationError as error:
        raise ConfigError(_explain(path, error)) from error
    return config.in_folder(path.resolve().parent)


def _explain(path: Path, error: ValidationError) -> str:
    lines = [f"{path} has {error.error_count()} mistake(s):"]
    for one in error.errors():
        where = ".".join(str(part) for part in one["loc"]) or "the file as a whole"
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "extra_forbidden":
            message = "there is no such setting"
        lines.append(f"  {where}: {message}")
    return "\n".join(lines)
