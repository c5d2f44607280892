"""Everything that answers about one collection, made once."""

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path

from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.changes import Changes
from naturalist.dashboard.collection import Collection
from naturalist.dashboard.health import Health
from naturalist.dashboard.maps import Maps
from naturalist.dashboard.similar import Similar
from naturalist.dashboard.thumbnails import Thumbnails
from naturalist.errors import NaturalistError
from naturalist.scratch import ScratchFolder, make_scratch

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class DashboardContext:
    """A place and those who know about it."""

    place: Collection
    catalogue: Catalogue
    thumbnails: Thumbnails
    maps: Maps
    health: Health
    similar: Similar
    changes: Changes
    scratch: ScratchFolder

    def warm_up(self) -> None:
        """Read the first map and index the ledger before somebody asks."""
        try:
            for name in self.maps.names()[:1]:
                points = self.maps.get(name)
                if points is not None:
                    self.maps.column(points, "category")
            self.catalogue.batch_of("", 0)
        except NaturalistError:
            logger.warning(
                "the dashboard cannot read everything yet: its pages show what is missing"
            )

    def close(self) -> None:
        """Remove what was made for answering."""
        self.similar.close()
        self.catalogue.close()
        self.scratch.close()


def open_context(place: Collection) -> DashboardContext:
    """Everything for one place; close it when done."""
    scratch = make_scratch(Path(tempfile.gettempdir()), "naturalist-dashboard-")
    catalogue = Catalogue(place, scratch.path)
    return DashboardContext(
        place=place,
        catalogue=catalogue,
        thumbnails=Thumbnails(place, catalogue),
        maps=Maps(place, catalogue),
        health=Health(place, catalogue),
        similar=Similar(place, catalogue),
        changes=Changes(place),
        scratch=scratch,
    )
