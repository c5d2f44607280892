"""A small collection with everything that a dashboard shows, names with script in them included.

The pictures go through the real stages; what the studies make is written by their schemas.
"""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

import tiny
from naturalist import artifacts
from naturalist.config import Config
from naturalist.features import Rows, open_features
from naturalist.layout import Layout
from naturalist.schemas import (
    CLUSTER_MEMBERS,
    LABEL_ISSUES,
    NEAR_DUPLICATES,
    PREDICTIONS,
    map_schema,
)
from naturalist.studies.maps import region_names

SCRIPT = "<script>window.hostile=1</script>"
HOSTILE = "<img src=x onerror='window.hostile=1'>"
CLUSTERS = 4


def picture(seed: int, hue: int) -> bytes:
    """A PNG of coarse blocks around one colour."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 90, (5, 5, 3), dtype=np.uint8)
    blocks[..., hue] += 150
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((120, 100), Image.Resampling.NEAREST).save(buffer, "PNG")
    return buffer.getvalue()


def make_sources(root: Path, each: int) -> dict[str, dict[str, Path]]:
    """Two sources for each of three categories; hostile names, a broken file and a copy among."""
    found: dict[str, dict[str, Path]] = {}
    seed = 0
    for hue, category in enumerate(("animal", "plant", "human")):
        for name in ("near", "far"):
            folder = root / category / name
            folder.mkdir(parents=True)
            for k in range(each):
                seed += 1
                (folder / f"{k:03d}.png").write_bytes(picture(seed, hue))
            found.setdefault(category, {})[name] = folder
    plants = found["plant"]["near"]
    (plants / f"{HOSTILE[:40]}.png").write_bytes(picture(9_001, 1))
    (plants / "script&lt;.png").write_bytes(b"no picture " + SCRIPT.encode())
    (plants / "copy.png").write_bytes((plants / "000.png").read_bytes())
    return found


def studied_collection(folder: Path, each: int = 8, **more: Any) -> Config:
    """A collection that was run, published into a folder beside it, and studied."""
    sources = make_sources(folder / "sources", each)
    more = {"publish": {"url": str(folder / "published")}} | more
    config = tiny.collection(folder, sources, **more)
    tiny.config_file(folder, sources, **more)
    tiny.make_all(config)
    add_studies(config)
    return config


def add_studies(config: Config) -> None:
    """Write what the studies would."""
    layout = Layout(config.layout.root.absolute())
    rows = open_features(layout.root).read()
    rng = np.random.default_rng(0)
    clusters = rng.integers(0, CLUSTERS, len(rows)).astype(np.int32)
    clusters[:2] = -1
    for dims in (2, 3):
        _map(layout, rows, dims, rng)
    _clusters(layout, rows, clusters)
    _model(layout, rows, list(config.labels), rng)
    _reports(layout, rows)
    _run(layout)


def _map(layout: Layout, rows: Rows, dims: int, rng: np.random.Generator) -> None:
    folder = layout.map(f"tsne-{dims}d")
    at = rng.normal(0, 3, (len(rows), dims)) + 12 * rows.labels[:, np.newaxis]
    if dims == 2:
        at[:, 0] *= 1.6
    axes = {axis: at[:, k].astype(np.float32) for k, axis in enumerate("xyz"[:dims])}
    share = rng.random(len(rows)).astype(np.float32)
    columns = {
        "picID": rows.pic_ids.tolist(),
        **axes,
        "sampled": share < 0.7,
        "confidence": share,
        "density": 1 - share,
    }
    artifacts.write_parquet(folder / "points.parquet", pa.table(columns, schema=map_schema(dims)))
    artifacts.write_json(
        folder / "map.json",
        {
            "name": folder.name,
            "dims": dims,
            "method": "synthetic",
            "seed": 0,
            "rows": len(rows),
            "metrics": {"trustworthiness": 0.9, "knn_recall": {"10": 0.5}, "broken": float("nan")},
            "integrity": {"shares": 0.01},
        },
    )
    if dims == 2:
        _region_names(folder, at)


def _region_names(folder: Path, at: np.ndarray[Any, Any]) -> None:
    """Two places far off; from near by each region has a name of its own."""
    near = [f"finch {cell}" for cell in range(64)]
    levels = {4: ["birds" if cell % 4 < 2 else "trees" for cell in range(16)], 8: near}
    entries = [
        {"level": level, "cell": [cell % across, cell // across], "names": [{"name": name}]}
        for level, (across, names) in enumerate(levels.items())
        for cell, name in enumerate(names)
    ]
    report = {
        "low": at.min(axis=0).tolist(),
        "high": at.max(axis=0).tolist(),
        "groups": len(entries),
        "levels": [{"level": level, "across": across} for level, across in enumerate(levels)],
        "entries": entries,
    }
    region_names.names_of(folder).write(report, "")


def _clusters(layout: Layout, rows: Rows, members: np.ndarray[Any, Any]) -> None:
    folder = layout.clustering("default")
    columns = {
        "picID": rows.pic_ids.tolist(),
        "cluster": members,
        "strength": np.ones(len(rows), np.float32),
        "distance": np.zeros(len(rows), np.float32),
    }
    table = pa.table(columns, schema=CLUSTER_MEMBERS)
    artifacts.write_parquet(folder / "members.parquet", table)
    found = []
    for cluster in range(CLUSTERS):
        own = members == cluster
        names, counts = np.unique(rows.category_names[own], return_counts=True)
        found.append(
            {
                "cluster": cluster,
                "size": int(own.sum()),
                "purity": float(counts.max() / own.sum()),
                "category": str(names[counts.argmax()]),
                "categories": dict(zip(names.tolist(), counts.tolist(), strict=True)),
                "sources": {HOSTILE: int(own.sum())},
                "medoids": rows.pic_ids[own][:3].tolist(),
                "boundary": rows.pic_ids[own][-2:].tolist(),
                "mixed": cluster == CLUSTERS - 1,
                "single_source": False,
                "sheet": "../../../sources/plant/near/000.png" if cluster == 1 else None,
            }
        )
    metrics = {"ari": 0.4, "nmi": 0.5}
    document = {"name": "default", "method": HOSTILE, "rows": len(rows), "noise": 2}
    artifacts.write_json(
        folder / "clusters.json", document | {"metrics": metrics, "clusters": found}
    )


def _model(layout: Layout, rows: Rows, categories: list[str], rng: np.random.Generator) -> None:
    folder = layout.model("m1")
    filed = rows.category_names.tolist()
    predicted = [*filed[:-3], *([categories[0]] * 3)]
    sure = rng.uniform(0.4, 1, len(rows)).astype(np.float32)
    columns = {
        "picID": rows.pic_ids.tolist(),
        "category": filed,
        "predicted": predicted,
        "probability": sure,
        "given_probability": sure,
        "outlier_score": 1 - sure,
        "known": [True] * len(rows),
        "sure": [True] * len(rows),
        "held_out": [True] * len(rows),
    }
    artifacts.write_parquet(folder / "predictions.parquet", pa.table(columns, schema=PREDICTIONS))
    artifacts.write_json(folder / "model.json", {"id": "m1", "kind": "logistic", "made_at": "x"})
    matrix = (10 * np.eye(len(categories)) + 1).astype(int).tolist()
    artifacts.write_json(
        folder / "evaluation.json",
        {
            "random_split": {"balanced_accuracy": 0.99, "interval": [0.98, 1.0]},
            "leave_one_source_out": {
                "balanced_accuracy": 0.8,
                "interval": [0.6, 0.9],
                "per_source": [
                    {"source": HOSTILE, "category": "plant", "rows": 5, "accuracy": 0.4}
                ],
            },
            "gap": 0.19,
            "confusion": {"categories": categories, "matrix": matrix},
            "calibration": {"ece": 0.04, "bins": [{"confidence": 0.5, "accuracy": 0.6, "rows": 3}]},
            "selective": [{"coverage": 0.5, "accuracy": 0.9}, {"coverage": 1, "accuracy": 0.8}],
            "leaning": [HOSTILE],
            "advice": [SCRIPT],
        },
    )
    history = [{"model": "m1", "at": "2026-11-25", "action": "promote", "reason": SCRIPT}]
    artifacts.write_json(layout.champion, {"champion": "m1", "history": history})


def _reports(layout: Layout, rows: Rows) -> None:
    names = rows.pic_ids.tolist()
    issue = {"picID": names[0], "category": "animal", "suggested": HOSTILE, "score": 0.9, "rank": 1}
    artifacts.write_parquet(
        layout.label_issues, pa.Table.from_pylist([issue | {"is_suspect": True}], LABEL_ISSUES)
    )
    pair = [
        {"picID": name, "group": names[0], "distance": k, "cosine": 0.99}
        for k, name in enumerate(names[:2])
    ]
    artifacts.write_parquet(layout.near_duplicates, pa.Table.from_pylist(pair, NEAR_DUPLICATES))
    artifacts.write_json(
        layout.drift("000001"),
        {"batch": 1, "rows": len(rows), "at": "2026-11-25T07:00:00+00:00", "verdict": "drift",
         "words": [f"The light differs {SCRIPT}"], "pictures": names[:2], "tests": []},
    )  # fmt: skip


def _run(layout: Layout) -> None:
    for number in (1, 2):
        report = {
            "outcome": "done" if number == 1 else "StoreError",
            "error": None if number == 1 else SCRIPT,
            "started_at": f"2026-11-2{number}T07:00:00+00:00",
            "duration_s": 4.0,
            "stages": {
                "ingest": {"batches": [1] if number == 1 else [], "duration_s": 1.0},
                "extract": {"pictures": 40, "shards": 2, "refused": 0, "duration_s": 2.0},
            },
        }
        artifacts.write_json(layout.runs / f"{number:06d}.json", report)
