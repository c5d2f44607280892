"""Writing a commented `naturalist.toml` for `naturalist init`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from naturalist import artifacts, backbones
from naturalist.config import patterns
from naturalist.config.commented import with_every_setting
from naturalist.config.models import Config
from naturalist.config.reading import CONFIG_NAME, check_new
from naturalist.config.s3 import S3Section
from naturalist.errors import ConfigError
from naturalist.stores.opening import check_slashes, without_scheme


@dataclass(frozen=True)
class NewSource:
    """A source to write.

    Attributes:
        location: a path, with or without wildcards, or the URL of a bucket.
        name: its name; empty makes one from the location.
        origin: where the data set comes from.
        licence: its licence.
        include: patterns of the files to take; empty for all.
        exclude: patterns of files to leave out.
        hints: lines of TOML that are written as comments.
    """

    location: Path | str
    name: str = ""
    origin: str = ""
    licence: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()


@dataclass(frozen=True)
class NewCategory:
    """A category to write; a source that is only a path is one without more to say."""

    name: str
    label: int
    sources: tuple[NewSource | Path, ...]


def write_config(
    folder: Path,
    categories: Sequence[NewCategory],
    publish: str,
    name: str,
    backbone: str,
    s3: S3Section | None = None,
    options: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the configuration of a new collection; where that is refused, nothing is written.

    Args:
        folder: where to.
        categories: categories and their sources.
        publish: URL to publish to; may be empty.
        name: of the collection; the folder's if empty.
        backbone: network for the features.
        s3: how sources in buckets are reached, where that is not as usual.
        options: those of the command line that settings come from, for messages: see
            `explaining.explain_arguments`.

    Raises:
        ConfigError: an argument is wrong, or there is a configuration already.
        WorkspaceError: the folder cannot be made or written to.
    """
    path = check_is_free(folder)
    check_slashes(publish)
    if publish and "://" not in publish:
        publish = str(expanded(publish).resolve())
    selected = name or source_names([folder.resolve()])[0]
    text = _as_text(render_config(selected, categories, publish, backbone, s3))
    with artifacts.storage_errors(str(path)):
        check_new(path, text, options)
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return path


def check_is_free(folder: Path) -> Path:
    """Return the file of a new configuration in a folder, which need not exist.

    Raises:
        ConfigError: there is a configuration already.
        WorkspaceError: the folder cannot be looked at.
    """
    path = folder / CONFIG_NAME
    with artifacts.storage_errors(str(path)):
        if path.exists():
            raise ConfigError(f"{path} already exists: edit it, or choose another folder")
    return path


def _s3(section: S3Section) -> str:
    changed = section.model_dump(exclude_defaults=True)
    if not changed:
        return ""
    lines = [f"{key} = {json.dumps(value)}" for key, value in changed.items()]
    return "\n".join(
        ["\n[s3]                       # how sources in buckets are reached", *lines, ""]
    )


def _as_text(config: str) -> str:
    try:
        config.encode()
    except UnicodeEncodeError as error:
        near = config[config.rfind("\n", 0, error.start) + 1 : error.end]
        raise ConfigError(
            f"this name is not valid UTF-8, which a configuration requires: {near.strip()!a} "
            "...: rename the folder, or use a link to it"
        ) from error
    return config


def expanded(path: str) -> Path:
    """A path with `~` replaced.

    Raises:
        ConfigError: there is no such home folder.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{path}: no such home folder") from error


def render_config(
    name: str,
    categories: Sequence[NewCategory],
    publish_url: str = "",
    backbone: str = backbones.DEFAULT,
    s3: S3Section | None = None,
) -> str:
    """Write the text of a configuration; every setting is there with its default.

    What most collections change has a comment; the rest is commented out.
    """
    defaults = Config.model_construct(name=name, category=())
    limits = defaults.limits
    sections = "\n".join(_category(category) for category in categories)
    text = _TEMPLATE.format(
        name=_quoted(name),
        categories=sections,
        publish_url=_quoted(publish_url),
        backbone=_quoted(backbone),
        budget=defaults.failure_budget,
        withdrawal_budget=defaults.withdrawal_budget,
        mode=_quoted(defaults.images.mode.value),
        limits="\n".join(
            f"{key} = {json.dumps(value)}" for key, value in limits.model_dump().items()
        ),
        shard_size=defaults.extract.shard_size,
        rows_per_table=defaults.tables.rows_per_table,
        sample_share=defaults.verify.sample_share,
    )
    return with_every_setting(text + _s3(s3 or S3Section()))


def _quoted(text: str) -> str:
    # A JSON string without surrogates is a TOML basic string, but for this one character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _category(category: NewCategory) -> str:
    head = f"[[category]]\nname = {_quoted(category.name)}\nlabel = {category.label}\n"
    sections = [one if isinstance(one, NewSource) else NewSource(one) for one in category.sources]
    made = source_names([_bare(source.location) for source in sections])
    sources = [
        _source(source, source.name or name) for source, name in zip(sections, made, strict=True)
    ]
    return "\n".join([head, *sources])


def _source(source: NewSource, name: str) -> str:
    lines = [
        "  [[category.source]]",
        f"  name = {_quoted(name)}",
        f"  path = {_quoted(str(source.location))}",
        f"  origin = {_quoted(source.origin)}   # where the data set comes from",
        f"  licence = {_quoted(source.licence)}  # its licence, for the data card",
        *(
            f"  {key} = [{', '.join(map(_quoted, globs))}]"
            for key, globs in (("include", source.include), ("exclude", source.exclude))
            if globs
        ),
        *(f"  # {hint}" for hint in source.hints),
    ]
    return "\n".join(lines) + "\n"


def _bare(location: Path | str) -> Path:
    """A location without scheme and wildcards, to make a name of."""
    if isinstance(location, Path) and location.exists():
        return location
    parts = Path(without_scheme(str(location))).parts
    return Path(*[part for part in parts if not patterns.has_wildcards(part)] or ["source"])


def source_names(paths: Sequence[Path]) -> list[str]:
    """Name sources after their last path components, as many as it takes to tell them apart."""
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        names = [_clean("-".join(path.parts[-depth:])) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [f"{_clean(path.name)[:90]}-{i}" for i, path in enumerate(paths, start=1)]


def _clean(text: str) -> str:
    cleaned = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-._+")
    return cleaned[-100:].lstrip("-._+") or "source"


_TEMPLATE = """\
# One collection of pictures, for naturalist. Paths are relative to this file's folder.
# Settings that few collections change are comments that show the default. docs/configuration.md
# explains each setting, and has a few rare ones that are not in this file.
format = 1
name = {name}
workspace = "."            # where pictures, ledger, features and tables are kept

# A run in which more than this share of the new pictures cannot be used fails (exit code 3),
# after finishing what it can.
failure_budget = {budget}

# A run that would take more than this share of a category out of the tables (the same bytes in
# another category: a wrong path?) stops before it changes anything.
withdrawal_budget = {withdrawal_budget}

# A source is a folder (of any depth) or an archive (zip, 7z, tar, tar.gz, tar.xz, tar.zst ...).
# exclude = ["masks", "*_seg.png"] leaves files of a source out, include = [...] takes only those.
# Keep a source's name: known files are recognised by it. A path may have * ? [...] and {{ds}}
# (a day, as 2026-11-24): "incoming/{{ds}}/plant" is a source for each day up to the run's.
#
# [[source]] with path, category_from = "species", [source.categories] with owl = "animal", and
# folders or [[source.metadata]] feeds several categories by labels (docs/metadata.md).
{categories}
[images]
mode = {mode}              # auto (clone, or else hard link) | hardlink | copy | move | reference
roots = ["images"]         # one or more folders, on as many drives

[ingest]
files_per_batch = 100000   # memory follows this, not the number of files
removed = "keep"           # keep | retire (out of the tables) pictures whose files were removed

[extract]
backbone = {backbone}
shard_size = {shard_size}          # pictures in one unit of work
workers = 0                # processes; 0 is one for each core

[verify]
sample_share = {sample_share}       # share of the pictures that is extracted again and compared

[tables]
rows_per_table = {rows_per_table}
csv = true                 # false leaves the CSV files out, three quarters of the tables' bytes

# [analyse]                # studies that each run brings up to date; most need the extra analysis
# steps = ["duplicates", "index", "clusters", "words", "map", "classifier", "drift"]

[publish]
url = {publish_url}                   # a folder or s3://bucket/prefix; empty publishes nothing
pictures = "none"          # none | tars (WebDataset) | objects (one by one)
keep_metadata = false      # publish EXIF, GPS and comments of pictures too
thumbnails = true          # publish previews: thumbnails, perceptual hashes, quality
endpoint_url = ""          # for MinIO, Ceph, R2, SeaweedFS; empty is AWS
region = ""

[airflow]                  # read by Airflow only; see docs/airflow.md
schedule = "0 7 * * *"     # cron; empty runs only when asked
time_zone = "UTC"          # of the schedule, and of {{ds}} in source paths
retries = 3
pool = "default_pool"      # an Airflow pool; its slots limit how many tasks run at once
email = []                 # who is notified of a failed run, by the connection smtp_default
webhook_connection = ""    # an Airflow connection of type HTTP that is notified of it too
reports_url = ""           # where people can read the folder reports; for links in Airflow

[limits]                   # what is refused; every refusal names its limit
{limits}
"""
