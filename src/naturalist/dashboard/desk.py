"""Everything that answers about one collection, made once."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from naturalist.dashboard.catalogue import Catalogue
from naturalist.dashboard.health import Health
from naturalist.dashboard.maps import Maps
from naturalist.dashboard.place import Place
from naturalist.dashboard.similar import Similar
from naturalist.dashboard.thumbnails import Thumbnails


@dataclass(frozen=True, eq=False)
class Desk:
    """A place and those who know about it."""

    place: Place
    catalogue: Catalogue
    thumbnails: Thumbnails
    maps: Maps
    health: Health
    similar: Similar

    def close(self) -> None:
        """Remove what was made for answering."""
        self.catalogue.close()


def open_desk(place: Place) -> Desk:
    """Everything for one place; close it when done."""
    catalogue = Catalogue(place, Path(tempfile.mkdtemp(prefix="naturalist-dashboard-")))
    return Desk(
        place=place,
        catalogue=catalogue,
        thumbnails=Thumbnails(place, catalogue),
        maps=Maps(place, catalogue),
        health=Health(place, catalogue),
        similar=Similar(place, catalogue),
    )
