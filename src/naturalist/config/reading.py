"""Reading `naturalist.toml`, with errors that name the line's setting and what is allowed."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from naturalist.config.explaining import explain, explain_arguments, explain_syntax
from naturalist.config.models import Config
from naturalist.errors import ConfigError
from naturalist.stages.ingest.options import Mode, Source
from naturalist.stores.opening import folder_of
from naturalist.stores.remote import RemoteFolder

CONFIG_NAME = "naturalist.toml"


def file_of(path: Path) -> Path:
    """The configuration file that a path stands for; a folder has it under its usual name."""
    return path / CONFIG_NAME if path.is_dir() else path


def load_config(path: Path) -> Config:
    """Read a configuration; a folder stands for the `naturalist.toml` in it.

    Raises:
        ConfigError: the file is missing, is no TOML, or says something that is not allowed.
    """
    text = _text_of(path)
    path = file_of(path)
    config = parse_config(path, text)
    config.in_folder(path.resolve().parent)
    try:
        _check_apart(config)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error
    # What the workspace remembers was read after the file; a rename changes the file first.
    return config if _text_of(path) == text else load_config(path)


def check_new(path: Path, text: str, options: Mapping[str, str]) -> None:
    """Find out whether a configuration that is not written yet could be loaded.

    Args:
        path: the file that it is for.
        text: what is to be in it.
        options: see `explain_arguments`.

    Raises:
        ConfigError: it says something that is not allowed.
    """
    try:
        config = Config.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise ConfigError(explain_arguments(text, Config, error, options)) from error
    # What is wrong has no file yet to be named by.
    _check_apart(config.in_folder(path.resolve().parent))


def _check_apart(config: Config) -> None:
    """Refuse folders that are in each other's way."""
    _check_written_apart(config)
    _check_categories_apart(config)


def _text_of(path: Path) -> str:
    try:
        path = file_of(path)
        return path.read_text("utf-8")
    except FileNotFoundError as error:
        if re.match(r"[a-z0-9]+:/", str(path)):
            raise ConfigError(
                f"{path} is a URL, and this needs the folder of a workspace: to look at a "
                "published collection, use `naturalist pull`, or `naturalist dashboard --from`"
            ) from error
        # Imported here because every command reads a configuration, and few fail.
        from naturalist.consume.folder import is_pulled

        if is_pulled(str(path.parent)):
            raise ConfigError(
                f"{path.parent} is a pulled collection, and this needs the folder of a "
                f"workspace: look at it with `naturalist dashboard --from {path.parent}`, or in "
                f'Python with naturalist.open("{path.parent}")'
            ) from error
        raise ConfigError(
            f"{path} does not exist: create it with `naturalist init DIR PICTURES...`, or name "
            "yours with -c FILE"
        ) from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def parse_config(path: Path, text: str) -> Config:
    """The settings that a text holds; relative paths are left as they are.

    Args:
        path: the file that the text is of, for messages.
        text: TOML.

    Raises:
        ConfigError: it is no TOML, or says something that is not allowed.
    """
    try:
        return Config.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(explain_syntax(path, text, error)) from error
    except ValidationError as error:
        raise ConfigError(explain(path, text, Config, error)) from error


def _check_categories_apart(config: Config) -> None:
    """The same files in two categories are conflicts, every one, and in no table."""
    named = [(source, _resolved(source)) for source in config.sources]
    by_place: dict[str, Source] = {}
    for source, place in sorted(named, key=lambda one: (one[1], one[0].category)):
        for outer in _places_around(place):
            other = by_place.get(outer)
            is_shared = (
                other is not None
                and other.routing is not None
                and (other.routing == source.routing)
            )
            if other is not None and other.category != source.category and not is_shared:
                _refuse_shared(config.names, other, source, is_same=outer == place)
        by_place.setdefault(place, source)


def _resolved(source: Source) -> str:
    return source.path.url if isinstance(source.path, RemoteFolder) else str(source.path.resolve())


def _places_around(place: str) -> list[str]:
    """A place, and every folder that it is in."""
    steps = place.split("/")
    return ["/".join(steps[:k]) or "/" for k in range(len(steps), 0, -1)]


def _refuse_shared(
    names: Mapping[str, str], outer: Source, inner: Source, *, is_same: bool
) -> None:
    """Refuse two sources that share files, unless their patterns may keep them apart."""
    has_patterns = [bool(one.selection.include or one.selection.exclude) for one in (outer, inner)]
    if all(has_patterns) or (has_patterns[0] and not is_same):
        return
    first, second = (f"{one.name!r} of category {names[one.category]!r}" for one in (outer, inner))
    raise ConfigError(
        f"sources {first} and {second} share files: {inner.path} "
        f"{'is the path of both' if is_same else f'is in {outer.path}'}. Each of them would be "
        "in conflict, and in no table: correct a path, or tell the files apart by include and "
        f"exclude of {'both sources' if is_same else f'source {outer.name!r}'}"
    )


def _check_written_apart(config: Config) -> None:
    """Or the pictures that a run places would be taken for new ones by the next."""
    layout = config.layout
    roots = [layout.image_root(root) for root in config.image_roots]
    written = [layout.root, *roots]
    target = folder_of(config.publish_url) if config.publish_url else None
    if target is not None:
        _check_target(config, target, roots)
        written.append(target)
    for source in config.sources:
        if isinstance(source.path, RemoteFolder):
            _check_remote_apart(source, source.path, config)
            continue
        for folder in written:
            if folder.resolve().is_relative_to(source.path.resolve()):
                raise ConfigError(
                    f"source {source.name!r} of category {source.category!r} is "
                    f"{source.path}, and {folder}, where naturalist writes, is in it: keep "
                    "workspace, image roots and publish.url out of all sources"
                )


def _check_target(config: Config, target: Path, roots: Sequence[Path]) -> None:
    """Or published files would lie among pictures, or be taken for those of the workspace."""
    layout, folder = config.layout, target.resolve()
    held = [f"image root {root}" for root in roots if root.resolve().is_relative_to(folder)]
    held += [
        f"source {source.name!r}, {source.path},"
        for source in config.sources
        if isinstance(source.path, Path) and source.path.resolve().is_relative_to(folder)
    ]
    taken = [f"the workspace {layout.root} keeps its own files"] if layout.is_own(folder) else []
    taken += [f"{one} lies" for one in held]
    taken += [f"{root} keeps pictures" for root in roots if folder.is_relative_to(root.resolve())]
    if taken:
        raise ConfigError(
            f"publish.url is {target}, where {taken[0]}: publish to a folder that holds "
            f"nothing else, such as {layout.root / 'published'}"
        )


def _check_remote_apart(source: Source, folder: RemoteFolder, config: Config) -> None:
    written = {"publish.url": config.publish_url, "executor.exchange": config.executor.exchange}
    for setting, url in written.items():
        if f"{url}/".startswith(f"{folder.url}/"):
            raise ConfigError(
                f"source {source.name!r} of category {source.category!r} is {folder}, and "
                f"{setting}, {url}, is in it: take another prefix"
            )
    if config.images.mode is Mode.MOVE:
        raise ConfigError(
            f"source {source.name!r} of category {source.category!r} is in a bucket, and "
            'nothing is moved out of buckets: choose images.mode = "reference" (pictures stay '
            'there) or "copy"'
        )
