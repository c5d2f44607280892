"""Clusters and similar pictures: what the choices in docs/clusters.md rest on.

    python benchmarks/clusters.py methods --photos WORKSPACE
    python benchmarks/clusters.py scale --rows 1000000
    python benchmarks/clusters.py search --rows 1000000

`methods` compares k-means, HDBSCAN of scikit-learn, fast-hdbscan and EVoC on a workspace of photos,
whose folders say what is in the pictures, and on a mixture with rare clusters. `scale` clusters
synthetic rows, 20 members in each rare cluster, and adds a thousand. `search` compares the index
with usearch, faiss and pynndescent. Each part runs in a process of its own, so that its peak memory
is its own. Packages: pip install --group bench.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DIM, COMMON, RARE, RARE_MEMBERS, SHAPE = 512, 60, 20, 20, 32
BLOCK = 10_000


def centres(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.normal(size=(DIM, SHAPE)))[0].T
    middles = rng.normal(size=(COMMON + RARE, SHAPE))
    return basis, middles, rng.uniform(0.15, 0.45, size=(COMMON + RARE, SHAPE))


def blocks(rows: int, seed: int = 0) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Features (n, 512) and the cluster of each: common ones by Zipf's law, rare ones of 20."""
    basis, middles, spreads = centres(seed)
    weights = 1 / np.arange(1, COMMON + 1) ** 0.7
    rng = np.random.default_rng([seed, 1])
    cluster = rng.choice(COMMON, rows, p=weights / weights.sum())
    rare = rng.choice(rows, RARE * RARE_MEMBERS, replace=False)
    cluster[rare] = COMMON + np.arange(len(rare)) // RARE_MEMBERS
    for start in range(0, rows, BLOCK):
        mine = cluster[start : start + BLOCK]
        rng = np.random.default_rng([seed, 2, start])
        inner = middles[mine] + rng.normal(size=(len(mine), SHAPE)) * spreads[mine]
        noise = rng.normal(size=(len(mine), DIM)).astype(np.float32) * 0.03
        yield (inner.astype(np.float32) @ basis.astype(np.float32) + noise), mine


def write(path: Path, rows: int) -> np.ndarray:
    found, writer, seen = [], None, 0
    for features, cluster in blocks(rows):
        flat = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), DIM)
        names = [f"r{k}" for k in range(seen, seen + len(features))]
        table = pa.table({"picID": names, "features": flat})
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
        found.append(cluster)
        seen += len(features)
    writer.close()
    return np.concatenate(found)


def mean_f1(found: np.ndarray, truth: np.ndarray, wanted: range) -> float:
    scores = []
    for one in wanted:
        inside = found[truth == one]
        names, counts = np.unique(inside[inside >= 0], return_counts=True)
        if not len(names):
            scores.append(0.0)
            continue
        best = names[counts.argmax()]
        right, named = counts.max() / len(inside), (truth[found == best] == one).mean()
        scores.append(2 * right * named / (right + named))
    return float(np.mean(scores))


def timed(call: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = call()
    return result, time.perf_counter() - start


# methods


def photo_features(workspace: Path) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    from naturalist import ledger
    from naturalist.features import open_features
    from naturalist.layout import Layout

    rows = open_features(workspace).read()
    with ledger.connect(Layout(workspace)) as connection:
        query = "SELECT pic_id, path_text FROM ledger WHERE outcome = 'accepted'"
        listed = ledger.query(connection, query).to_pylist()
    folders = {row["pic_id"]: str(Path(row["path_text"]).parent) for row in listed}
    subject = [
        f"{category} {source} {folders[name]}"
        for name, category, source in zip(
            rows.pic_ids.tolist(), rows.category_names.tolist(), rows.sources.tolist(), strict=True
        )
    ]
    return rows.features, {
        "categories": rows.labels,
        "subjects": np.unique(subject, return_inverse=True)[1],
    }


def methods_of(points: np.ndarray, features: np.ndarray) -> Iterator[tuple[str, Callable[[], Any]]]:
    from naturalist.studies.clusters.methods.clustering import assign, make_model, reduce_rows
    from naturalist.studies.clusters.options import ClusterOptions

    for count in (8, 16, 32, 64):
        options = ClusterOptions()
        reduction = reduce_rows(features, options)
        yield (
            f"k-means, {count}",
            lambda c=count, r=reduction, o=options: (
                assign(make_model(r(features), r, o, c), r(features)).cluster
            ),
        )
    from sklearn.cluster import HDBSCAN

    yield (
        "scikit-learn HDBSCAN",
        lambda: HDBSCAN(min_cluster_size=10, min_samples=5, copy=True).fit_predict(points),
    )
    try:
        import fast_hdbscan

        for selection in ("eom", "leaf"):
            yield (
                f"fast-hdbscan, {selection}",
                lambda s=selection: fast_hdbscan.HDBSCAN(
                    min_cluster_size=10, min_samples=5, cluster_selection_method=s
                ).fit_predict(points),
            )
    except ImportError:
        print("fast-hdbscan is not installed")
    try:
        import evoc

        yield (
            "EVoC, 512 features",
            lambda: evoc.EVoC(random_state=0, base_min_cluster_size=10).fit_predict(features),
        )
        yield (
            "EVoC, 64 axes",
            lambda: evoc.EVoC(random_state=0, base_min_cluster_size=10).fit_predict(points),
        )
    except ImportError:
        print("EVoC is not installed")


def compare_methods(arguments: argparse.Namespace) -> None:
    from naturalist.numeric.reduction import to_unit
    from naturalist.studies.clusters.methods.clustering import reduce_rows
    from naturalist.studies.clusters.methods.quality import agreement
    from naturalist.studies.clusters.options import ClusterOptions

    sets = {}
    if arguments.photos:
        sets["photos"] = photo_features(arguments.photos)
    parts = list(blocks(arguments.rows or 12_000))
    mixed = np.concatenate([part for part, _ in parts])
    sets["mixture"] = (mixed, {"clusters": np.concatenate([cluster for _, cluster in parts])})
    for name, (features, truths) in sets.items():
        unit = to_unit(features)
        points = reduce_rows(features, ClusterOptions())(features)
        for method, run in methods_of(points, unit):
            first, cold = timed(run)
            _, warm = timed(run)
            said = {
                "clusters": len(np.unique(first[first >= 0])),
                "noise": round(float((first < 0).mean()), 3),
            }
            for what, truth in truths.items():
                found = agreement(first.astype(np.int32), truth)
                said |= {
                    f"ari {what}": round(found["ari"], 3),
                    f"nmi {what}": round(found["nmi"], 3),
                }
                if what == "clusters":
                    said["rare F1"] = round(mean_f1(first, truth, range(COMMON, COMMON + RARE)), 3)
            print(
                f"{name:8} {method:22} first {cold:6.1f} s, then {warm:5.1f} s  {json.dumps(said)}",
                flush=True,
            )


# scale


def run_scale(arguments: argparse.Namespace) -> None:
    for method in arguments.only or ("kmeans", "hdbscan"):
        _in_process(
            "_scale", arguments.rows or 100_000, method, arguments.made_from, arguments.count
        )


def _scale(rows: int, method: str, made_from: int, count: int) -> None:
    from naturalist.features import open_file
    from naturalist.layout import Layout
    from naturalist.progress import Silent
    from naturalist.studies.clusters.methods.quality import agreement
    from naturalist.studies.clusters.options import ClusterOptions
    from naturalist.studies.clusters.study import ClusterStudy
    from naturalist.studies.study import bring_up_to_date

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth, writing = timed(lambda: write(folder / "v.parquet", rows))
        base = _peak()
        files = open_file(folder / "v.parquet")
        options = ClusterOptions(method=method, rows=made_from, count=count)

        def cluster(features: Any) -> Any:
            study = ClusterStudy(features, Layout(folder), options, Silent())
            return bring_up_to_date(study).report

        found, seconds = timed(lambda: cluster(files))
        peak = _peak()
        members = pq.read_table(folder / "clusters/default/members.parquet")["cluster"].to_numpy()
        new = vectors_after(files, 1000)
        again, growing = timed(lambda: cluster(new))
        said = agreement(members, truth)
        print(
            f"{rows:,} x {DIM} {method}: {seconds:.0f} s, peak {peak:.0f} MB ({base:.0f} before), "
            f"{len(found['clusters'])} clusters of {COMMON + RARE}, "
            f"noise {found['noise'] / rows:.4f}, "
            f"ari {said['ari']:.3f}, nmi {said['nmi']:.3f}, stability {found['stability']:.3f}, "
            f"rare F1 {mean_f1(members, truth, range(COMMON, COMMON + RARE)):.3f}; 1,000 more: "
            f"{growing:.1f} s, added {again['added']}; wrote input in {writing:.0f} s",
            flush=True,
        )


def vectors_after(files: Any, rows: int) -> Any:
    from naturalist.features import FeatureFile, FeatureTable, Rows

    features = next(blocks(100_000))[0][:rows]
    names = np.array([f"new{k}" for k in range(rows)])
    made = Rows(names, features, np.zeros(rows, np.int32), np.full(rows, "new"), {}, "")
    file = FeatureFile("new", "new", lambda: made, lambda: made)
    return FeatureTable((*files.files, file), files.dim, {}, files.what)


# search


def run_search(arguments: argparse.Namespace) -> None:
    for which in arguments.only or (
        "own",
        "usearch f16",
        "usearch i8",
        "faiss HNSW",
        "pynndescent",
    ):
        _in_process("_search", arguments.rows or 100_000, which)


def _search(rows: int, which: str) -> None:
    from naturalist.numeric.reduction import to_unit

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder / "v.parquet", rows)
        queries = to_unit(
            np.concatenate([f[:20] for f, _ in blocks(200_000 if rows > 200_000 else rows)])
        )[:200]
        true, _ = timed(lambda: exact(rows, queries))
        if which == "own":
            _search_own(folder, rows, queries, true)
            return
        vectors = np.concatenate([to_unit(f) for f, _ in blocks(rows)])
        base = _peak()
        try:
            (ask, build_s) = timed(lambda: build(which, vectors))
        except ImportError as error:
            print(f"{which}: {error}")
            return
        ask(queries[:2])
        found, seconds = timed(lambda: np.concatenate([ask(q[None]) for q in queries]))
        _tell(which, rows, build_s, seconds / len(queries), found, true, base)


def exact(rows: int, queries: np.ndarray) -> np.ndarray:
    from naturalist.numeric.reduction import to_unit

    names, scores, seen = (
        np.empty((len(queries), 0), np.int64),
        np.empty((len(queries), 0), np.float32),
        0,
    )
    for features, _ in blocks(rows):
        block = queries @ to_unit(features).T
        scores = np.hstack([scores, block])
        names = np.hstack(
            [names, np.broadcast_to(np.arange(seen, seen + len(features)), block.shape)]
        )
        top = np.argpartition(-scores, 9, axis=1)[:, :10]
        scores, names = np.take_along_axis(scores, top, 1), np.take_along_axis(names, top, 1)
        seen += len(features)
    return names


def build(which: str, vectors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    if which.startswith("usearch"):
        from usearch.index import Index

        index = Index(ndim=DIM, metric="cos", dtype=which.split()[1])
        index.add(np.arange(len(vectors)), vectors, threads=2)
        return lambda q: np.atleast_2d(index.search(q, 10).keys).astype(np.int64)
    if which == "faiss HNSW":
        import faiss

        index = faiss.IndexHNSWFlat(DIM, 16, faiss.METRIC_INNER_PRODUCT)
        index.add(vectors)
        index.hnsw.efSearch = 64
        return lambda q: index.search(q, 10)[1]
    import pynndescent

    index = pynndescent.NNDescent(vectors, metric="dot", n_neighbors=30, random_state=0)
    index.prepare()
    return lambda q: index.query(q, 10)[0]


def _search_own(folder: Path, rows: int, queries: np.ndarray, true: np.ndarray) -> None:
    from naturalist.features import open_file
    from naturalist.layout import Layout
    from naturalist.progress import Silent
    from naturalist.studies.similar import study as similar
    from naturalist.studies.study import bring_up_to_date

    files, layout = open_file(folder / "v.parquet"), Layout(folder)
    base = _peak()

    def update(features: Any) -> Any:
        return bring_up_to_date(similar.IndexStudy(features, layout, "b", Silent())).report

    about, build_s = timed(lambda: update(files))
    index = similar.open_index(layout)
    index.search(queries[:1], 10)
    found, seconds = timed(lambda: np.concatenate([index.search(q[None], 10)[0] for q in queries]))
    _tell(
        f"own, {about['candidates']} candidates",
        rows,
        build_s,
        seconds / len(queries),
        found,
        true,
        base,
    )
    found, seconds = timed(lambda: index.search(queries, 10)[0])
    _tell("own, exact, 200 at once", rows, build_s, seconds / len(queries), found, true, base)
    _, seconds = timed(lambda: update(vectors_after(files, 1000)))
    size = sum(path.stat().st_size for path in layout.index("b").iterdir()) / 1e6
    print(f"own: {size:,.0f} MB on the disk; 1,000 more in {seconds:.1f} s", flush=True)


def _tell(
    which: str, rows: int, build_s: float, query_s: float, found: Any, true: Any, base: float
) -> None:
    from naturalist.studies.similar.methods.vector_search import recall

    print(
        f"{rows:,} {which:26} build {build_s:7.1f} s, query {1000 * query_s:8.2f} ms, "
        f"recall@10 {recall(np.asarray(found), true):.4f}, "
        f"peak {_peak():,.0f} MB ({base:,.0f} before)",
        flush=True,
    )


# processes


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _in_process(function: str, *arguments: Any) -> None:
    code = f"import clusters; clusters.{function}(*{arguments!r})"
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": paths})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["methods", "scale", "search"])
    parser.add_argument("--rows", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="of scale: methods; of search: indexes")
    parser.add_argument("--made-from", type=int, default=20_000, help="rows of the sample")
    parser.add_argument("--count", type=int, default=0, help="clusters of k-means; 0 chooses")
    parser.add_argument("--photos", type=Path)
    arguments = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    {"methods": compare_methods, "scale": run_scale, "search": run_search}[arguments.what](
        arguments
    )
    print(f"load {os.getloadavg()[0]:.1f}", flush=True)


if __name__ == "__main__":
    main()
