"""Clusters, models, duplicates and suspects of wrong labels, as the studies wrote them."""

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, categories
from naturalist.dashboard.collection import NAME, Collection
from naturalist.dashboard.report import DuplicateGroup, DuplicateGroups, GroupMember, LabelIssues
from naturalist.errors import NaturalistError, WorkspaceError
from naturalist.ledger import Withheld
from naturalist.studies.clusters import names as clustering_names
from naturalist.studies.labels.ranking import read_suspects

Document = dict[str, Any]
_SHEET = re.compile(r"[A-Za-z0-9_-]{1,40}\.png")
_ISSUES_SHOWN = 500


def clusterings(place: Collection) -> list[str]:
    """Names of the clusterings that are there."""
    folder = place.layout.clusterings
    result = sorted(folder.glob("*/clusters.json")) if folder.is_dir() else []
    return [
        path.parent.name
        for path in result
        if NAME.fullmatch(path.parent.name)
        and not place.shows_retired(path.with_name("members.parquet"))
    ]


def clustering(place: Collection, name: str) -> Document | None:
    """A clustering, mixed clusters first; None if there is none of that name.

    Raises:
        WorkspaceError: its file is damaged.
    """
    if name not in clusterings(place):
        return None
    path = place.layout.clustering(name) / "clusters.json"
    result = _object(path)
    clusters = [one for one in result.get("clusters", []) if isinstance(one, dict)]
    clusters.sort(key=lambda one: (not one.get("mixed"), -(one.get("size") or 0)))
    names = clustering_names.titles(place.layout.clustering(name))
    clusters = [one | {"title": names.get(one.get("cluster", -1), "")} for one in clusters]
    return result | {"name": name, "clusters": clusters}


def sheet(place: Collection, name: str, cluster: int) -> Path | None:
    """The contact sheet of a cluster; None if it has none."""
    result = clustering(place, name)
    for one in (result or {}).get("clusters", []):
        if one.get("cluster") == cluster:
            file = Path(str(one.get("sheet", ""))).name
            path = place.layout.clustering(name) / "sheets" / file
            return path if _SHEET.fullmatch(file) and path.is_file() else None
    return None


def models(place: Collection) -> Document:
    """The champion, its history, and every model with its evaluation; damaged ones say so.

    Raises:
        WorkspaceError: the history of the champions is damaged.
    """
    folder = place.layout.models
    champion = _object(place.layout.champion) if place.layout.champion.exists() else {}
    names = sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []
    result = [_model(place, name) for name in names if NAME.fullmatch(name)]
    retired = categories.read(place.layout).retired_names
    result = [one for one in result if retired.isdisjoint(one.get("categories") or ())]
    result.sort(key=lambda one: str(one.get("made_at", "")), reverse=True)
    return {
        "champion": champion_of(place),
        "history": champion.get("history", []),
        "models": result,
    }


def champion_of(place: Collection) -> str | None:
    """Name of the champion; of what is published it is the only model.

    Raises:
        WorkspaceError: the history of the champions is damaged.
    """
    layout = place.layout
    if place.kind == "workspace" or layout.champion.exists():
        result = artifacts.read_json(layout.champion)
        name = result.get("champion") if isinstance(result, dict) else None
    else:
        kept = sorted(layout.models.glob("*/predictions.parquet"))
        name = kept[0].parent.name if len(kept) == 1 else None
    return name if isinstance(name, str) and NAME.fullmatch(name) else None


def _model(place: Collection, name: str) -> Document:
    folder = place.layout.model(name)
    try:
        return {
            **_object(folder / "model.json"),
            "id": name,
            "evaluation": artifacts.read_json(folder / "evaluation.json"),
        }
    except NaturalistError as error:
        return {"id": name, "error": str(error)}


def label_issues(place: Collection) -> LabelIssues | None:
    """Pictures whose category is suspected to be wrong, the most suspect first.

    Raises:
        WorkspaceError: the report cannot be read.
    """
    path = place.layout.label_issues
    if not path.exists():
        return None
    table = _shown_rows(place, read_suspects(path)).drop_columns("is_suspect")
    summary = _optional(path.with_suffix(".json")) or {}
    shown = table.slice(0, _ISSUES_SHOWN).to_pylist()
    return {"rows": table.num_rows, "summary": summary, "issues": shown}


def duplicate_groups(place: Collection, limit: int, offset: int) -> DuplicateGroups | None:
    """Groups of near duplicates, the largest first.

    Raises:
        WorkspaceError: the report cannot be read.
    """
    path = place.layout.near_duplicates
    if not path.exists():
        return None
    members: dict[str, list[GroupMember]] = {}
    for row in _shown_rows(place, artifacts.read_parquet(path)).to_pylist():
        members.setdefault(row["group"], []).append(row)
    members = {group: rows for group, rows in members.items() if len(rows) > 1}
    ordered = sorted(members.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    groups: list[DuplicateGroup] = [
        {"group": group, "members": sorted(rows, key=lambda row: row["distance"])}
        for group, rows in ordered[offset : offset + limit]
    ]
    pictures = sum(len(rows) for rows in members.values())
    summary = _optional(path.with_suffix(".json")) or {}
    return {"groups": groups, "of": len(members), "pictures": pictures, "summary": summary}


def _shown_rows(place: Collection, table: pa.Table) -> pa.Table:
    """The rows of a study's table without those of retired categories."""
    retired = Withheld(retired=place.retired)
    return table.filter(pc.invert(retired.among(table["picID"]))) if retired else table


def samples(place: Collection) -> list[Document]:
    """What is known of each sample: method, rows, integrity."""
    folder = place.layout.sample("x").parent
    paths = sorted(folder.glob("*/sample.json")) if folder.is_dir() else []
    result = [(path.parent.name, _optional(path)) for path in paths]
    return [{**sample, "name": name} for name, sample in result if sample is not None]


def _object(path: Path) -> Document:
    result = artifacts.read_json(path)
    if not isinstance(result, dict):
        raise WorkspaceError(f"{path} is missing or not a JSON object: {artifacts.DAMAGE_ADVICE}")
    return result


def _optional(path: Path) -> Document | None:
    try:
        result = artifacts.read_json(path)
    except WorkspaceError:
        return None
    return result if isinstance(result, dict) else None
