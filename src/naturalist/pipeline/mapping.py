"""The step `map` of the analyse stage: the configured maps, each only where it is not done."""

from typing import Any

from naturalist.features import open_place
from naturalist.layout import MapFolder
from naturalist.pipeline.steps import Job


def update_maps(job: Job) -> dict[str, Any]:
    """Bring every configured map up to date with the tables.

    Returns:
        For each map whether it changed, its rows, and its verdict in words.

    Raises:
        ConfigError: there are fewer than 5 pictures.
        MissingExtra: a package that the method needs is not installed.
    """
    # Imported here: what makes maps takes a second to load, and most runs make none.
    from naturalist.studies.maps import study as maps

    config = job.config
    made = {}
    for dims in dict.fromkeys(config.map.dims):
        options = config.map.options(dims)
        name = maps.default_name(options)
        folder = MapFolder(config.layout.map(name))
        table = open_place(config.layout.root, sources=False)
        found = maps.make_map(table, folder, name, options, config.map.floors, watcher=job.progress)
        if not found["verdict"]["good"]:
            job.progress.note(f"the map {name}: {'; '.join(found['verdict']['words'])}")
        made[name] = {"changed": found["changed"], "rows": found["rows"]} | found["verdict"]
    return made
