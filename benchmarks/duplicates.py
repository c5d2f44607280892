"""How many changed copies of photos are found, how many pairs of different photos, at what cost.

    python benchmarks/duplicates.py copies PHOTOS [--originals 120] [--invariant mirror rotate]
    python benchmarks/duplicates.py scale --rows 1000000

`copies` takes photos from PHOTOS/<category>/<source>/..., evenly spaced in the order of their
paths, and makes a copy of some of them in each way of `COPIES`. All are made a collection of, and
the program's own study looks for near duplicates, once as it is by default and once with every
invariant (or those named). Printed is the share of copies that are paired with their original, and
the precision: of the pairs found, those that belong together, where a pair of photos that are no
copies counts as wrong unless the default finds it too. With --list such pairs are named.

`scale` makes synthetic hashes, points and thumbnails, and says how many processor seconds each
search takes, and the peak of memory. One process a search.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

import machine
from naturalist import backbones, ledger
from naturalist.config import Config, load_config
from naturalist.images import resize, thumbnail
from naturalist.layout import pic_number
from naturalist.pipeline import runner, studies
from naturalist.progress import Silent
from naturalist.studies.duplicates import steps
from naturalist.studies.duplicates.methods.entries import make_entries
from naturalist.studies.duplicates.methods.grouping import near_pairs, turned_pairs
from naturalist.studies.duplicates.methods.nearby import alike_pairs
from naturalist.studies.duplicates.methods.pixels import crop_correlations, frame_correlations
from naturalist.studies.duplicates.methods.turning import UPRIGHT, Turn, turns
from naturalist.studies.duplicates.options import INVARIANCES, NearDuplicateOptions
from naturalist.studies.duplicates.reading import trimmed_hashes

COPIES_AT_MOST = 240
"""Longest side of what copies are made of, so that small and large photos are treated alike."""


def cropped(image: Image.Image, share: float, rng: np.random.Generator) -> Image.Image:
    """A share of width and of height is cut off, on both sides by chance."""
    wide, high = image.width * (1 - share), image.height * (1 - share)
    left, top = rng.uniform(0, image.width - wide), rng.uniform(0, image.height - high)
    return image.crop((round(left), round(top), round(left + wide), round(top + high)))


def bordered(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A plain border of 3 to 12 % of the shorter side, black, white or of any colour."""
    width = round(min(image.size) * rng.uniform(0.03, 0.12)) or 1
    colours = [(0, 0, 0), (255, 255, 255), tuple(rng.integers(0, 256, 3).tolist())]
    return ImageOps.expand(image, width, colours[rng.integers(3)])


def watermarked(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    """A half-transparent line of text across a third of the picture."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    place = (image.width // 4, int(image.height * rng.uniform(0.2, 0.8)))
    size = max(8, image.width // 16)
    ImageDraw.Draw(layer).text(place, "© sample photo", (255, 255, 255, 128), font_size=size)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def turned(image: Image.Image, quarters: int) -> Image.Image:
    return image.rotate(90 * quarters, expand=True)


Copy = Callable[[Image.Image, np.random.Generator], Image.Image]
COPIES: dict[str, Copy] = {
    "quality-60": lambda image, rng: image,
    "half-size": lambda image, rng: image.resize(
        (max(1, image.width // 2), max(1, image.height // 2)), Image.Resampling.LANCZOS
    ),
    "brightened": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.3),
    "watermark": watermarked,
    "grey": lambda image, rng: image.convert("L"),
    "crop-5": lambda image, rng: cropped(image, 0.05, rng),
    "crop-10": lambda image, rng: cropped(image, 0.10, rng),
    "border": bordered,
    "mirror": lambda image, rng: ImageOps.mirror(image),
    "turned-90": lambda image, rng: turned(image, 1),
    "turned-180": lambda image, rng: turned(image, 2),
    "turned-270": lambda image, rng: turned(image, 3),
    "turned-90-border": lambda image, rng: bordered(turned(image, 1), rng),
    "mirror-crop-5": lambda image, rng: cropped(ImageOps.mirror(image), 0.05, rng),
}


def photos(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/*/**/*") if path.is_file())


def evenly(paths: list[Path], count: int) -> list[Path]:
    places = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return [paths[k] for k in np.unique(places)]


def write_collection(paths: list[Path], copied: int, folder: Path) -> dict[str, list[Path]]:
    """Sources of one category: all photos, and copies of some; files are named after the photo."""
    sources = {name: folder / f"{k:02}" for k, name in enumerate(["photos", *COPIES])}
    for source in sources.values():
        source.mkdir(parents=True)
    chosen = set(evenly(paths, copied))
    for number, path in enumerate(paths):
        try:
            with Image.open(path) as opened:
                image = ImageOps.exif_transpose(opened).convert("RGB")
        except OSError:
            continue
        image.thumbnail((COPIES_AT_MOST, COPIES_AT_MOST))
        image.save(sources["photos"] / f"{number:05}.jpg", quality=92)
        for k, (name, make) in enumerate(COPIES.items() if path in chosen else ()):
            copy = make(image, np.random.default_rng([number, k]))
            copy.save(
                sources[name] / f"{number:05}.jpg", quality=60 if name == "quality-60" else 85
            )
    return sources


def make_collection(sources: dict[str, Path], folder: Path, backbone: str) -> Config:
    """A workspace of these sources, with features and previews."""
    lines = [
        'name = "duplicates"',
        'workspace = "work"',
        "[extract]",
        f'backbone = "{backbone}"',
        "[[category]]",
        'name = "photo"',
        "label = 0",
    ]
    for name, path in sources.items():
        lines += ["[[category.source]]", f"name = {json.dumps(name)}", f'path = "{path}"']
    (folder / "naturalist.toml").write_text("\n".join(lines) + "\n")
    config = load_config(folder)
    runner.run(config, Silent(), runner.RunOptions())
    return config


@dataclass(frozen=True)
class Looked:
    """What a study found: names of pairs of files, and which files there are."""

    pairs: set[tuple[str, str]]
    """Each `source/number of the photo` twice, the pair in order."""
    files: set[str]
    cpu_s: float


def look(config: Config, options: NearDuplicateOptions) -> Looked:
    start = time.process_time()
    studies.study(config, Silent(), partial(studies.duplicates, options=options))
    cpu_s = time.process_time() - start
    layout, spec = config.layout, backbones.describe(config.extract.backbone)
    done = steps.read_steps(layout, spec, options)
    numbers = steps.read_pictures(layout, done, ["number"])["number"].to_pylist()
    with ledger.connect(layout) as connection:
        query = "SELECT pic_id, source, path_text FROM ledger WHERE outcome = 'accepted'"
        rows = ledger.query(connection, query).to_pylist()
    files = {pic_number(row["pic_id"]): f"{row['source']}/{row['path_text'][:5]}" for row in rows}
    table = steps.read_pairs(layout, done)
    named = (
        tuple(sorted(files[numbers[k]] for k in pair))
        for pair in zip(table["first"].to_pylist(), table["second"].to_pylist(), strict=True)
    )
    return Looked(set(named), set(files.values()), cpu_s)


def is_copy(pair: tuple[str, str]) -> bool:
    return pair[0][-5:] == pair[1][-5:]


def shares(looked: Looked) -> dict[str, float]:
    """Of each kind of copy the share that is paired with its original."""
    found: dict[str, list[bool]] = defaultdict(list)
    for file in looked.files:
        source, number = file.rsplit("/", 1)
        original = f"photos/{number}"
        if source != "photos" and original in looked.files:
            found[source].append(tuple(sorted((file, original))) in looked.pairs)
    return {name: float(np.mean(found[name])) for name in COPIES if found[name]}


def strange(looked: Looked, known: Looked) -> list[tuple[str, str]]:
    """Pairs of files of different photos, unless the photos themselves are known to be near."""
    alike = {tuple(file[-5:] for file in pair) for pair in known.pairs}
    alike |= {(second, first) for first, second in alike}
    return sorted(
        pair
        for pair in looked.pairs
        if not is_copy(pair) and (pair[0][-5:], pair[1][-5:]) not in alike
    )


def copies(arguments: argparse.Namespace) -> None:
    """Find copies, by default and with invariants; print a table."""
    paths = evenly(photos(arguments.photos), arguments.photos_at_most)
    with tempfile.TemporaryDirectory(prefix="duplicates-") as scratch:
        folder = Path(scratch)
        sources = write_collection(paths, arguments.originals, folder / "raw")
        config = make_collection(sources, folder, arguments.backbone)
        default = NearDuplicateOptions()
        wider = replace(default, invariant=tuple(arguments.invariant))
        known, looked = look(config, default), look(config, wider)
    report(known, looked, arguments)


def report(known: Looked, looked: Looked, arguments: argparse.Namespace) -> None:
    plain, more = shares(known), shares(looked)
    print(f"{arguments.originals} of {sum('photos/' in f for f in looked.files):,} photos copied\n")
    print(f"| the copy is | default | {', '.join(arguments.invariant)} |\n|---|---:|---:|")
    for name, share in plain.items():
        print(f"| {name} | {share:.0%} | {more[name]:.0%} |")
    wrong, true = strange(looked, known), sum(map(is_copy, looked.pairs))
    print(
        f"\npairs of copies {true:,}, pairs of different photos that the default does not have "
        f"{len(wrong):,} (of {len(known.pairs) - sum(map(is_copy, known.pairs)):,} it has): "
        f"precision {true / max(true + len(wrong), 1):.4f}\n"
        f"processor seconds: {known.cpu_s:.1f} by default, {looked.cpu_s:.1f}"
    )
    for pair in wrong if arguments.list else []:
        print("  ", *pair)


def scale(arguments: argparse.Namespace) -> None:
    """What each search costs, with made-up hashes, points and thumbnails; each in a process."""
    print(machine.line("numpy", "numba"), "\n", sep="")
    print(
        "| what | number | processor seconds | peak memory, MB | found |\n|---" + "|---:" * 4 + "|"
    )
    for name in arguments.parts:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            number, seconds, peak, found = pool.submit(SEARCHES[name], arguments.rows).result()
        print(f"| {name} | {number:,} | {seconds:.1f} | {peak:.0f} | {found:,} |", flush=True)


Cost = tuple[int, float, float, int]


def cost(number: int, work: Callable[[], int]) -> Cost:
    start = time.process_time()
    found = work()
    seconds = time.process_time() - start
    return number, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, found


def some_hashes(rows: int) -> np.ndarray:
    """Random hashes, of which a twentieth differ in 0 to 10 bits from another."""
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, rows, dtype=np.uint64)
    copied = rng.choice(rows, rows // 20, replace=False)
    copies_of = hashes[rng.integers(0, rows, len(copied))]
    for bit in range(10):
        flip = rng.random(len(copied)) < 0.5
        copies_of = np.where(flip, copies_of ^ np.uint64(1 << (6 * bit)), copies_of)
    hashes[copied] = copies_of
    return hashes


def upright_search(rows: int) -> Cost:
    hashes = some_hashes(rows)
    return cost(rows, lambda: sum(map(len, near_pairs(hashes, 8))))


def turned_search(rows: int) -> Cost:
    hashes, turn = some_hashes(rows), Turn(mirrored=False, quarters=1)
    return cost(rows, lambda: sum(map(len, turned_pairs(hashes, turn, 8))))


def bordered_search(rows: int) -> Cost:
    """A quarter of real photos have what looks like a border."""
    hashes = some_hashes(rows)
    entries = make_entries(hashes, hashes ^ np.uint64(3), np.arange(rows) % 4 == 0, 0)
    return cost(rows, lambda: sum(map(len, near_pairs(entries.hashes, 8))))


def some_points(rows: int) -> np.ndarray:
    """Points on 64 axes, in 3,000 clusters."""
    rng = np.random.default_rng(2)
    points = rng.normal(size=(3_000, 64)).astype(np.float32)[rng.integers(0, 3_000, rows)]
    points += rng.normal(size=points.shape).astype(np.float32) * 0.3
    return points * (0.8 / np.linalg.norm(points, axis=1, keepdims=True))


def feature_search(rows: int, known: int = 0) -> Cost:
    """The nearest of all points that are not known yet."""
    points = some_points(rows)
    return cost(rows, lambda: len(alike_pairs(points, known, (2 - 2 * 0.85) ** 0.5)[0]))


def new_feature_search(rows: int) -> Cost:
    """The nearest of 1,000 new points among all others."""
    return feature_search(rows, max(rows - 1_000, 0))


def thumbnails() -> list[bytes]:
    rng = np.random.default_rng(3)
    small = rng.integers(0, 256, (500, 9, 12, 3), dtype=np.uint8)
    return [thumbnail(resize(one, 128, 96)) for one in small]


def border_hashes(rows: int) -> Cost:
    made = pa.chunked_array([pa.array(thumbnails() * 10)])
    return cost(len(made), lambda: len(trimmed_hashes(made)))


def frame_pairs(rows: int) -> Cost:
    luma = np.random.default_rng(4).integers(0, 256, (20_000, 32, 32), dtype=np.uint8)
    ways = turns(["mirror", "rotate"])
    return cost(len(luma), lambda: len(frame_correlations(luma, luma[::-1], ways)))


def crop_pairs(rows: int) -> Cost:
    luma = np.random.default_rng(4).integers(0, 256, (2_000, 32, 32), dtype=np.uint8)
    return cost(len(luma), lambda: len(crop_correlations(luma, luma[::-1], [UPRIGHT])))


SEARCHES: dict[str, Callable[[int], Cost]] = {
    "near hashes, upright": upright_search,
    "near hashes, one way turned": turned_search,
    "near hashes, with borders": bordered_search,
    "hashes inside borders, of thumbnails": border_hashes,
    "nearest features": feature_search,
    "nearest features, of 1,000 new": new_feature_search,
    "pairs compared by pixels, 8 ways": frame_pairs,
    "pairs compared as crops": crop_pairs,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    commands = parser.add_subparsers(required=True)
    finding = commands.add_parser("copies")
    finding.add_argument("photos", type=Path)
    finding.add_argument("--originals", type=int, default=120)
    finding.add_argument("--photos-at-most", type=int, default=4_000)
    finding.add_argument("--invariant", nargs="+", default=INVARIANCES, choices=INVARIANCES)
    finding.add_argument("--backbone", default=backbones.DEFAULT)
    finding.add_argument("--list", action="store_true")
    finding.set_defaults(act=copies)
    costs = commands.add_parser("scale")
    costs.add_argument("--rows", type=int, default=1_000_000)
    costs.add_argument("--parts", nargs="+", default=list(SEARCHES), choices=SEARCHES)
    costs.set_defaults(act=scale)
    arguments = parser.parse_args()
    arguments.act(arguments)


if __name__ == "__main__":
    main()
