"""Names for the clusters, near duplicates and map regions of a workspace."""

from functools import partial
from typing import Any

from naturalist import backbones
from naturalist.config import Config
from naturalist.curation.searching import open_words
from naturalist.pipeline import studies
from naturalist.progress import Progress
from naturalist.studies.words.groups import Kind, groups_of, named_groups
from naturalist.studies.words.region_names import of_level

_USUAL: dict[Kind, str] = {"clusters": "default", "map": "tsne-2d", "duplicates": ""}
_SAID = ("of", "name", "groups", "named", "entries")


def name_all(
    config: Config, kind: Kind, name: str, level: int, progress: Progress
) -> dict[str, Any]:
    """Names of the groups of a clustering, a map or the near duplicates; the largest 500 of them.

    Those of clusters, and of the regions of a map at every level that the dashboard shows, are kept
    beside them.

    Args:
        config: the collection.
        kind: what has the groups.
        name: of the clustering or map; empty for the usual one.
        level: zoom level of the regions of a map, from 0.
        progress: listens.

    Raises:
        ConfigError: there is no such clustering or map, or no near duplicates were looked for.
        WorkspaceLocked: somebody else is writing, so that names cannot be kept.
    """
    name = name or _USUAL[kind]
    groups = groups_of(config.layout, kind, name, level)
    words = open_words(config, progress)
    if kind == "clusters":
        make = partial(studies.cluster_names, name=name)
        report = studies.study(config, progress, make).report
        return {key: report[key] for key in _SAID}
    if kind == "map":
        make_regions = partial(studies.region_names, name=name)
        report = studies.study(config, progress, make_regions).report
        if level in {one["level"] for one in report["levels"]}:
            return of_level(report, level)
    backbone = backbones.describe(config.extract.backbone).id
    result = named_groups(config.layout, words, backbone, groups)
    return {"of": kind, "name": name, **result}
