"""What maps cost and keep, beside other programs: same data, same run.

    python benchmarks/maps.py neighbours     searching 10^5 x 50 for 90 neighbours
    python benchmarks/maps.py layouts        10^5 x 512 as a flat map
    python benchmarks/maps.py small          10^4 x 512, where scikit-learn finishes
    python benchmarks/maps.py engines        octree and interpolation by number of points
    python benchmarks/maps.py cubes          10^5 x 512 in 3D, every point laid out
    python benchmarks/maps.py million        10^6 x 512, in 2D and 3D, and what rare clusters keep

Each program runs in a process of its own. Wall time follows what else the machine does; processor
time (all threads) hardly does. Results are printed as JSON, one line for each, and appended to the
file that --out names. Programs that are not installed are left out: they are faiss-cpu, usearch,
pynndescent, annoy (with openTSNE), umap-learn.
"""

import argparse
import contextlib
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

DIM, COMMON, RANK, BLOCK = 512, 200, 30, 10_000
RARE, RARE_MEMBERS = 50, 20
CORES = len(os.sched_getaffinity(0))


# data


class Mixture:
    """Clusters of very different sizes and shapes, and some of 20 points; made block by block."""

    def __init__(self, rows: int, seed: int = 0, rare: int = RARE) -> None:
        rng = np.random.default_rng(seed)
        shares = rng.pareto(1.2, COMMON) + 0.2
        self.rows = rows
        self.cluster = rng.choice(COMMON, rows, p=shares / shares.sum())
        few = rng.choice(rows, rare * RARE_MEMBERS, replace=False)
        self.cluster[few] = COMMON + np.repeat(np.arange(rare), RARE_MEMBERS)
        base = rng.normal(size=(40, DIM)) / np.sqrt(40)
        self.centres = (rng.normal(size=(COMMON + rare, 40)) @ base).astype("f")
        fall = 0.8 ** np.arange(RANK)
        self.shapes = [
            (rng.normal(size=(RANK, DIM)) * fall[:, None] * rng.uniform(0.05, 0.16)).astype("f")
            for _ in range(COMMON + rare)
        ]

    def blocks(self) -> Iterator[Any]:
        for start in range(0, self.rows, BLOCK):
            rng = np.random.default_rng([1, start])
            cluster = self.cluster[start : start + BLOCK]
            block = self.centres[cluster] + 0.1 * rng.standard_normal((len(cluster), DIM), "f")
            for one in np.unique(cluster):
                rows = np.flatnonzero(cluster == one)
                block[rows] += rng.standard_normal((len(rows), RANK), "f") @ self.shapes[one]
            yield block

    def all(self) -> Any:
        return np.concatenate(list(self.blocks()))


def reduced(rows: int) -> Any:
    from naturalist.studies.maps.methods.drawing import reduce_all
    from naturalist.studies.maps.options import DrawingOptions

    data = Mixture(rows, rare=0)
    return reduce_all(data.blocks, rows, DrawingOptions(unit=False))[1]


# neighbours


def search_own(points: Any, k: int, recall: float) -> Any:
    from naturalist.numeric import neighbours

    return neighbours.nearest(points, k, recall=recall).index


def search_faiss(points: Any, k: int, probes: int) -> Any:
    import faiss

    faiss.omp_set_num_threads(CORES)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(points.shape[1]), points.shape[1], 474)
    index.train(points[:20_000])
    index.add(points)
    index.nprobe = probes
    return index.search(points, k + 1)[1]


def search_hnsw(points: Any, k: int, _: int) -> Any:
    import faiss

    faiss.omp_set_num_threads(CORES)
    index = faiss.IndexHNSWFlat(points.shape[1], 16)
    index.add(points)
    index.hnsw.efSearch = 100
    return index.search(points, k + 1)[1]


def search_usearch(points: Any, k: int, _: int) -> Any:
    from usearch.index import Index

    index = Index(ndim=points.shape[1], metric="l2sq", dtype="f32")
    index.add(np.arange(len(points)), points, threads=CORES)
    return index.search(points, k + 1, threads=CORES).keys.astype(np.int64)


def search_pynndescent(points: Any, k: int, _: int) -> Any:
    from pynndescent import NNDescent

    made = NNDescent(points, n_neighbors=k + 1, random_state=0, n_jobs=CORES)
    return made.neighbor_graph[0]


def search_annoy(points: Any, k: int, _: int) -> Any:
    from openTSNE.nearest_neighbors import Annoy

    return Annoy(points, k, n_jobs=CORES, random_state=0).build()[0]


SEARCHES: dict[str, tuple[Callable[..., Any], Any]] = {
    "naturalist, recall 0.95": (search_own, 0.95),
    "naturalist, recall 0.99": (search_own, 0.99),
    "faiss IVF, 4 probes": (search_faiss, 4),
    "faiss IVF, 8 probes": (search_faiss, 8),
    "faiss HNSW": (search_hnsw, 0),
    "usearch": (search_usearch, 0),
    "pynndescent": (search_pynndescent, 0),
    "annoy as in openTSNE": (search_annoy, 0),
    "naturalist, exact": (search_own, 1.0),
}


def run_search(name: str, rows: int) -> dict[str, Any]:
    from naturalist.numeric import neighbours

    points, k = reduced(rows), 90
    asked = np.sort(np.random.default_rng(0).choice(rows, 500, replace=False))
    true, _ = neighbours.exact(points, points[asked], k, asked)
    search, effort = SEARCHES[name]
    _warm(points)
    found, cost = timed(lambda: search(points, k, effort))
    shares = [
        len(np.intersect1d(row[row != own][:k], best)) / k
        for own, row, best in zip(asked, found[asked], true, strict=True)
    ]
    return {"recall": round(float(np.mean(shares)), 4)} | cost


def _warm(points: Any) -> None:
    """Let the compiler finish, and what it made be kept, before anything is timed."""
    from naturalist.studies.maps.methods.drawing import draw
    from naturalist.studies.maps.options import DrawingOptions, TsneOptions

    few = points[:600]
    quick = TsneOptions(early_iterations=2, iterations=2)
    draw(lambda: [few], len(few), DrawingOptions(sample=300, tsne=quick))


# layouts


def lay_naturalist(points: Any, dims: int, sample: int = 0) -> Any:
    """As `draw` does it, without measuring the map: the others do not measure theirs."""
    from naturalist.studies.maps.methods import drawing
    from naturalist.studies.maps.options import DrawingOptions

    # All axes are kept: the others see all values too.
    options = DrawingOptions(dims=dims, sample=sample, unit=False, kept=DIM)
    blocks = [points[k : k + BLOCK] for k in range(0, len(points), BLOCK)]
    fitted, reduced = drawing.reduce_all(lambda: blocks, len(points), options)
    chosen = drawing.choose_sample(reduced, options).rows
    layout = drawing.lay_out_sample(reduced, chosen, options, None, drawing.SILENT)
    model = drawing.MapModel(fitted, reduced[chosen], layout.coordinates)
    return drawing.place_all(model, reduced, chosen, layout, options, drawing.SILENT).coordinates


def lay_naturalist_sampled(points: Any, dims: int) -> Any:
    return lay_naturalist(points, dims, 30_000)


def lay_opentsne(points: Any, dims: int) -> Any:
    from openTSNE import TSNE

    return np.asarray(TSNE(dims, random_state=0).fit(points), "f")


def lay_opentsne_in_parallel(points: Any, dims: int) -> Any:
    from openTSNE import TSNE

    return np.asarray(TSNE(dims, n_jobs=CORES, random_state=0).fit(points), "f")


def lay_umap(points: Any, dims: int) -> Any:
    from umap import UMAP

    return UMAP(n_components=dims, n_jobs=CORES).fit_transform(points)


def lay_sklearn(points: Any, dims: int) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(dims, n_jobs=CORES, random_state=0).fit_transform(points)


LAYOUTS: dict[str, Callable[[Any, int], Any]] = {
    "naturalist, all laid out": lay_naturalist,
    "naturalist, 30,000 laid out": lay_naturalist_sampled,
    "openTSNE, all cores": lay_opentsne_in_parallel,
    "openTSNE out of the box": lay_opentsne,
    "UMAP": lay_umap,
    "scikit-learn": lay_sklearn,
}


def run_layout(name: str, rows: int, dims: int) -> dict[str, Any]:
    from naturalist.numeric import neighbours
    from naturalist.studies.maps.methods import affinities, tsne
    from naturalist.studies.maps.methods import quality as map_quality

    points = Mixture(rows, rare=0).all()
    _warm(points)
    made, cost = timed(lambda: LAYOUTS[name](points, dims))
    near = neighbours.nearest(points, 90, recall=0.98)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 30))
    found = map_quality.measure(points, np.ascontiguousarray(made, "f"))
    return {
        "kl_divergence": round(tsne.kl_divergence(strengths, made), 3),
        "knn_recall": {k: round(v, 4) for k, v in found.knn_recall.items()},
        "trustworthiness": round(found.trustworthiness, 4),
        "continuity": round(found.continuity, 4),
    } | cost


def run_engine(name: str, rows: int) -> dict[str, Any]:
    """Steps of each engine from the middle of a layout on, where points are spread already."""
    from naturalist.numeric import neighbours
    from naturalist.studies.maps.methods import affinities, tsne
    from naturalist.studies.maps.options import TsneOptions

    points = reduced(rows)
    near = neighbours.nearest(points, 90)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 30))
    first = TsneOptions(early_iterations=100, iterations=200)
    start = tsne.start_from(points, 2, 0)
    spread = tsne.by_octree(strengths, start, first).astype(float)
    some = TsneOptions(early_iterations=0, iterations=20)
    tsne.INTERPOLATED_FROM = 0 if name == "interpolation" else 10**12
    _, cost = timed(lambda: tsne.lay_out(strengths, spread, some))
    return {"steps": 20} | cost


# a million, in stages that can be repeated one by one


def run_reduce(rows: int, scratch: str) -> dict[str, Any]:
    from naturalist.studies.maps.methods.drawing import reduce_all
    from naturalist.studies.maps.options import DrawingOptions

    data = Mixture(rows)
    how = DrawingOptions(unit=False)
    (fitted, points), cost = timed(lambda: reduce_all(data.blocks, rows, how))
    np.save(f"{scratch}/reduced.npy", points)
    np.save(f"{scratch}/cluster.npy", data.cluster)
    return {"explained": round(fitted.explained, 3)} | cost


def run_sample(rows: int, scratch: str, size: int) -> dict[str, Any]:
    from naturalist.studies.maps.methods.drawing import choose_sample
    from naturalist.studies.maps.options import DrawingOptions

    points, cluster = np.load(f"{scratch}/reduced.npy"), np.load(f"{scratch}/cluster.npy")
    _warm(points)
    sample, cost = timed(lambda: choose_sample(points, DrawingOptions(sample=size)))
    np.save(f"{scratch}/chosen.npy", sample.rows)
    kept = np.bincount(cluster[sample.rows], minlength=COMMON + RARE)[COMMON:]
    return {
        "sampled": len(sample.rows),
        "rare_clusters_that_keep_10_of_20": f"{int((kept >= 10).sum())} of {RARE}",
        "least_kept_of_20": int(kept.min()),
        "uniform_would_keep": round(RARE_MEMBERS * len(sample.rows) / rows, 2),
    } | cost


def run_lay(rows: int, scratch: str, dims: int) -> dict[str, Any]:
    from naturalist.studies.maps.methods.drawing import SILENT, lay_out_sample
    from naturalist.studies.maps.options import DrawingOptions

    points, chosen = np.load(f"{scratch}/reduced.npy"), np.load(f"{scratch}/chosen.npy")
    _warm(points)
    options = DrawingOptions(dims=dims)
    made, cost = timed(lambda: lay_out_sample(points, chosen, options, None, SILENT))
    np.savez(
        f"{scratch}/layout-{dims}.npz",
        coordinates=made.coordinates,
        index=made.index,
        distance=made.distance,
    )
    return {"rows": rows, "kl_divergence": round(made.kl_divergence or 0.0, 3)} | cost


def run_place(rows: int, scratch: str, dims: int) -> dict[str, Any]:
    from naturalist.numeric.reduction import fit_reduction
    from naturalist.studies.maps.methods.drawing import (
        SILENT,
        DrawingOptions,
        Layout,
        MapModel,
        place_all,
    )

    points, chosen = np.load(f"{scratch}/reduced.npy"), np.load(f"{scratch}/chosen.npy")
    _warm(points)
    held = np.load(f"{scratch}/layout-{dims}.npz")
    layout = Layout(held["coordinates"], held["index"], held["distance"], 1.0, None)
    model = MapModel(fit_reduction([points[:100]]), points[chosen], layout.coordinates)
    placed, cost = timed(
        lambda: place_all(model, points, chosen, layout, DrawingOptions(dims=dims), SILENT)
    )
    np.save(f"{scratch}/placed-{dims}.npy", placed.coordinates)
    return {"placed": rows - len(chosen)} | cost


def run_measure(rows: int, scratch: str, dims: int) -> dict[str, Any]:
    from naturalist.numeric import neighbours
    from naturalist.studies.maps.methods import quality as map_quality

    points, cluster = np.load(f"{scratch}/reduced.npy"), np.load(f"{scratch}/cluster.npy")
    made = np.load(f"{scratch}/placed-{dims}.npy")
    found, cost = timed(lambda: map_quality.measure(points, made, queries=300))
    rare = np.flatnonzero(cluster >= COMMON)
    near, _ = neighbours.exact(made, made[rare], RARE_MEMBERS - 1, rare)
    together = (cluster[near] == cluster[rare][:, None]).mean()
    return {
        "rows": rows,
        "knn_recall": {k: round(v, 4) for k, v in found.knn_recall.items()},
        "trustworthiness": round(found.trustworthiness, 4),
        "continuity": round(found.continuity, 4),
        "neighbours_of_rare_points_of_the_same_cluster": round(float(together), 3),
    } | cost


# running


def timed(call: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    start, cpu = time.perf_counter(), time.process_time()
    result = call()
    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return result, {"wall_s": round(wall, 1), "cpu_s": round(cpu, 1), "peak_mb": peak}


def tasks(part: str, rows: int | None, scratch: str) -> Iterator[list[Any]]:
    if part == "neighbours":
        yield from (["search", name, rows or 100_000] for name in SEARCHES)
    elif part == "layouts":
        names = [name for name in LAYOUTS if name != "scikit-learn"]
        yield from (["layout", name, rows or 100_000, 2] for name in names)
    elif part == "small":
        yield from (["layout", name, rows or 10_000, 2] for name in LAYOUTS)
        yield from (["layout", name, rows or 10_000, 3] for name in LAYOUTS if "open" not in name)
    elif part == "cubes":
        yield ["layout", "naturalist, all laid out", rows or 100_000, 3]
        yield ["layout", "naturalist, 30,000 laid out", rows or 100_000, 3]
    elif part == "engines":
        for count in [rows] if rows else [10_000, 50_000, 200_000]:
            yield from (["engine", name, count] for name in ("octree", "interpolation"))
    else:
        count = rows or 1_000_000
        yield ["reduce", count, scratch]
        # What is said of rare clusters is said of the smaller one; the map is made of the last.
        yield from (["sample", count, scratch, size] for size in (30_000, 100_000))
        stages = [(stage, dims) for dims in (2, 3) for stage in ("lay", "place", "measure")]
        yield from ([stage, count, scratch, dims] for stage, dims in stages)


PARTS = ("neighbours", "layouts", "small", "engines", "cubes", "million")
RUNS = {
    "search": run_search,
    "layout": run_layout,
    "engine": run_engine,
    "reduce": run_reduce,
    "sample": run_sample,
    "lay": run_lay,
    "place": run_place,
    "measure": run_measure,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--only", default="", help="tasks whose name has this in it")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--scratch", type=Path, help="keeps what the stages of `million` make")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.task:
        kind, *arguments = json.loads(asked.task)
        print(json.dumps(RUNS[kind](*arguments)))
        return
    with contextlib.ExitStack() as held:
        scratch = asked.scratch or held.enter_context(tempfile.TemporaryDirectory())
        for task in tasks(asked.part, asked.rows, str(scratch)):
            if asked.only in str(task):
                tell(task, asked.out)


def tell(task: list[Any], out: Path | None) -> None:
    load = [round(x, 1) for x in os.getloadavg()]
    command = [sys.executable, __file__, PARTS[0], "--task", json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        found: dict[str, Any] = {"failed": done.stderr.strip().splitlines()[-1:]}
    else:
        found = json.loads(done.stdout.splitlines()[-1])
    line = json.dumps({"task": task, "load_before": load} | found)
    print(line, flush=True)
    if out is not None:
        with out.open("a") as file:
            file.write(line + "\n")


if __name__ == "__main__":
    main()
