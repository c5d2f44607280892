"""Opening a workspace: one writer at a time, the format version, the drives, and tidying up."""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from naturalist import __version__, artifacts, categories, ledger, seals, small_files
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import SourceError, WorkspaceError, WorkspaceFormatError
from naturalist.layout import Layout
from naturalist.running import lock
from naturalist.running.lock import Claim

FORMAT = 1


@contextlib.contextmanager
def writing(config: Config, claim: Claim | None = None, *, keeps: bool = False) -> Iterator[None]:
    """Hold the workspace as its one writer, or as one process of a run; makes it if there is none.

    Without a claim the process is a run by itself. Before anything else is changed, the categories
    of the configuration are compared with those that the workspace remembers.

    Args:
        config: the collection.
        claim: of the run that the process belongs to.
        keeps: take small files as a run before read them, and keep what is read (`small_files`).

    Raises:
        ConfigError: a category was removed, renamed or relabelled in the configuration.
        WorkspaceLocked: another process or run is writing.
        WorkspaceFormatError: the workspace was made by another format of the program.
        SourceError: an image root that was there before is gone.
        WorkspaceError: a file of the ledger is gone, or another command changed a category after
            the configuration was read.
    """
    labels = {section.name: section.label for section in config.category}
    with held(config.layout, config.name, config.image_roots, claim, keeps=keeps):
        _check_categories_unchanged(config)
        _remember_categories(config.layout, labels)
        yield


@contextlib.contextmanager
def held(
    layout: Layout,
    name: str,
    image_roots: Sequence[str],
    claim: Claim | None = None,
    *,
    keeps: bool = False,
) -> Iterator[None]:
    """Hold the workspace without a look at categories; for commands that change those.

    Raises:
        As `writing`, but for ConfigError.
    """
    claim = claim or Claim()
    with artifacts.storage_errors(str(layout.root)):
        artifacts.make_folder(layout.root)
    kept = small_files.kept(layout.root, layout.read_before) if keeps else contextlib.nullcontext()
    with lock.held(layout, claim), kept:
        _check_marker(layout, name, image_roots)
        killed = layout.unsealed.exists()
        if not claim.shared:
            _tidy(layout, image_roots)
            # Whoever reads tables/*/*.parquet himself must not find them.
            for key in categories.read(layout).retired_keys:
                remove_tables(layout, key)
            if not layout.pending.exists():
                ledger.check_whole(layout)
        layout.scratch.mkdir(exist_ok=True)
        try:
            # Processes that share a workspace make features only.
            with contextlib.nullcontext() if claim.shared else seals.kept(layout, killed):
                yield
        finally:
            if not claim.shared:
                shutil.rmtree(layout.scratch, ignore_errors=True)


def _check_marker(layout: Layout, name: str, image_roots: Sequence[str]) -> None:
    marker = artifacts.read_json(layout.marker)
    if marker is None:
        marker = {"format": FORMAT, "name": name, "made_by": __version__, "image_roots": []}
    _check_format(layout, marker)
    known = set(marker["image_roots"])
    for root in known:
        _check_root(layout.image_root_marker(root))
    for root in set(image_roots) - known:
        with artifacts.storage_errors(f"image root {root}"):
            # Before the workspace says that it was there: without it the root counts as gone.
            artifacts.make_folder(layout.image_root(root))
            layout.image_root_marker(root).touch()
            artifacts.sync(layout.image_root(root))
    roots = sorted(known | set(image_roots))
    if roots != marker["image_roots"] or not layout.marker.exists():
        artifacts.write_json(layout.marker, marker | {"image_roots": roots})


def remove_tables(layout: Layout, key: str) -> None:
    """Remove the tables of a category; they follow from what is kept."""
    shutil.rmtree(layout.tables / key, ignore_errors=True)


def _check_categories_unchanged(config: Config) -> None:
    # A command that changes a category may have held the lock that this one waited for.
    changed = categories.changed_between(config.remembered, categories.read(config.layout))
    if changed:
        raise WorkspaceError(
            f"another command changed {', '.join(changed)} in {config.layout.root} after this "
            "command had read the categories: run it again (restart a dashboard or a program). "
            "Nothing was changed"
        )


def _remember_categories(layout: Layout, labels: Mapping[str, int]) -> None:
    known = categories.read(layout)
    now = categories.reconcile(
        known,
        labels,
        lambda key: categories.has_pictures(layout, key),
        lambda key: describe_category(layout, key),
    )
    marker = artifacts.read_json(layout.marker)
    if marker | categories.in_marker(now) != marker:
        categories.write(layout, now)


def describe_category(layout: Layout, key: str) -> str:
    """What a workspace holds of a category, in words."""
    accepted = sum(one.accepted for one in ledger.counts(layout, key).values())
    tables = len(list((layout.tables / key).glob("*.parquet")))
    parts = [counted(accepted, "accepted picture"), counted(tables, "table")]
    models = len([path for path in layout.models.glob("*") if path.is_dir()])
    if models:
        parts.append(f"{models:,} classifiers were trained on this workspace")
    return ", ".join(parts)


def _check_format(layout: Layout, marker: Any) -> None:
    result = marker.get("format") if isinstance(marker, dict) else None
    if not isinstance(result, int):
        raise WorkspaceFormatError(
            f"{layout.marker} was not written by naturalist: restore the file, or choose another "
            "folder for the workspace"
        )
    if result != FORMAT:
        newer = "newer" if result > FORMAT else "older"
        raise WorkspaceFormatError(
            f"{layout.root} has workspace format {result}, but this program ({__version__}) "
            f"writes format {FORMAT}: use the {newer} naturalist that made it "
            f"({marker['made_by']})"
        )


def _check_root(marker: Path) -> None:
    if not marker.exists():
        raise SourceError(
            f"image root {marker.parent} is missing (it has no {marker.name}): mount its drive. "
            "Nothing was changed, and its pictures do not count as deleted"
        )


def _tidy(layout: Layout, image_roots: Sequence[str]) -> None:
    # Only the holder of the lock comes here, so whatever is temporary was left by a killed one.
    shutil.rmtree(layout.scratch, ignore_errors=True)
    for root in image_roots:
        shutil.rmtree(layout.incoming(root), ignore_errors=True)
    for name in (".pending.tmp", ".pending.done"):
        shutil.rmtree(layout.ledger / name, ignore_errors=True)
    for path in layout.root.glob(f".*.json.*{artifacts.TEMPORARY_SUFFIX}"):
        path.unlink(missing_ok=True)
    for folder in (
        "ledger",
        "features",
        "previews",
        "checks",
        "tables",
        "duplicates",
        "samples",
        "maps",
        "clusters",
        "index",
        "words",
        "concepts",
        "models",
        "reports",
        "outbox",
        "exif",
        "metadata",
        "read-before",
    ):
        artifacts.remove_temporaries(layout.root / folder)


def reading(layout: Layout) -> None:
    """Check that there is a workspace that this program can read.

    Raises:
        WorkspaceError: there is none.
        WorkspaceFormatError: it was made by another format of the program.
    """
    marker = artifacts.read_json(layout.marker)
    if marker is None:
        raise WorkspaceError(f"{layout.root} is empty so far: start with `naturalist run`")
    _check_format(layout, marker)
