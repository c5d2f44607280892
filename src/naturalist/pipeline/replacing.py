"""Whether a publish would take away from readers what its workspace never had.

An address belongs to one collection. Its `latest` may lose what the publisher has seen and
withdrawn; pictures whose bytes its ledger does not know came from another workspace.
"""

import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import ledger, snapshots
from naturalist.config import Config
from naturalist.counting import counted
from naturalist.errors import ConfigError, NotFound, StoreError
from naturalist.ledger import Outcome
from naturalist.schemas import LEDGER
from naturalist.snapshots import File, Snapshot, parquet
from naturalist.stores import Store

_BATCH = re.compile(r"ledger/[^/]+/[0-9]+\.parquet")
_COLUMNS = pa.schema([LEDGER.field("outcome"), LEDGER.field("sha256")])
_ADVICE = "to replace it, run `naturalist run --accept-replacement` once"


def check_name(config: Config, store: Store) -> None:
    """Check, before any work, that an address does not hold another collection.

    Raises:
        ConfigError: it does.
    """
    # What is damaged there is for publishing to say, which comes later.
    with contextlib.suppress(StoreError):
        _check_name(config, store, snapshots.newest(store)[0])


def check_newest(config: Config, store: Store, own: Mapping[str, str]) -> None:
    """Check what `latest` points to as `check` does; nothing may be published yet.

    Raises:
        ConfigError, StoreError: as `check`.
    """
    with contextlib.suppress(NotFound):
        check(config, store, own, snapshots.newest(store)[0])


def check(config: Config, store: Store, own: Mapping[str, str], latest: Snapshot) -> None:
    """Check that a snapshot may be replaced by what this workspace has.

    Args:
        config: of the workspace.
        store: where it is published.
        own: SHA-256 of the files that would be published, by name.
        latest: the snapshot that would be replaced.

    Raises:
        ConfigError: it is of another collection, shows pictures that this workspace never saw, or
            lacks pictures that were taken down in another workspace.
        StoreError: it cannot be read.
    """
    _check_name(config, store, latest)
    here = {path.name for path in config.layout.ledger.glob("*/amendments/takedown-*.parquet")}
    lost = _unknown_pictures(config, store, own, latest)
    if lost:
        raise _of_another_workspace(
            store,
            latest,
            f"it has {counted(lost, 'picture')} that this workspace has never seen, and readers "
            "would lose them",
        )
    if snapshots.takedowns(latest) - here:
        raise _of_another_workspace(
            store,
            latest,
            "pictures were taken down for it that this workspace may publish again",
        )


def _check_name(config: Config, store: Store, latest: Snapshot) -> None:
    name = latest.about.get("collection", config.name)
    if name != config.name:
        raise ConfigError(
            f"{store.url} holds the collection {name!r}, not {config.name!r}: publish to another "
            f"URL (publish.url); if you renamed the collection or want {_ADVICE}"
        )


def _of_another_workspace(store: Store, latest: Snapshot, why: str) -> ConfigError:
    return ConfigError(
        f"snapshot {latest.id} in {store.url} was published by another workspace: {why}. Go on in "
        "that workspace, restore this one from a newer backup, or publish to another URL "
        f"(publish.url); {_ADVICE}"
    )


def _unknown_pictures(
    config: Config, store: Store, own: Mapping[str, str], latest: Snapshot
) -> int:
    """How many accepted pictures of a snapshot have bytes that no file of the ledger has."""
    other = [
        file
        for file in latest.files
        if _BATCH.fullmatch(file.name) and own.get(file.name) != file.sha256
    ]
    if not other:
        return 0
    with ledger.connect(config.layout) as connection:
        count = 0
        for digests in _accepted(store, other):
            connection.register("shown", digests)
            count += ledger.query(connection, _UNKNOWN)["n"][0].as_py()
        return count


_UNKNOWN = "SELECT count(*) AS n FROM shown ANTI JOIN ledger_rows USING (sha256)"


def _accepted(store: Store, files: list[File]) -> Iterator[pa.Table]:
    """The SHA-256 of accepted pictures in published files of a ledger, file by file."""
    for file in files:
        try:
            data, _ = store.get_bytes(file.key, file.size_bytes)
        except NotFound:
            continue
        # Of a file that is gone or damaged there is nothing left for readers to lose.
        if hashlib.sha256(data).hexdigest() == file.sha256:
            with parquet.opened(data, file.key, schema=_COLUMNS) as opened:
                rows = opened.read(_COLUMNS.names)
            known = pc.and_(pc.equal(rows["outcome"], Outcome.ACCEPTED), rows["sha256"].is_valid())
            yield rows.filter(known).select(["sha256"])
