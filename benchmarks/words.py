"""Search by words: sixty everyday queries, written down before any result was looked at.

    python benchmarks/words.py make DIR PHOTOS [PHOTOS ...]
    python benchmarks/words.py search WORKSPACE [WORKSPACE ...]
    python benchmarks/words.py concepts WORKSPACE [WORKSPACE ...]
    python benchmarks/words.py classes WORKSPACE [WORKSPACE ...]
    python benchmarks/words.py scale [--rows 1000000] [--keep DIR] [--paths-only]
    python benchmarks/words.py names [--rows 1000000] [--keep DIR]

- `make`: two collections of photos that lie as <category>/<source>/..., with EfficientNet-Lite0 at
  128 px (int8) and at 224 px.
- `search`: precision at 20 (at fewer where fewer pictures are right), mean average precision and
  the share of unknown words that are said to be unknown; by the network's classes alone, by words
  of paths alone, and by both. The truth comes from folder names, so paths are right by
  construction wherever a query is a folder's name: their column shows coverage, not skill.
- `concepts`: the same measures for concepts from a few examples, for queries that the classes do
  not know; examples drawn at random beside examples that were asked for.
- `classes`: how often the most probable class is right, by its probability; judged where a folder's
  name is a noun that has classes.
- `scale`: a query over made-up words of paths and (without `--paths-only`) of a metadata column,
  and vectors: time and memory.
- `names`: names of the regions of a made-up map in the plane and one in space, by such words of
  paths and classes: time and memory.

The truth of a query is a pattern over the paths of the pictures. `CLASSLESS` names the queries for
which the thousand classes of ImageNet have no class (or, for people, hardly any): a search should
say so instead of answering.
"""

import argparse
import dataclasses
import json
import multiprocessing
import re
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa

import machine
from naturalist import artifacts
from naturalist.cli import main as naturalist
from naturalist.config import load_config
from naturalist.curation.searching import open_words
from naturalist.features import FeatureFile, FeatureTable, Rows
from naturalist.layout import Layout, MapFolder
from naturalist.progress import SILENT
from naturalist.schemas import map_schema
from naturalist.studies.study import bring_up_to_date
from naturalist.studies.words.column_words import FIELD
from naturalist.studies.words.groups import named_groups
from naturalist.studies.words.heads import head_of
from naturalist.studies.words.index import (
    NO_TOKENS,
    columns_path,
    open_word_index,
    paths_of,
    token_table,
)
from naturalist.studies.words.methods.concepts import (
    BACKGROUND,
    Concept,
    cross_validate,
    fit_concept,
    most_informative,
)
from naturalist.studies.words.methods.meanings import BARELY
from naturalist.studies.words.methods.nouns import read_nouns
from naturalist.studies.words.methods.queries import Term, parse
from naturalist.studies.words.opening import Words
from naturalist.studies.words.region_names import RegionNameStudy
from naturalist.studies.words.search import prepared, search
from naturalist.studies.words.study import WordStudy

QUERIES = {
    "dog": r"/dogs/|/dalmatian/",
    "cat": r"/cats/|/wild_cat/",
    "panda": r"/panda/",
    "raccoon": r"\+raccoon_dataset/",
    "elephant": r"/elephant/",
    "kangaroo": r"/kangaroo/",
    "llama": r"/llama/",
    "leopard": r"/Leopards/",
    "puma": r"/cougar_(body|face)/",
    "crocodile": r"/crocodile(_head)?/",
    "rhinoceros": r"/rhino/",
    "beaver": r"/beaver/",
    "hedgehog": r"/hedgehog/",
    "dolphin": r"/dolphin/",
    "octopus": r"/octopus/",
    "starfish": r"/starfish/",
    "seahorse": r"/sea_horse/",
    "crab": r"/crab/",
    "lobster": r"/lobster/",
    "turtle": r"/hawksbill/",
    "fish": r"/fish_\d+/|/bass/|/sea_horse/",
    "scorpion": r"/scorpion/",
    "ant": r"/ant/",
    "dragonfly": r"/dragonfly/",
    "butterfly": r"/butterfly/|pilicorredor\+inteligencia/.*/(?!.*MOTH)[^/]+/[^/]+$",
    "moth": r" MOTH/",
    "insect": r"/(ant|butterfly|dragonfly|mayfly)/|pilicorredor\+inteligencia/",
    "bird": r"/(emu|flamingo|flamingo_head|ibis|pigeon|rooster)/|\+Gob-Game-of-Bird/",
    "flamingo": r"/flamingo(_head)?/",
    "pigeon": r"/pigeon/|PIGEON/",
    "rooster": r"/rooster/",
    "duck": r"/(MANDRIN DUCK|CANVASBACK|SURF SCOTER)/",
    "eagle": r" EAGLE/",
    "falcon": r"/(GYRFALCON|MERLIN|CRESTED CARACARA)/",
    "hummingbird": r" HUMMINGBIRD/",
    "woodpecker": r" WOODPECKER/",
    "kingfisher": r" KINGFISHER/",
    "vulture": r" VULTURE/",
    "parrot": r" LORIKEET/",
    "bird of prey": r"/(GYRFALCON|MERLIN|CRESTED CARACARA|BLACK VULTURE|PHILIPPINE EAGLE)/",
    "animal": r"^animal/",
    "reptile": r"/crocodile(_head)?/|/hawksbill/",
    "mammal": r"/(Leopards|beaver|cougar_body|cougar_face|dalmatian|dolphin|elephant|gerenuk|"
    r"hedgehog|kangaroo|llama|okapi|panda|platypus|rhino|wild_cat|cats|dogs)/|\+raccoon_dataset/",
    "flower": r"/(daisy|dandelion|rose|sunflower|tulip|lotus|water_lilly)/",
    "rose": r"/rose/",
    "tulip": r"/tulip/",
    "sunflower": r"/sunflower/",
    "daisy": r"/daisy/",
    "dandelion": r"/dandelion/",
    "water lily": r"/water_lilly/",
    "tree": r"/(bonsai|joshua_tree|forest)/",
    "forest": r"/forest/",
    "corn": r"\+corn_pathology_ai/",
    "plant": r"^plant/",
    "face": r"/(Faces|Faces_easy|crop_part1|yalefaces)/",
    "people": r"^human/",
    "basketball": r"/basketball/",
    "tennis": r"/tennis/",
    "boxing": r"/boxing/",
    "ice hockey": r"/ice_hockey/",
}

CLASSLESS = {
    *("raccoon", "rhinoceros", "octopus", "seahorse", "moth", "falcon", "woodpecker"),
    *("kingfisher", "pigeon", "rose", "tulip", "sunflower", "dandelion", "water lily", "tree"),
    *("forest", "face", "people", "boxing", "tennis", "ice hockey"),
}

CONCEPTS = (
    *("raccoon", "rhinoceros", "octopus", "seahorse", "moth", "pigeon", "rose", "tulip"),
    *("sunflower", "dandelion", "water lily", "tree", "forest", "face", "people", "boxing"),
    *("tennis", "ice hockey"),
)
EXAMPLES = (5, 10, 20)
DRAWS = 2
LEAST_RIGHT = 3
BACKBONES = ("efficientnet_lite0_int8", "efficientnet_lite0_224")


# collections


def make(folder: Path, photos: list[Path]) -> None:
    for backbone in BACKBONES:
        arguments = ["init", str(folder / backbone), "--backbone", backbone]
        for label, category in enumerate(("plant", "animal", "human")):
            sources = [str(one) for root in photos for one in sorted((root / category).iterdir())]
            arguments += ["--category", f"{category}={label}:{','.join(sources)}"]
        call(*arguments)
        call("run", "-q", "-c", str(folder / backbone), "--accept-failures")


def call(*arguments: str) -> None:
    sys.argv = ["naturalist", *arguments]
    try:
        naturalist()
    except SystemExit as ended:
        if ended.code:
            raise


@dataclasses.dataclass(frozen=True)
class Collection:
    words: Words
    paths: list[str]
    features: np.ndarray

    def truth(self, query: str) -> np.ndarray:
        return np.array([bool(re.search(QUERIES[query], path)) for path in self.paths])


def open_collection(folder: Path) -> Collection:
    config = load_config(folder)
    words = open_words(config, SILENT)
    named = words.index.described(np.arange(words.index.rows))
    paths = paths_of(config.layout, [one["picID"] for one in named])
    full = [f"{one['category']}/{one['source']}/{paths[one['picID']]}" for one in named]
    vectors = [np.asarray(words.part(k), np.float32) for k in range(len(words.index.parts))]
    return Collection(words, full, np.concatenate(vectors))


# search


def measure_search(folder: Path) -> dict:
    collection = open_collection(folder)
    index = collection.words.index
    nouns = read_nouns()
    truths = {query: collection.truth(query) for query in QUERIES}
    rows = {}
    unknown = []
    for query, truth in truths.items():
        if truth.sum() < LEAST_RIGHT:
            continue
        known = prepared(nouns, [Term(query)], {}, True)[0].meaning.has_classes
        unknown += [] if known else [query]
        rows[query] = {
            "right": int(truth.sum()),
            "classes": scores(index, nouns, query, truth, paths=False) if known else None,
            "paths": scores(index, nouns, query, truth, classes=False),
            "both": scores(index, nouns, query, truth),
        }
    return {
        "collection": folder.name,
        "pictures": index.rows,
        "queries": len(rows),
        "known": means([one["classes"] for one in rows.values() if one["classes"]]),
        "paths": means([one["paths"] for one in rows.values()]),
        "both": means([one["both"] for one in rows.values()]),
        "chance": round(float(np.mean([truths[q].mean() for q in rows])), 3),
        "unknown_recognised": [len(CLASSLESS & set(unknown)), len(CLASSLESS & set(rows))],
        "known_called_unknown": sorted(set(unknown) - CLASSLESS),
        "by_query": rows,
    }


def scores(index, nouns, query: str, truth, *, classes: bool = True, paths: bool = True) -> tuple:
    for part in index.parts:
        part.__dict__.pop("tokens", None)
        if not paths:
            part.__dict__["tokens"] = NO_TOKENS
    found = search(index, prepared(nouns, [Term(query)], {}, classes), index.rows)
    ranked = np.zeros(len(truth), bool)
    ranked[: len(found.rows)] = truth[found.rows]
    return precision_and_average(ranked, int(truth.sum()))


def precision_and_average(ranked: np.ndarray, right: int) -> tuple:
    """Precision at 20 and average precision of a ranking; what is not in it is not found."""
    hits = np.flatnonzero(ranked)
    average = float((np.arange(1, len(hits) + 1) / (hits + 1)).sum() / right)
    return round(float(ranked[: min(20, right)].mean()), 3), round(average, 3)


def means(values: list) -> dict:
    precision, average = np.mean(values, axis=0)
    return {"queries": len(values), "P@20": round(precision, 3), "mAP": round(average, 3)}


# concepts


def measure_concepts(folder: Path) -> dict:
    collection = open_collection(folder)
    found: dict = {"collection": folder.name, "concepts": len(CONCEPTS)}
    for way in ("random", "asked"):
        for count in EXAMPLES:
            tried = [
                learnt(collection, query, count, draw, way)
                for query in CONCEPTS
                for draw in range(DRAWS)
            ]
            values = [one for one in tried if one is not None]
            found[f"{way} {count}"] = means([v[:2] for v in values])
            found[f"{way} {count}"]["fit_s"] = round(float(np.median([v[2] for v in values])), 4)
            print(way, count, found[f"{way} {count}"], flush=True)
    return found


def learnt(collection: Collection, query: str, count: int, draw: int, way: str) -> tuple | None:
    """Measures of a concept from `count` labels of each side, on pictures without a label.

    Both ways begin with three right pictures. `random` adds right pictures drawn at random, as by a
    person who browses; `asked` labels, five at a time, what the concept asks for, right or wrong,
    until as many pictures as that were looked at. None where no right picture is left to find.
    """
    vectors, truth = collection.features, collection.truth(query)
    rng = np.random.default_rng([draw, len(query), *query.encode()])
    right = rng.permutation(np.flatnonzero(truth))
    drawn = rng.permutation(len(vectors))[:BACKGROUND]
    labelled = list(right[: count if way == "random" else 3])
    while way == "asked" and len(labelled) < count:
        yes, no = split(truth, labelled)
        background = np.setdiff1d(drawn, labelled)
        sides = vectors[yes], vectors[no], vectors[background]
        rest = np.setdiff1d(np.arange(len(vectors)), labelled)
        model = fit_concept(*sides)
        threshold = cross_validate(*sides).threshold if len(yes) >= 3 else 0.5
        more = most_informative(vectors[rest], model.scores(vectors[rest]), threshold, 5)
        labelled += rest[more][: count - len(labelled)].tolist()
    yes, no = split(truth, labelled)
    begun = time.perf_counter()
    model = fit_concept(vectors[yes], vectors[no], vectors[np.setdiff1d(drawn, labelled)])
    values = model.scores(vectors)
    spent = time.perf_counter() - begun
    rest = np.setdiff1d(np.arange(len(vectors)), labelled)
    order = rest[np.argsort(-values[rest], kind="stable")]
    left = int(truth[rest].sum())
    return (*precision_and_average(truth[order], left), spent) if left else None


def split(truth: np.ndarray, labelled: list) -> tuple[list, list]:
    return [k for k in labelled if truth[k]], [k for k in labelled if not truth[k]]


# classes


LEAST_PROBABILITIES = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def measure_classes(folder: Path) -> dict:
    """Share of pictures with a class, and of right ones among them, by the least probability."""
    collection, nouns = open_collection(folder), read_nouns()
    meanings: dict[str, np.ndarray | None] = {}
    truths = [folder_classes(path, nouns, meanings) for path in collection.paths]
    parts = [part.top for part in collection.words.index.parts]
    best = np.concatenate([np.asarray(top.classes[:, 0], np.int64) for top in parts])
    sure = np.concatenate([np.asarray(top.probabilities[:, 0], np.float64) for top in parts])
    judged = np.array([truth is not None for truth in truths])
    right = np.array([t is not None and b in t for t, b in zip(truths, best, strict=True)])
    rows = {}
    for least in LEAST_PROBABILITIES:
        told = judged & (sure >= least)
        share = float(right[told].mean()) if told.any() else None
        rows[least] = {
            "with_class": round(float((sure >= least).mean()), 3),
            "judged": int(told.sum()),
            "right": None if share is None else round(share, 3),
        }
    return {"collection": folder.name, "pictures": len(best), "by_least_probability": rows}


def folder_classes(path: str, nouns, meanings: dict) -> np.ndarray | None:
    """Classes that are what the picture's folder is called, or kinds of it; None if unknown."""
    name = path.split("/")[-2].replace("_", " ").casefold()
    if name not in meanings:
        base = nouns.base(name) or nouns.base(name.split(" ")[-1])
        usual = nouns.usual(base) if base is not None else []
        known = nouns.classes_below(usual)
        fit = len(known) and nouns.coverage(usual) >= BARELY
        meanings[name] = known if fit else None
    return meanings[name]


# scale


ROWS_OF_A_PART = 10_000
MADE_UP = "made-up"
DIM = 512
QUERIES_AT_SCALE = ("dog", "animal", "owl on snow", "bird not forest")


def measure_scale(rows: int, keep: Path | None, paths_only: bool) -> dict:
    """Make words of so many pictures, then search in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        begun = time.perf_counter()
        built = 0.0
        if not (folder / "words").exists():
            built = build_words(folder, rows, paths_only)
        made = time.perf_counter() - begun
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            found = pool.submit(timed_queries, folder).result()
        return {"rows": rows, "made_s": round(made, 1), "classes_s": round(built, 1)} | found


def build_words(folder: Path, rows: int, paths_only: bool) -> float:
    """Write parts of made-up features and paths; seconds that the classes took."""
    nouns, head = read_nouns(), head_of("efficientnet_lite0_int8")
    rng = np.random.default_rng(0)
    layout = Layout(folder)
    artifacts.write_json(layout.marker, {"format": 1, "name": "made-up", "image_roots": []})
    folders = rng.choice(nouns.words, 2000, replace=False)
    files = tuple(
        FeatureFile(f"{k:08d}", str(k), partial(made_up, k), partial(made_up, k))
        for k in range(0, rows, ROWS_OF_A_PART)
    )
    begun = time.perf_counter()
    of_all = FeatureTable(files, DIM, {"animal": 0}, "made-up")
    bring_up_to_date(WordStudy(of_all, layout, "made-up", lambda: head, SILENT))
    index = open_word_index(layout, "made-up")
    spent = time.perf_counter() - begun
    for number, part in enumerate(index.parts):
        own = rng.choice(folders, (part.rows, 2))
        paths = [f"{a}/{b}/IMG_{number}_{k}.jpg" for k, (a, b) in enumerate(own)]
        table = token_table({"path": paths})
        artifacts.write_parquet(part.path.with_suffix(".tokens.parquet"), table)
        if not paths_only:
            values = [f"{a}/{b} {c}" for a, b, c in rng.choice(folders, (part.rows, 3))]
            artifacts.write_parquet(columns_path(part.path, MADE_UP), token_table({FIELD: values}))
        unit = made_up(number * ROWS_OF_A_PART).features
        unit /= np.linalg.norm(unit, axis=1, keepdims=True)
        np.save(folder / f"{number}.npy", unit.astype(np.float16))
    if not paths_only:
        with_columns = [one | {"columns": MADE_UP} for one in index.about["parts"]]
        artifacts.write_json(index.folder / "words.json", index.about | {"parts": with_columns})
    return spent


def made_up(start: int) -> Rows:
    """Features that are about as long as real ones."""
    features = np.random.default_rng(start).standard_normal((ROWS_OF_A_PART, DIM), np.float32)
    names = np.array([f"animal_id_{start + k + 1}" for k in range(ROWS_OF_A_PART)])
    sources = np.full(ROWS_OF_A_PART, "made-up")
    labels = np.zeros(ROWS_OF_A_PART, np.int32)
    return Rows(names, features * 0.6, labels, sources, {"animal": 0}, "")


def timed_queries(folder: Path) -> dict:
    """Seconds of each query, the first with opening everything, and the peak of memory."""
    begun = time.perf_counter()
    index = open_word_index(Layout(folder), "made-up")
    nouns = read_nouns()
    parts = [np.load(folder / f"{k}.npy", mmap_mode="r") for k in range(len(index.parts))]
    opened = time.perf_counter() - begun
    example = np.asarray(parts[0][0], np.float32)
    concept = Concept(np.asarray(parts[0][:8], np.float32).mean(axis=0) * 20, -10.0)
    seconds: dict = {"open": round(opened, 2)}
    for query in (*QUERIES_AT_SCALE, "dog"):
        terms = parse(query, lambda text: nouns.base(text) is not None)
        seconds[query + " again" * (query in seconds)] = timed(
            lambda terms=terms: search(index, prepared(nouns, terms, {}, True), 20)
        )
    taught = prepared(nouns, [Term("taught")], {"taught": concept}, True)
    seconds["a concept"] = timed(lambda: search(index, taught, 20, vectors=parts.__getitem__))
    dog = prepared(nouns, [Term("dog")], {}, True)
    seconds["dog, like a picture"] = timed(
        lambda: search(index, dog, 20, vectors=parts.__getitem__, like=example)
    )
    status = Path("/proc/self/status").read_text()
    own = int(re.search(r"RssAnon:\s+(\d+)", status)[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    size = sum(path.stat().st_size for path in index.folder.iterdir()) / 1e6
    megabytes = {"index": round(size), "own": round(own), "peak": round(peak)}
    return {"seconds": seconds, "megabytes": megabytes}


CLUMPS = 500
"""Of pictures that lie together on a made-up map."""


def measure_names(rows: int, keep: Path | None) -> dict:
    """Make words of so many pictures, then name the regions of maps in a process of its own."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = keep or Path(temporary)
        if not (folder / "words").exists():
            build_words(folder, rows, paths_only=True)
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, mp_context=context) as pool:
            return {"rows": rows} | pool.submit(timed_names, folder, rows).result()


def timed_names(folder: Path, rows: int) -> dict:
    """Seconds of naming the regions of each map at all levels, and the peak of memory."""
    layout, maps = Layout(folder), {}
    for dims in (2, 3):
        name = f"made-up-{dims}d"
        write_map(layout, name, rows, dims)
        found: list[dict] = []
        spent = timed(lambda name=name, found=found: found.extend(name_regions(layout, name)))
        counts = {key: sum(one[key] for one in found) for key in ("groups", "named")}
        maps[name] = {"levels": len(found)} | counts | spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"maps": maps, "peak_megabytes": round(peak)}


def name_regions(layout: Layout, name: str) -> list[dict]:
    """What the study of region names does, without the index of similar pictures for concepts."""
    words = Words(open_word_index(layout, "made-up"), None)
    levels = RegionNameStudy(layout, "made-up", SILENT, name)._levels()
    return [named_groups(layout, words, "made-up", regions.groups) for regions in levels]


def write_map(layout: Layout, name: str, rows: int, dims: int) -> None:
    """A made-up map of the made-up pictures."""
    rng = np.random.default_rng(dims)
    clumps = rng.normal(0, 30, (CLUMPS, dims))
    at = clumps[rng.integers(0, CLUMPS, rows)] + rng.normal(0, 2, (rows, dims))
    columns = {
        "picID": [f"animal_id_{k + 1}" for k in range(rows)],
        **{axis: at[:, k].astype(np.float32) for k, axis in enumerate("xyz"[:dims])},
        "sampled": np.ones(rows, bool),
        "confidence": np.ones(rows, np.float32),
        "density": np.ones(rows, np.float32),
    }
    points = MapFolder(layout.map(name)).points
    artifacts.write_parquet(points, pa.table(columns, schema=map_schema(dims)))


def timed(call) -> dict:
    """Seconds by the clock, and of processor time, which other work on the machine leaves alone."""
    clock, processor = time.perf_counter(), time.process_time()
    call()
    spent = time.perf_counter() - clock, time.process_time() - processor
    return dict(zip(("clock", "processor"), (round(one, 2) for one in spent), strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("photos", type=Path, nargs="+")
    for name in ("search", "concepts", "classes"):
        commands.add_parser(name).add_argument("workspaces", type=Path, nargs="+")
    scaling = commands.add_parser("scale")
    scaling.add_argument("--rows", type=int, default=1_000_000)
    scaling.add_argument("--keep", type=Path)
    scaling.add_argument("--paths-only", action="store_true", help="without a metadata column")
    naming = commands.add_parser("names")
    naming.add_argument("--rows", type=int, default=1_000_000)
    naming.add_argument("--keep", type=Path)
    given = parser.parse_args()
    if given.command == "make":
        make(given.folder, given.photos)
        return
    if given.command == "scale":
        found = measure_scale(given.rows, given.keep, given.paths_only)
        print(json.dumps(found | {"machine": machine.facts("duckdb", "numpy")}, indent=1))
        return
    if given.command == "names":
        found = measure_names(given.rows, given.keep)
        print(json.dumps(found | {"machine": machine.facts("numpy")}, indent=1))
        return
    measures = {
        "search": measure_search,
        "concepts": measure_concepts,
        "classes": measure_classes,
    }
    measure = measures[given.command]
    for folder in given.workspaces:
        print(json.dumps(measure(folder), indent=1))


if __name__ == "__main__":
    main()
