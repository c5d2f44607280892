"""The same pages as a static folder that opens without a server.

A page that was opened from a file may not read other files, but may load scripts: every document
and column is one script that hands its payload over. Nothing else differs from the server, but for
what only a server can do (browsing every file, searching by a dropped picture).
"""

import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from naturalist import artifacts, ledger
from naturalist.dashboard import documents, studies
from naturalist.dashboard.bundle import Bundle, page
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.maps import Points
from naturalist.errors import ConfigError
from naturalist.scratch import make_scratch
from naturalist.stages.publish import SITE_MARKER as MARKER

THUMBNAILS = 20_000
_IN_A_PACK = 50
_GROUPS_IN_A_PAGE = 20
_GROUP_PAGES = 10
_POLICY = (
    '<meta http-equiv="Content-Security-Policy" content="connect-src \'none\'; object-src '
    "'none'; base-uri 'none'; form-action 'none'; frame-src 'none'\">\n"
    '<script src="data/index.js"></script>\n'
)


@dataclass(frozen=True)
class ExportedPages:
    """Pages that were written to be looked at without a server, and what they show."""

    folder: str
    files: int
    size_bytes: int
    maps: int
    thumbnails: int
    pictures: int


@dataclass
class _Writer:
    folder: Path
    files: dict[str, str] = field(default_factory=dict)

    def json(self, path: str, value: Any) -> None:
        self._write(path, json.dumps(documents.clean(value), separators=(",", ":")))

    def bytes(self, path: str, data: bytes) -> None:
        self._write(path, base64.b64encode(data).decode("ascii"))

    def _write(self, path: str, payload: str) -> None:
        name = f"data/{len(self.files):05d}.js"
        self.files[path] = name
        # JSON's texts are JavaScript's: nothing in them can end the text or the script.
        script = f"naturalistData({json.dumps(name)},{json.dumps(payload)})\n"
        (self.folder / name).write_text(script, "utf-8")


def export(
    context: DashboardContext,
    bundle: Bundle,
    folder: Path,
    *,
    thumbnails: int = THUMBNAILS,
    on_begin: Callable[[int], None] = lambda _: None,
    on_thumbnail: Callable[[int], None] = lambda _: None,
) -> ExportedPages:
    """Write the folder, whole or not at all; an earlier export in its place is exchanged.

    Args:
        context: what is exported.
        bundle: the pages.
        folder: where to.
        thumbnails: most thumbnails to take along; those of studies first, the others spread evenly.
        on_begin: hears how many thumbnails there will be.
        on_thumbnail: hears how many more were written.

    Raises:
        ConfigError: the folder holds something else.
        StorageFull: there is no space left.
    """
    _check_free(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (
        artifacts.storage_errors(str(folder)),
        closing(make_scratch(folder.parent, f".{folder.name}.")) as made,
        closing(make_scratch(folder.parent, f".{folder.name}.")) as earlier,
    ):
        (made.path / "data").mkdir()
        exported = _fill(context, bundle, made.path, thumbnails, on_begin, on_thumbnail)
        if folder.exists():
            folder.rename(earlier.path / folder.name)
        made.keep_as(folder)
        folder.chmod(0o777 & ~_umask())
    return ExportedPages(str(folder), **exported)


def _umask() -> int:
    """The process's, which the system tells only to who sets it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _check_free(folder: Path) -> None:
    if folder.exists() and not (folder / MARKER).exists() and any(folder.iterdir()):
        raise ConfigError(
            f"{folder} contains files that are not from an export: choose a new or empty folder"
        )


def _fill(
    context: DashboardContext,
    bundle: Bundle,
    folder: Path,
    most: int,
    on_begin: Callable[[int], None],
    on_thumbnail: Callable[[int], None],
) -> dict[str, int]:
    writer = _Writer(folder)
    names = context.maps.names()
    for name, value in _documents(context):
        writer.json(name, value)
    every: list[str] = []
    for name in names:
        points = context.maps.get(name)
        if points is not None:
            _write_map(context, points, writer)
            every = every or [context.maps.pic_id(points, row) for row in range(len(points))]
    expected = _sampled(context, every, most)
    on_begin(len(expected))
    packs = _write_thumbnails(context, expected, writer, on_thumbnail)
    index = {"files": writer.files, "thumbnails": packs}
    script = f"window.naturalistExport={json.dumps(index, separators=(',', ':'))}\n"
    (folder / "data" / "index.js").write_text(script, "utf-8")
    (folder / "app.js").write_bytes(bundle.script)
    (folder / "app.css").write_bytes(bundle.style)
    html = page(context.place.name, "", bundle.version, before=_POLICY)
    (folder / "index.html").write_text(html, "utf-8")
    (folder / MARKER).write_text(json.dumps(_marker(context)) + "\n", "utf-8")
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return {
        "files": len(sizes),
        "size_bytes": sum(sizes),
        "maps": len(names),
        "thumbnails": len(packs),
        "pictures": len(every),
    }


def _marker(context: DashboardContext) -> dict[str, str]:
    return {
        "collection": context.place.name,
        "withdrawn": ledger.withdrawn_fingerprint(context.place.layout),
    }


def _documents(context: DashboardContext) -> Iterator[tuple[str, Any]]:
    """Every document with the path that the pages ask for, without what is private here."""
    place = context.place
    only_served = {"address": "", "similar": False, "drop": False, "changes": False, "large": False}
    yield "about", documents.about(context) | only_served
    yield "health", public_health(context.health.document())
    for name in studies.clusterings(place):
        yield f"clusterings/{name}", studies.clustering(place, name)
    yield "models", studies.models(place)
    yield "label-issues", studies.label_issues(place)
    for n in range(_GROUP_PAGES):
        offset = n * _GROUPS_IN_A_PAGE
        groups = studies.duplicate_groups(place, _GROUPS_IN_A_PAGE, offset)
        if n == 0 or (groups and groups["groups"]):
            path = f"duplicates?limit={_GROUPS_IN_A_PAGE}&offset={offset}"
            yield path, groups


def public_health(health: dict[str, Any]) -> dict[str, Any]:
    """The health document without paths of this machine and messages of errors."""
    freshness = dict(health["freshness"])
    if freshness["last_run"]:
        freshness["last_run"] = freshness["last_run"] | {"error": None}
    kept = ("number", "started_at", "outcome", "duration_s", "stages")
    return health | {
        "address": "",
        "running": False,
        "damaged": [],
        "freshness": freshness,
        "runs": [{key: run.get(key) for key in kept} for run in health["runs"]],
        "storage": health["storage"] | {"free_bytes": None, "total_bytes": None},
        "cost": None,
        "consistency": None,
        "alerts": [alert for alert in health["alerts"] if alert["name"] in _PUBLIC_ALERTS],
    }


_PUBLIC_ALERTS = (
    "refused_share", "duplicate_share", "conflict_share", "verification", "drift", "label_issues",
    "evaluation_gap",
)  # fmt: skip


def _write_map(context: DashboardContext, points: Points, writer: _Writer) -> None:
    path = f"maps/{points.name}"
    described = context.maps.describe(points)
    private = {one.id for one in context.catalogue.attached if not one.is_published}
    described["columns"] = [one for one in described["columns"] if one["name"] not in private]
    writer.json(path, described)
    writer.bytes(f"{path}/positions", points.positions.astype("<u2", copy=False).tobytes())
    for name in (one["name"] for one in described["columns"]):
        column = context.maps.column(points, name)
        if column is not None:
            little = column.data.astype(column.data.dtype.newbyteorder("<"), copy=False)
            writer.json(f"{path}/columns/{name}/about", column.describe())
            writer.bytes(f"{path}/columns/{name}", little.tobytes())


def _sampled(context: DashboardContext, every: list[str], most: int) -> dict[str, None]:
    """Pictures whose thumbnails are taken along, in the order of the map."""
    first = list(_named_in_studies(context.place))[:most]
    left = max(0, most - len(first))
    spread = np.unique(np.linspace(0, len(every) - 1, min(left, len(every))).astype(int))
    expected = dict.fromkeys(first) | dict.fromkeys(every[k] for k in spread.tolist())
    accepted = context.catalogue.accepted_ids()
    return dict.fromkeys(name for name in sorted(expected) if name in accepted)


def _named_in_studies(place: Any) -> Iterator[str]:
    for name in studies.clusterings(place):
        for one in (studies.clustering(place, name) or {})["clusters"]:
            yield from one.get("medoids") or ()
            yield from one.get("boundary") or ()
    for issue in (studies.label_issues(place) or {"issues": []})["issues"]:
        yield issue["picID"]
    groups = studies.duplicate_groups(place, _GROUPS_IN_A_PAGE * _GROUP_PAGES, 0)
    for group in (groups or {"groups": []})["groups"]:
        yield from (member["picID"] for member in group["members"])


def _write_thumbnails(
    context: DashboardContext,
    expected: dict[str, None],
    writer: _Writer,
    on_thumbnail: Callable[[int], None],
) -> dict[str, int]:
    packs: dict[str, int] = {}
    pack: dict[str, str] = {}
    number = 0

    def close() -> None:
        nonlocal pack, number
        if pack:
            writer.json(f"thumbnails/{number}", pack)
            on_thumbnail(len(pack))
            pack, number = {}, number + 1

    for name, jpeg in context.thumbnails.every(expected.keys()):
        pack[name] = base64.b64encode(jpeg).decode("ascii")
        packs[name] = number
        if len(pack) == _IN_A_PACK:
            close()
    close()
    return packs
