"""Names of the regions of a map at each zoom level, kept beside it and brought up to date."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.studies.maps.region_names import MOST_LEVELS, names_of
from naturalist.studies.study import Outgrown, Report, Result, WholeStudy
from naturalist.studies.words.cluster_names import found_from
from naturalist.studies.words.groups import Regions, named_groups, regions_of
from naturalist.studies.words.opening import open_indexes

_LEAST_PICTURES = 3
"""Pictures in a region of a level on average: regions with fewer cannot have a name."""


@dataclass(frozen=True, eq=False)
class RegionNameStudy(WholeStudy):
    """Names of a map's regions, found again when the map or what names come from changes.

    Attributes:
        layout: the workspace; its index of words must be up to date.
        backbone: id of the backbone of its features.
        progress: hears how far it is.
        map_name: of the map.
    """

    layout: Layout
    backbone: str
    progress: Progress
    map_name: str

    @property
    def name(self) -> str:
        """What a run calls it."""
        return f"names of map {self.map_name}"

    def current(self) -> Report | None:
        """The names that are kept, if they were found for what is there now."""
        return names_of(self.layout.map(self.map_name)).read_current(self._made_from())

    def make(self, outgrown: Outgrown[None] | None) -> Report:
        """Name the regions of every level.

        Raises:
            ConfigError: there is no such map, or no index of words.
        """
        del outgrown
        levels = list(self._levels())
        with stage(self.progress, "names", len(levels), "zoom levels") as advance:
            words = open_indexes(self.layout, self.backbone)
            found = []
            for regions in levels:
                found.append(named_groups(self.layout, words, self.backbone, regions.groups))
                advance(1)
        return names_of(self.layout.map(self.map_name)).write(
            self._report(levels, found), self._made_from()
        )

    def summary(self, result: Result) -> Report:
        """Regions, how many have a name, and whether anything changed."""
        return {"changed": result.changed, **{k: result.report[k] for k in ("groups", "named")}}

    def _levels(self) -> Iterator[Regions]:
        """The levels whose regions have enough pictures for names; always the first one."""
        for level in range(MOST_LEVELS):
            regions = regions_of(self.layout, self.map_name, level)
            ids, _, labels = regions.groups
            if level and len(ids) < _LEAST_PICTURES * len(labels):
                return
            yield regions

    def _report(self, levels: list[Regions], found: list[dict[str, Any]]) -> Report:
        held = [
            {
                "level": level,
                "across": one.across,
                "groups": names["groups"],
                "named": names["named"],
            }
            for level, (one, names) in enumerate(zip(levels, found, strict=True))
        ]
        entries = [
            {"level": level, "cell": list(one.cells[entry["group"]]), **entry}
            for level, (one, names) in enumerate(zip(levels, found, strict=True))
            for entry in names["entries"]
        ]
        return {
            "of": "map",
            "name": self.map_name,
            "low": list(levels[0].low),
            "high": list(levels[0].high),
            **{key: sum(names[key] for names in found) for key in ("groups", "named")},
            "levels": held,
            "entries": entries,
        }

    def _made_from(self) -> str:
        return found_from(self.layout, self.backbone)


def of_level(report: Report, level: int) -> Report:
    """What was found at one level: `of`, `name`, `groups`, `named` and `entries`."""
    own = [one for one in report["entries"] if one["level"] == level]
    kept = [{k: one[k] for k in ("group", "pictures", "names")} for one in own]
    named = sum(1 for one in kept if one["names"])
    held = {"of": report["of"], "name": report["name"]}
    return {**held, "groups": len(kept), "named": named, "entries": kept}
