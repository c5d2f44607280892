"""What an agent may look at: bounded answers as JSON values; nothing is written."""

from typing import Any, Literal

import numpy as np

from naturalist.config import Config
from naturalist.curation import ledger_query, searching
from naturalist.dashboard import studies
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import DashboardContext, open_context
from naturalist.errors import ConfigError
from naturalist.pipeline.severities import health_document
from naturalist.pipeline.status import CollectionStatus, collection_status
from naturalist.progress import SILENT
from naturalist.suggestions import choose_one_of

Answer = dict[str, Any]
Outcome = Literal["", "accepted", "duplicate", "conflict", "refused"]
MOST = 200
"""Pictures or files in an answer."""


class Looking:
    """Answers about one workspace; safe to use from several threads."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._context: DashboardContext = open_context(open_workspace(config))

    def close(self) -> None:
        """Remove what was made for answering."""
        self._context.close()

    def status(self) -> CollectionStatus:
        """Counts per category: seen, accepted, refused by reason, features, tables.

        Raises:
            WorkspaceError: nothing has been made yet.
        """
        return collection_status(self.config)

    def health(self) -> Answer:
        """Freshness, last runs, failures, verification, drift, storage, and alerts."""
        return health_document(self._context.health.document())

    def ledger(
        self,
        outcome: Outcome = "",
        reason: str = "",
        category: str = "",
        source: str = "",
        limit: int = 50,
    ) -> Answer:
        """Rows of the ledger (one per file ever seen), and how many there are in all.

        Raises:
            ConfigError: there is no such category or source.
        """
        wanted = ledger_query.Filter(
            outcome=outcome, reason=reason, category=category, source=source
        )
        ledger_query.check_names(self.config, wanted)
        rows = list(ledger_query.rows(self.config, wanted, _bounded(limit)))
        return {"rows": rows, "total": ledger_query.count(self.config, wanted)}

    def search(self, query: str, k: int = 20, category: str = "", source: str = "") -> Answer:
        """Pictures by words, with what speaks for each; unknown words are in `messages`.

        Raises:
            ConfigError: the query says nothing, or there is no index of words yet.
        """
        request = searching.Request(query, _bounded(k), category, source)
        return dict(searching.search_words(self.config, request, SILENT, update=False))

    def similar(self, pic_id: str, k: int = 10) -> Answer:
        """The pictures most similar to one, by the cosine of their features.

        Raises:
            ConfigError: it is in no table.
        """
        hits = self._context.similar.to_picture(pic_id, _bounded(k))
        if not hits:
            raise ConfigError(f"{pic_id} is not in the tables: ids look like plant_id_7")
        return {"pic_id": pic_id, "rows": hits}

    def picture(self, pic_id: str) -> Answer:
        """The ledger row of a picture: its file, source, size and state.

        Raises:
            ConfigError: the ledger knows no such picture.
        """
        row = self._context.catalogue.picture(pic_id)
        if row is None:
            raise ConfigError(f"picture {pic_id} is not in the ledger")
        return row

    def thumbnail(self, pic_id: str) -> bytes | None:
        """Its thumbnail as JPEG, 128 pixels at the longer side; None if there is none."""
        return self._context.thumbnails.get(pic_id)

    def suspects(self, limit: int = 50) -> Answer:
        """Pictures whose label may be wrong, the most suspect first, of the last study.

        Raises:
            ConfigError: there was no study yet.
        """
        found = studies.label_issues(self._context.place)
        if found is None:
            raise ConfigError("labels have not been checked yet: run `naturalist label-issues`")
        return {"row_count": found["rows"], "rows": found["issues"][: _bounded(limit)]}

    def map_region(
        self, map_name: str = "tsne-2d", around: str = "", radius: float = 0.05, limit: int = 50
    ) -> Answer:
        """Pictures near a picture on a map, nearest first, with counts per category.

        Args:
            map_name: of the map; the error names those that there are.
            around: id of the picture in the middle.
            radius: share of the extent of the map, 0 to 1.
            limit: pictures listed; all are counted.

        Raises:
            ConfigError: there is no such map, or the picture is not on it.
        """
        maps = self._context.maps
        points = maps.get(map_name)
        if points is None:
            if not maps.names():
                raise ConfigError("there is no map yet: run `naturalist map`")
            advice = choose_one_of(map_name, maps.names())
            raise ConfigError(f"there is no map {map_name!r}: {advice}")
        middle = maps.row_of(points, around)
        if middle is None:
            raise ConfigError(f"{around} is not on the map {map_name}")
        places = points.positions.astype(np.float64)
        distances = np.linalg.norm(places - places[middle], axis=1)
        inside = np.flatnonzero(distances <= radius * np.iinfo(np.uint16).max)
        inside = inside[np.argsort(distances[inside], kind="stable")]
        codes, counts = np.unique(points.keys.codes[inside], return_counts=True)
        shown = inside[: _bounded(limit)].tolist()
        return {
            "map": map_name,
            "around": around,
            "pictures": len(inside),
            "categories": {maps.titles[c]: int(n) for c, n in zip(codes, counts, strict=True)},
            "rows": [maps.pic_id(points, row) for row in shown],
        }


def _bounded(count: int) -> int:
    return max(1, min(count, MOST))
