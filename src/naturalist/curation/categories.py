"""Changes of categories that a person asks for: another name or label, retired, restored.

The configuration file is changed by one atomic write, and the workspace's memory of its categories
by a second. A command that was killed between the two is repeated.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from naturalist import categories
from naturalist.categories import Categories
from naturalist.config import CATEGORY_NAME, Config, load_config
from naturalist.config.editing import change_categories
from naturalist.errors import ConfigError
from naturalist.running import workspace


@dataclass(frozen=True)
class Change:
    """What a command changed.

    Attributes:
        categories: what the workspace remembers now.
        config_changed: whether the configuration file was written.
        changed: whether anything was.
    """

    categories: Categories
    config_changed: bool
    changed: bool


def listing(config: Config) -> list[dict[str, object]]:
    """Each category that the workspace remembers, with what it holds, as JSON values.

    Raises:
        WorkspaceError: nothing has been made yet.
    """
    workspace.reading(config.layout)
    return [
        {
            "name": one.name,
            "label": one.label,
            "key": one.key,
            "since": one.since,
            "retired_at": one.retired_at,
            "former_names": list(one.former_names),
            "holds": workspace.describe_category(config.layout, one.key),
        }
        for one in categories.read(config.layout).known
    ]


def rename(path: Path, old: str, new: str) -> Change:
    """Give a category another name; its pictures keep their ids.

    Raises:
        ConfigError: there is no such category, or the name cannot be used.
        WorkspaceLocked: another process is writing.
    """
    if not CATEGORY_NAME.fullmatch(new):
        raise ConfigError(f"{new!r}: start with a letter; use at most 64 letters, digits, _ and -")
    return _change(path, lambda known: categories.renamed(known, old, new), names={old: new})


def relabel(path: Path, labels: Mapping[str, int]) -> Change:
    """Give categories other labels; their tables are written again by the next run.

    Raises:
        ConfigError: there is no such category, or two would have the same label.
        WorkspaceLocked: another process is writing.
    """
    return _change(path, lambda known: categories.relabelled(known, labels), labels=labels)


def retire(path: Path, name: str) -> Change:
    """Leave a category out of everything from now on; nothing of it is deleted.

    Raises:
        ConfigError: there is no such category.
        WorkspaceLocked: another process is writing.
    """
    return _change(path, lambda known: categories.retired(known, name))


def restore(path: Path, name: str) -> Change:
    """Take a retired category back; the next run takes in what is new in its sources.

    Raises:
        ConfigError: there is no such category, or its label was given to another one.
        WorkspaceLocked: another process is writing.
    """
    return _change(path, lambda known: categories.restored(known, name))


def _change(
    path: Path,
    change: Callable[[Categories], Categories],
    names: Mapping[str, str] | None = None,
    labels: Mapping[str, int] | None = None,
) -> Change:
    config = load_config(path)
    workspace.reading(config.layout)
    with workspace.held(config.layout, config.name, config.image_roots):
        before = categories.read(config.layout)
        after = change(before)
        wrote = bool(names or labels) and change_categories(path, names or {}, labels or {})
        for key in _changed_tables(before, after):
            workspace.remove_tables(config.layout, key)
        if after != before:
            categories.write(config.layout, after)
    return Change(after, wrote, wrote or after != before)


def _changed_tables(before: Categories, after: Categories) -> list[str]:
    """Keys of categories whose tables no longer hold; the next run makes them again."""
    held = {one.key: (one.label, one.is_active) for one in before.known}
    return [one.key for one in after.known if (one.label, one.is_active) != held[one.key]]
