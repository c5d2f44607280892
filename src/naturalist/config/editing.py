"""Changing names and labels of categories in a person's `naturalist.toml`, comments kept."""

from collections.abc import Mapping
from pathlib import Path

import tomlkit
from tomlkit.exceptions import TOMLKitError

from naturalist import artifacts
from naturalist.config.reading import file_of, parse_config
from naturalist.errors import ConfigError


def change_categories(path: Path, names: Mapping[str, str], labels: Mapping[str, int]) -> bool:
    """Give categories other names and labels; what is so already stays as it is.

    Args:
        path: the file, or the folder that it is in.
        names: the new name of a category, by its current one.
        labels: the new label of a category, by the name that it has after `names`.

    Returns:
        Whether the file was changed.

    Raises:
        ConfigError: the file cannot be read, or could no longer be read with these.
        WorkspaceError: it cannot be written.
    """
    file = file_of(path)
    try:
        text = file.read_text("utf-8")
        document = tomlkit.parse(text)
    except (OSError, ValueError, TOMLKitError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    for section in document.get("category", []):
        name = names.get(section["name"], section["name"])
        if name != section["name"]:
            section["name"] = name
        if labels.get(name, section["label"]) != section["label"]:
            section["label"] = labels[name]
    for source in document.get("source", []):
        for label, name in source.get("categories", {}).items():
            if name in names:
                source["categories"][label] = names[name]
    changed = tomlkit.dumps(document)
    # Who comes here holds the lock of the workspace: a killed command may have left one.
    artifacts.remove_temporaries_of(file)
    if changed != text:
        _check_readable(file, changed)
        artifacts.write_bytes(file, changed.encode())
    return changed != text


def _check_readable(file: Path, text: str) -> None:
    try:
        parse_config(file, text)
    except ConfigError as error:
        raise ConfigError(f"with this change {error}\nNothing was changed") from error
