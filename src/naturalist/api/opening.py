"""Opening a collection by its address, whatever kind of place it is."""

import os
from pathlib import Path

from naturalist.api.opened import Opened
from naturalist.api.published import Published
from naturalist.api.workspace import Workspace
from naturalist.config import CONFIG_NAME, load_config
from naturalist.progress import SILENT, Progress
from naturalist.stores import S3Options


def open_collection(
    place: str | os.PathLike[str],
    *,
    snapshot: str | None = None,
    options: S3Options | None = None,
    progress: Progress = SILENT,
) -> Opened:
    """Open a collection: a workspace to work on, or a published or pulled one to look into.

    `naturalist.open` is this function. Nothing is computed and, for a workspace, nothing is read
    but its configuration. Of a published collection everything but tables and pictures (maps,
    clusters, ledger, reports) is fetched into the user's cache, once, every file verified.

    Args:
        place: folder of a workspace or its `naturalist.toml`; a pulled folder; or the address of a
            published collection, a folder or `s3://bucket/prefix`.
        snapshot: id of a snapshot such as "000012"; None for the newest. Published ones only.
        options: how to reach an S3 server; ``S3Options(anonymous=True)`` for a public bucket.
        progress: hears how far work is; silent by default.

    Raises:
        ConfigError: the configuration is wrong, or a pull into the folder was interrupted.
        NotFound: there is no collection, or no such snapshot.
        StoreError: the store failed.

    Example:
        >>> import naturalist
        >>> garden = naturalist.open(workspace)
        >>> garden.status().accepted >= 0
        True
    """
    url = os.fspath(place)
    if "://" not in url:
        path = Path(url).expanduser()
        if path.suffix == ".toml" or (path / CONFIG_NAME).exists():
            return Workspace(load_config(path), progress)
    return Published.at(url, snapshot, options, progress)
