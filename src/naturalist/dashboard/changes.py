"""What changed between snapshots, for the page of changes: pictures by what happened and why."""

import base64
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from naturalist import snapshots
from naturalist.curation import takedown
from naturalist.dashboard.collection import Collection
from naturalist.dashboard.report import ChangeCounts, ChangedPicture, ChangesDoc, SnapshotInfo
from naturalist.errors import NotFound
from naturalist.ledger import Withheld
from naturalist.snapshots import PictureChange, PictureDiff, spread
from naturalist.stores import Store, open_store

SHOWN = 48
"""Pictures of a group that are named; the others are counted."""
_KEPT = 8


@dataclass(eq=False)
class Changes:
    """The snapshots of a place; safe to use from several threads."""

    place: Collection
    _kept: "OrderedDict[tuple[Any, ...], ChangesDoc]" = field(
        default_factory=OrderedDict, repr=False
    )
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def offered(self) -> bool:
        """Whether there is a store with snapshots to ask."""
        config = self.place.config
        return self.place.kind == "published" or bool(config and config.publish_url)

    def list(self) -> list[SnapshotInfo]:
        """All snapshots that can be read, oldest first; none if nothing was published yet."""
        store = self._store()
        if store is None:
            return []
        try:
            found = snapshots.summaries(store)
        except NotFound:
            return []
        return [
            {"id": one.id, "at": one.created_at, "rows": one.table_rows, "latest": one.is_latest}
            for one in found
            if one.fault is None
        ]

    def between(self, before: str, after: str) -> ChangesDoc:
        """What came, left and was relabelled between two snapshots, in groups.

        Raises:
            NotFound: there is no such snapshot.
            StoreError: the store failed, or a file of theirs is damaged.
        """
        store = self._store()
        if store is None:
            raise NotFound("this collection has no published snapshots")
        # What may be shown changes with takedowns, and those of others with the newest snapshot.
        gone = takedown.never_shown(self.place.config) if self.place.config else Withheld()
        key = (before, after, snapshots.newest(store)[0].id, gone)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = _document(store, before, after, gone)
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[key]

    def _store(self) -> Store | None:
        if (store := self.place.store) is not None:
            return store
        config = self.place.config
        if config is None or not config.publish_url:
            return None
        return open_store(config.publish_url, config.s3_options)


def _document(store: Store, before: str, after: str, gone: Withheld) -> ChangesDoc:
    older, newer = snapshots.read(store, before), snapshots.read(store, after)
    found = snapshots.diff_pictures(store, older, newer, gone)
    # The pictures that left have no thumbnail here any more; the older snapshot has.
    left = [one for one in _shown(found) if one.what == "left"]
    jpegs = dict(snapshots.thumbnails(store, older, newer, left))
    return {
        "before": before,
        "after": after,
        "counts": ChangeCounts(**found.counts()),  # type: ignore[typeddict-item]
        "groups": [
            {
                "what": what,
                "reason": reason,
                "region": region,
                "pictures": len(group),
                "shown": [_picture(one, jpegs.get(one.pic_id)) for one in spread(group, SHOWN)],
            }
            for (what, reason, region), group in found.groups().items()
        ],
    }


def _shown(found: PictureDiff) -> list[PictureChange]:
    return [one for group in found.groups().values() for one in spread(group, SHOWN)]


def _picture(change: PictureChange, jpeg: bytes | None) -> ChangedPicture:
    return {
        "id": change.pic_id,
        "was": change.was,
        "source": change.source,
        "hidden": change.is_hidden,
        "thumbnail": base64.b64encode(jpeg).decode() if jpeg else None,
    }
