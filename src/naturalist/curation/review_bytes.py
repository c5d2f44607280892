"""Having the bytes of reviewed pictures where placing expects them, before all is written down."""

import contextlib
import hashlib
import os
from collections.abc import Sequence
from typing import Any

from naturalist import artifacts
from naturalist.config import Config
from naturalist.errors import ConfigError, PictureError
from naturalist.images import EXTENSIONS
from naturalist.layout import pic_number
from naturalist.stages.ingest.examine import ExamineTask, examine
from naturalist.stages.ingest.listing import Entry
from naturalist.stages.ingest.resolve import Resolution
from naturalist.stages.ingest.roots import RootChooser
from naturalist.stages.pictures import Location, path_in_source, read_in_source, read_picture
from naturalist.stores.remote import RemoteFolder

Row = dict[str, Any]


def fetch(config: Config, resolutions: Sequence[Resolution]) -> None:
    """Have the bytes of every new picture where placing expects them, before it is written down."""
    for one in resolutions:
        for made, base in one.moved:
            roots = config.ingest_options.roots_of(made["category"])
            made["image_root"] = base["image_root"] if base["image_root"] in roots else roots[0]
            _copy(config, made, base)
    coming = [row for one in resolutions for row in one.placed]
    if not coming:
        return
    sources = {(s.category, s.name): s for s in config.known_sources}
    _require_sources(coming, set(sources))
    chooser = RootChooser(config.layout, list(sources.values()), config.ingest_options)
    _stage_members(config, coming, sources)
    for row in coming:
        staged = b"\0" in row["path"]
        row["image_root"] = chooser(row["category"], row | {"staged": staged})
        if not staged:
            _require_bytes(config, row, sources[_source(row)].path)


def _source(row: Row) -> tuple[str, str]:
    return row["category"], row["source"]


def _require_sources(rows: Sequence[Row], known: set[tuple[str, str]]) -> None:
    for row in rows:
        if _source(row) not in known:
            raise ConfigError(
                f"{file_of(row)} must be read from its source, which is no longer in the "
                "configuration: restore the source. Nothing was changed"
            )


def _require_bytes(config: Config, row: Row, source: Location) -> None:
    with contextlib.suppress(PictureError):
        if hashlib.sha256(read_in_source(config.layout, source, row)).digest() == row["sha256"]:
            return
    raise ConfigError(
        f"{file_of(row)} is missing from its source or has changed: restore it, or decide "
        "otherwise. Nothing was changed"
    )


def _copy(config: Config, made: Row, base: Row) -> None:
    """Put the bytes of a picture also where its new id says; a repetition does no harm."""
    source = config.source_paths.get(base["category"], {}).get(base["source"])
    try:
        data = read_picture(config.layout, source, base)
    except PictureError as error:
        raise ConfigError(
            f"the bytes of {base['pic_id']} cannot be read ({error}): find and repair the damage "
            "with `naturalist verify` first. Nothing was changed"
        ) from error
    layout, root = config.layout, made["image_root"]
    number, extension = pic_number(made["pic_id"]), EXTENSIONS[made["format"]]
    target = layout.picture(root, made["category"], number, extension)
    incoming = layout.incoming(root)
    with artifacts.storage_errors(str(target)):
        incoming.mkdir(parents=True, exist_ok=True)
        artifacts.make_folder(target.parent)
        temporary = incoming / f"{target.name}.{os.getpid()}{artifacts.TEMPORARY_SUFFIX}"
        temporary.write_bytes(data)
        artifacts.sync(temporary)
        temporary.replace(target)
        artifacts.sync(target.parent)


def _stage_members(
    config: Config, rows: Sequence[Row], sources: dict[tuple[str, str], Any]
) -> None:
    """Unpack the archives that hold some of the pictures again."""
    expected = {
        (*_source(row), row["path"].partition(b"\0")[0]) for row in rows if b"\0" in row["path"]
    }
    for category, name, archive in sorted(expected):
        source = sources[category, name]
        if isinstance(source.path, RemoteFolder):
            raise ConfigError(
                f"a picture of source {name!r} is in an archive in a bucket, which cannot be "
                "unpacked again: decide for the other category. Nothing was changed"
            )
        path = path_in_source(source.path, archive)
        with artifacts.storage_errors(str(path)):
            status = path.stat()
        entry = Entry(archive, status.st_size, status.st_mtime_ns)
        task = ExamineTask(config.layout.root, source, (entry,), config.ingest_options.limits)
        task.findings.unlink(missing_ok=True)
        examine(task)
    for row in rows:
        staged = config.layout.staging / row["sha256"].hex()
        if b"\0" in row["path"] and not staged.exists():
            raise ConfigError(
                f"{file_of(row)} is no longer in its archive: restore the archive, or decide "
                "otherwise. Nothing was changed"
            )


def file_of(row: Row) -> str:
    """A file of the ledger for people: category/source/path."""
    return f"{row['category']}/{row['source']}/{row['path_text']}"
