"""Clusters of a collection: made once, grown with it, rebuilt when they no longer fit.

A clustering is a model (places in the space of principal axes) and the cluster of every row. New
rows get theirs from the model, and no old row moves. When too many new rows are noise, or the
collection has grown much, the model is rebuilt; its clusters then keep the ids of the old ones
that they share most rows with, and how many rows changed their cluster is said.
"""

import datetime as dt
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from naturalist import artifacts
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.features import FeatureFile, FeatureTable, Rows
from naturalist.features.blocks import IN_THIS_PROCESS, BlockMapper
from naturalist.layout import Layout
from naturalist.numeric.reduction import Reduction, to_unit
from naturalist.progress import Progress, stage
from naturalist.schemas import CLUSTER_MEMBERS
from naturalist.studies.clusters import model as cluster_model
from naturalist.studies.clusters import report as cluster_report
from naturalist.studies.clusters.methods import quality
from naturalist.studies.clusters.methods import tree as cluster_tree
from naturalist.studies.clusters.methods.clustering import (
    NOISE,
    Assigned,
    Model,
    assign,
    make_model,
    reduce_rows,
    renumber,
)
from naturalist.studies.clusters.options import ClusterOptions
from naturalist.studies.clusters.report import Members
from naturalist.studies.clusters.sheets import write_sheets
from naturalist.studies.feature_sample import draw, draw_far
from naturalist.studies.study import Outgrown, Report, Result, check_installed

FORMAT = 1
"""Changes when the same rows would give other clusters."""
_LOG = logging.getLogger(__name__)
LEAST_ROWS = 10
_FEW = 20
_SAME_FEATURES = 0.99
_MEASURED_AGAIN = 1.1
"""Stability and silhouette are measured again when the pictures are so many times as many."""


@dataclass(frozen=True, eq=False)
class Before:
    """The clustering as it was left."""

    model: Model
    about: dict[str, Any]
    members: pa.Table

    def of(self, file: FeatureFile) -> tuple[str, slice] | None:
        """The hash that a file had, and its rows among the members; None if it is new."""
        start = 0
        for name, sha256, rows in self.about["files"]:
            if name == file.name:
                return sha256, slice(start, start + rows)
            start += rows
        return None


@dataclass(frozen=True, eq=False)
class ClusterStudy:
    """One clustering.

    Attributes:
        files: the features.
        layout: the workspace, or the folder to write to.
        options: how.
        progress: hears how far it is.
        name: of the clustering.
        pictures: the workspace that has the thumbnails, for contact sheets; None draws none.
        blocks: who gives rows their cluster, a table each.
    """

    files: FeatureTable
    layout: Layout
    options: ClusterOptions
    progress: Progress
    name: str = "default"
    pictures: Layout | None = None
    blocks: BlockMapper = IN_THIS_PROCESS

    @property
    def _path(self) -> Path:
        return self.layout.clustering(self.name) / "members.parquet"

    @cached_property
    def _made_by(self) -> str:
        return artifacts.fingerprint(FORMAT, self.options.of_model, self.files.dim)

    @property
    def _expected(self) -> str:
        return artifacts.fingerprint(FORMAT, self._made_by, self.files.fingerprint)

    def current(self) -> Report | None:
        """The content of `clusters.json`, if it is up to date."""
        if not artifacts.is_done(self._path, self._expected):
            return None
        return dict(artifacts.read_json(self._path.with_name("clusters.json")))

    def kept(self) -> Before | None:
        """The clustering that is there, unless it was made with other options or is damaged."""
        return _read_before(self._path, self._made_by)

    def grow(self, kept: Before) -> Report | Outgrown[Before]:
        """Give new rows a cluster, if the model still fits."""
        members, counts, added = _grow(self.files, kept, self.blocks, self.progress)
        reason = _rebuild_reason(kept, self.options, added)
        if reason:
            return Outgrown(kept, reason)
        about = kept.about | {"added": _sum(kept, added), "counts": counts}
        if len(members) >= _MEASURED_AGAIN * about.get("measured", {}).get("rows", 0):
            drawn = draw_rows(self.files, self.options, self.progress)
            about |= _measure(drawn, kept.model, self.options, self.progress)
        return self._finish(kept.model, about, members)

    def make(self, outgrown: Outgrown[Before] | None) -> Report:
        """Make a model, and give every row a cluster; ids follow those of the clusters before.

        Raises:
            ConfigError: there are fewer than 10 rows.
            MissingExtra: a package of the extra `analysis` is not installed.
            StoreError: a table is damaged.
        """
        check_installed()
        model, about = _make(self.files, self.options, self.progress)
        members, about["counts"] = _assign_all(self.files, model, self.blocks, self.progress)
        if outgrown is not None:
            about["remade"] = {"why": outgrown.reason or "it was requested"}
        before = None if outgrown is None else outgrown.kept
        return self._finish(*_numbered(model, about, members, before))

    def summary(self, result: Result) -> Report:
        """Rows, clusters and noise, and whether anything changed."""
        report = result.report
        counts = {"rows": report["rows"], "clusters": len(report["clusters"])}
        changes = {"changed": result.changed, "remade": report.get("remade")}
        return counts | {"noise": report["noise"]} | changes

    def warning(self, report: Report) -> str:
        """Nothing."""
        del report
        return ""

    def _finish(self, model: Model, about: Report, members: Members) -> Report:
        path, files = self._path, self.files.files
        about |= {"name": self.name, "rows": len(members), "options": self._made_by}
        about["files"] = [
            [f.name, f.sha256, n] for f, n in zip(files, about.pop("counts"), strict=True)
        ]
        _write(path, model, about, members)
        _report(about, members, model)
        write_sheets(path.parent, about, members, self.pictures, self.progress)
        artifacts.write_json(path.with_name("clusters.json"), about)
        artifacts.write_receipt(path, _receipt(path, about["model"], self._expected, len(members)))
        cluster_model.remove_others(path.parent, about["model"])
        return about


def _receipt(path: Path, model: str, expected: str, rows: int) -> artifacts.Receipt:
    names = (path.name, "clusters.json", model)
    hashes = {name: artifacts.sha256_file(path.with_name(name)) for name in names}
    return artifacts.Receipt(expected, rows, hashes)


def _read_before(path: Path, options: str) -> Before | None:
    """The clustering that is there, unless it was made with other options or is damaged."""
    if not path.exists():
        return None
    try:
        members = artifacts.read_parquet(path)
        about = json.loads(members.schema.metadata[b"about"])
        if about["options"] != options:
            return None
        return Before(cluster_model.read(path.with_name(about["model"])), about, members)
    except (WorkspaceError, KeyError, TypeError, ValueError) as error:
        _LOG.warning("%s: the clustering is damaged and will be rebuilt (%s)", path.parent, error)
        return None


@dataclass(frozen=True, eq=False)
class Drawn:
    """Rows that clusters are made from, and measured with.

    Attributes:
        features: (rows, dim) float32.
        far: how many of them were drawn because they are far from the others.
        of: rows that they were drawn from.
    """

    features: NDArray[np.float32]
    far: int
    of: int


def draw_rows(files: FeatureTable, options: ClusterOptions, progress: Progress) -> Drawn:
    """Draw the rows that clusters of these options are made from.

    Raises:
        ConfigError: there are fewer than 10 rows.
    """
    with stage(progress, "clusters: sample", None, "rows") as advance:
        drawn = draw(files, options.rows, options.seed, advance)
    if drawn.of < LEAST_ROWS:
        raise ConfigError(
            f"clusters need at least {LEAST_ROWS} pictures; {files.what} has {drawn.of}"
        )
    features, far = drawn.features, 0
    if options.method == "hdbscan" and drawn.of > len(features):
        with stage(progress, "clusters: far rows", drawn.of, "rows") as advance:
            more = draw_far(files, drawn, options.min_size, options.seed, advance)
        unseen = ~np.isin(more.pic_ids, drawn.pic_ids)
        features, far = np.concatenate([features, more.features[unseen]]), int(unseen.sum())
    return Drawn(features, far, drawn.of)


def _make(
    files: FeatureTable, options: ClusterOptions, progress: Progress
) -> tuple[Model, dict[str, Any]]:
    """A model of some rows, and how good it is."""
    drawn = draw_rows(files, options, progress)
    reduction = reduce_rows(drawn.features, options)
    points = reduction(drawn.features)
    count, tried = _count(points, reduction, options, progress)
    with stage(progress, "clusters: make", 1, "models") as advance:
        model = make_model(points, reduction, options, count)
        advance(1)
    return model, {
        "method": options.method,
        "seed": options.seed,
        "made_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "made_from": {"rows": len(points), "far_rows": drawn.far, "of": drawn.of},
        "axes": {"kept": points.shape[1], "explained": round(reduction.explained, 4)},
        "criterion": {"floor": options.floor, "tried": [asdict(one) for one in tried]},
        "added": {"rows": 0, "noise": 0},
        **_measure(drawn, model, options, progress),
    }


def _measure(
    drawn: Drawn, model: Model, options: ClusterOptions, progress: Progress
) -> dict[str, Any]:
    """How stable the clusters are and how far apart, in the axes and in the features."""
    points, ids = model.reduction(drawn.features), model.ids.tolist()
    with stage(progress, "clusters: measure", 1, "models") as advance:
        clusters = assign(model, points).cluster
        stable = quality.stability(points, options, model)
        apart, apart_in_features = (
            quality.silhouette(rows, clusters, options.seed)
            for rows in (points, to_unit(drawn.features))
        )
        advance(1)
    return {
        "stability": round(stable.overall, 4) if ids else None,
        "by_cluster": dict(zip(ids, stable.by_cluster.tolist(), strict=True)),
        "silhouette": apart,
        "silhouette_features": apart_in_features,
        "measured": {
            "rows": drawn.of,
            "space": model.reduction.with_share_of(drawn.features).space,
            "space_features": f"all {drawn.features.shape[1]} features scaled to length 1",
        },
    }


def _count(
    points: NDArray[np.float32], reduction: Reduction, options: ClusterOptions, progress: Progress
) -> tuple[int, Sequence[quality.Tried]]:
    if options.method != "kmeans" or options.count:
        return options.count, ()
    with stage(
        progress, "clusters: count", quality.counts_to_try(len(points), options), "counts"
    ) as advance:

        def model_of(rows: NDArray[np.float32], count: int, seed: int) -> Model:
            return make_model(rows, reduction, replace(options, seed=seed), count)

        return quality.choose_count(points, model_of, options, advance)


def _assigned_rows(model: Model, file: FeatureFile) -> tuple[Rows, Assigned]:
    """The rows of a file without their features, and the cluster of each."""
    rows = file.read()
    assigned = assign(model, model.reduction(rows.features))
    return rows.without_features(), assigned


def _assign_all(
    files: FeatureTable, model: Model, blocks: BlockMapper, progress: Progress
) -> tuple[Members, list[int]]:
    with stage(progress, "clusters: assign", None, "rows") as advance:
        parts = []
        for rows, assigned in blocks.map(_assigned_rows, model, files.files):
            parts.append(_members(rows, assigned))
            advance(len(rows))
    return _joined(parts), [len(part) for part in parts]


def _grow(
    files: FeatureTable, before: Before, blocks: BlockMapper, progress: Progress
) -> tuple[Members, list[int], dict[str, Any]]:
    """Old rows keep their cluster, new ones get theirs; only files that changed are read whole."""
    held = [before.of(file) for file in files.files]
    pairs = list(zip(files.files, held, strict=True))
    changed = [file for file, was in pairs if was is None or was[0] != file.sha256]
    added = {"rows": 0, "noise": 0, "others": 0, "known": 0}
    parts = []
    with stage(progress, "clusters: assign", None, "rows") as advance:
        given = blocks.map(_assigned_rows, before.model, changed)
        for file, was in pairs:
            old = before.members[was[1]] if was else before.members[:0]
            if was and was[0] == file.sha256:
                parts.append(_members(file.outline(), _as_assigned(old)))
                continue
            rows, now = next(given)
            parts.append(_members(rows, _kept(old, rows, now, added)))
            advance(len(rows))
    return _joined(parts), [len(part) for part in parts], added


def _kept(old: pa.Table, rows: Rows, now: Assigned, added: dict[str, int]) -> Assigned:
    place = {name: k for k, name in enumerate(old["picID"].to_pylist())}
    at = np.array([place.get(name, -1) for name in rows.pic_ids.tolist()], np.int64)
    known, was = at >= 0, _as_assigned(old)
    columns = []
    for earlier, later in zip(vars(was).values(), vars(now).values(), strict=True):
        column = later.copy()
        column[known] = earlier[at[known]]
        columns.append(column)
    kept = Assigned(*columns)
    added["rows"] += int((~known).sum())
    added["noise"] += int((kept.cluster[~known] == NOISE).sum())
    added["known"] += int(known.sum())
    added["others"] += int((kept.cluster[known] != now.cluster[known]).sum())
    return kept


def _rebuild_reason(before: Before, options: ClusterOptions, added: dict[str, int]) -> str:
    """Why the model no longer fits; empty if it does."""
    if added["others"] > (1 - _SAME_FEATURES) * max(added["known"], _FEW):
        return "the features of known rows have changed"
    total, made = _sum(before, added), before.about["made_from"]["of"]
    if total["rows"] >= options.remake_growth * made:
        return f"{total['rows']:,} rows were added to the {made:,} that it was made for"
    usual = before.about["noise_when_made"] / max(made, 1)
    share = total["noise"] / max(total["rows"], 1)
    if total["rows"] >= _FEW and share > usual + options.remake_noise:
        return f"{share:.0%} of the rows that were added are noise, and it was {usual:.0%}"
    return ""


def _sum(before: Before, added: dict[str, int]) -> dict[str, int]:
    return {key: before.about["added"][key] + added[key] for key in ("rows", "noise")}


def _numbered(
    model: Model, about: dict[str, Any], members: Members, before: Before | None
) -> tuple[Model, dict[str, Any], Members]:
    """Ids by size, or those of the clusters before."""
    counts = about.pop("counts")
    if before is None:
        names = cluster_tree.by_size(members.clusters)
        last = -1
    else:
        names, last = _old_ids(members, before, about)
    # Clusters that no row has, because they were made from rows of a sample only.
    for one in model.ids.tolist():
        names.setdefault(one, max([last, *names.values()]) + 1)
    clusters = np.array([names.get(one, NOISE) for one in members.clusters.tolist()], np.int32)
    about["by_cluster"] = {names[one]: value for one, value in about["by_cluster"].items()}
    about["largest_id"] = max([last, *names.values()], default=-1)
    about["noise_when_made"] = int((clusters == NOISE).sum())
    if before is not None:
        about["remade"] |= _moved(clusters, members, before)
    return renumber(model, names), about | {"counts": counts}, replace(members, clusters=clusters)


def _old_ids(members: Members, before: Before, about: dict[str, Any]) -> tuple[dict[int, int], int]:
    was, at = _common(members, before)
    last = before.about["largest_id"]
    names = cluster_tree.match(was, members.clusters[at], last)
    for one in np.unique(members.clusters[members.clusters >= 0]).tolist():
        names.setdefault(one, max([last, *names.values()]) + 1)
    return names, last


def _common(members: Members, before: Before) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The old clusters of rows that are there still, and where these rows are now."""
    place = {name: k for k, name in enumerate(members.pic_ids.tolist())}
    at = np.array([place.get(n, -1) for n in before.members["picID"].to_pylist()], np.int64)
    return before.members["cluster"].to_numpy()[at >= 0], at[at >= 0]


def _moved(clusters: NDArray[np.int32], members: Members, before: Before) -> dict[str, int]:
    was, at = _common(members, before)
    return {"moved": int((was != clusters[at]).sum()), "of": len(at)}


def _report(about: dict[str, Any], members: Members, model: Model) -> None:
    """Fill in what follows from the members."""
    ids = model.ids
    sizes = np.array([(members.clusters == one).sum() for one in ids.tolist()], np.int64)
    merges = cluster_tree.tree(ids, model.centres, sizes)
    parents = {child: merge.branch for merge in merges for child in merge.children}
    stable = {int(one): value for one, value in about["by_cluster"].items()}
    result = cluster_report.entries(members, stable, parents)
    noise = int((members.clusters == NOISE).sum())
    about["noise"] = noise
    about["metrics"] = cluster_report.metrics(members) | {
        "stability": about["stability"],
        "silhouette": about["silhouette"],
        "silhouette_features": about["silhouette_features"],
    }
    about["clusters"] = result
    about["hierarchy"] = [asdict(merge) for merge in merges]
    about["label_candidates"] = cluster_report.label_candidates(members, result)
    about["words"] = cluster_report.words(result, len(members), noise, about["measured"])


def _members(rows: Rows, assigned: Assigned) -> Members:
    categories = rows.category_names if rows.categories else np.full(len(rows), "", np.str_)
    return Members(
        rows.pic_ids,
        assigned.cluster,
        assigned.strength,
        assigned.distance,
        _shared(categories),
        _shared(rows.sources),
    )


def _shared(names: NDArray[np.str_]) -> NDArray[np.object_]:
    """The same names, each held once: a long name of a source is not repeated a million times."""
    different, at = np.unique(names, return_inverse=True)
    return different.astype(np.object_)[at]


def _joined(parts: Sequence[Members]) -> Members:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Members(*(np.concatenate(column) for column in columns))


def _as_assigned(table: pa.Table) -> Assigned:
    names = ("cluster", "strength", "distance")
    return Assigned(*(table[name].to_numpy() for name in names))


def _write(path: Path, model: Model, about: dict[str, Any], members: Members) -> None:
    """Write the model, then the members with all that is known of both: one file decides.

    A run that is killed before or after it finds the old clustering or the new one; what is told
    of it is made from these.
    """
    about["model"] = cluster_model.write(path.parent, model)
    columns = [members.pic_ids, members.clusters, members.strength, members.distance]
    arrays = [pa.array(c, f.type) for c, f in zip(columns, CLUSTER_MEMBERS, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=CLUSTER_MEMBERS)
    artifacts.write_parquet(path, table, metadata={"about": json.dumps(about)})
