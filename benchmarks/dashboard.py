"""The map of the dashboard with many points, beside Embedding Atlas showing the same ones.

    python benchmarks/dashboard.py [--points 200000,1000000] [--embedding-atlas PATH] [--out FILE]

For each number of points a workspace is made (ledger, previews of a part of the pictures, a map in
2D) and shown by `naturalist dashboard` in the system's Chromium, which draws in software here:

- bytes sent until the first points, and for each point;
- seconds from asking for the page until the first points are on the screen;
- milliseconds from the pointer reaching a point until its picture is on the screen;
- milliseconds a frame takes while the map is dragged: of all points, and of as many as are drawn
  while it moves. The card is waited for after each frame, in both programs alike;
- the same two for pictures on the map, where one is so near that points are pictures: seconds until
  the first ten are on the screen, and milliseconds a frame takes with them;
- memory of the server: the largest that the kernel saw.

`--embedding-atlas` names the program of Embedding Atlas 0.22.0 in an environment of its own (from
0.24 its map needs WebGPU with f16); it gets the same x, y and category as a Parquet file. Without
it only naturalist is measured. Timings are worth as much as the machine was quiet: compare the two
programs within one run.
"""

import argparse
import io
import json
import os
import platform
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import processes
from naturalist.layout import Layout, part_name
from naturalist.schemas import LEDGER, PREVIEWS, map_schema

CATEGORIES = ("plant", "animal", "human")
SOURCES_OF_A_CATEGORY = 12
BATCH = 100_000
SHARD = 1_000
SHARDS_WITH_PREVIEWS = 20
HOVERS = 12
SPOTS = 8
STEPS = 30
WITHIN_S = 180
ARGUMENTS = [
    "--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--ignore-gpu-blocklist",
]  # fmt: skip

# Waits for the card after each frame that drew something, and keeps how long it took and how many
# points the largest draw had.
WATCH = """
window.frames_ = []; window.mostDrawn = 0; window.firstPoints = null;
(() => {
  let gl = null, most = 0;
  const kinds = ['drawArrays', 'drawElements', 'drawArraysInstanced', 'drawElementsInstanced'];
  for (const kind of kinds) {
    const real = WebGL2RenderingContext.prototype[kind];
    WebGL2RenderingContext.prototype[kind] = function (...given) {
      gl = this;
      const count = kind === 'drawArrays' ? given[2] : kind === 'drawArraysInstanced' ? given[3]
        : kind === 'drawElements' ? given[1] : given[4];
      most = Math.max(most, count);
      return real.apply(this, given);
    };
  }
  const later = window.requestAnimationFrame;
  window.requestAnimationFrame = (hear) => later((now) => {
    const start = performance.now();
    most = 0; gl = null;
    hear(now);
    if (gl === null) return;
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    const end = performance.now();
    frames_.push([end, end - start, most]);
    mostDrawn = Math.max(mostDrawn, most);
    if (most > 1000 && firstPoints === null) firstPoints = end;
  });
})();
"""


def make_workspace(folder: Path, points: int) -> Path:
    """A workspace whose map has so many points; give the folder of its configuration."""
    lines = ['name = "synthetic"', ""]
    for label, category in enumerate(CATEGORIES):
        lines += ["[[category]]", f'name = "{category}"', f"label = {label}", ""]
    folder.mkdir(parents=True)
    (folder / "naturalist.toml").write_text("\n".join(lines))
    layout = Layout(folder)
    layout.marker.write_text(json.dumps({"format": 1, "name": "synthetic", "image_roots": []}))
    rng = np.random.default_rng(0)
    thumbnails = [thumbnail(rng) for _ in range(SHARD)]
    each = points // len(CATEGORIES)
    ids: list[str] = []
    for category in CATEGORIES:
        ids += write_category(layout, category, each, rng, thumbnails)
    write_map(layout, ids, rng)
    return folder


def thumbnail(rng: np.random.Generator) -> bytes:
    """A JPEG of 128 pixels and about 5 kB."""
    pixels = Image.fromarray(rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)).resize((128, 128))
    buffer = io.BytesIO()
    pixels.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def write_category(
    layout: Layout, category: str, count: int, rng: np.random.Generator, thumbnails: list[bytes]
) -> list[str]:
    """The ledger of a category, and previews of its first shards; gives the ids."""
    ids = [f"{category}_id_{n}" for n in range(1, count + 1)]
    for batch, start in enumerate(range(0, count, BATCH), 1):
        part = ids[start : start + BATCH]
        sources = rng.integers(0, SOURCES_OF_A_CATEGORY, len(part))
        rows: dict[str, Any] = {
            name: pa.nulls(len(part), LEDGER.field(name).type) for name in LEDGER.names
        }
        rows |= {
            "category": pa.array([category] * len(part)),
            "batch": pa.array(np.full(len(part), batch, np.int32)),
            "source": pa.array([f"{category}-source-{n:02d}" for n in sources]),
            "path": pa.array([f"{name}.jpg".encode() for name in part], pa.binary()),
            "path_text": pa.array([f"{name}.jpg" for name in part]),
            "occurrence": pa.array(np.zeros(len(part), np.int32)),
            "outcome": pa.array(["accepted"] * len(part)),
            "pic_id": pa.array(part),
            "size_bytes": pa.array(np.full(len(part), 55_000, np.int64)),
            "mtime_ns": pa.array(np.zeros(len(part), np.int64)),
            "sha256": pa.array([rng.bytes(32) for _ in part], pa.binary(32)),
            "format": pa.array(["jpeg"] * len(part)),
        }
        path = layout.batch(category, batch)
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(rows, schema=LEDGER), path, compression="zstd")
        for shard in range(min(SHARDS_WITH_PREVIEWS, len(part) // SHARD) if batch == 1 else 0):
            write_previews(
                layout, category, shard, part[shard * SHARD : (shard + 1) * SHARD], thumbnails
            )
    return ids


def write_previews(
    layout: Layout, category: str, shard: int, ids: list[str], thumbnails: list[bytes]
) -> None:
    """The previews of one shard."""
    table = pa.table(
        {
            "pic_id": pa.array(ids),
            "thumbnail": pa.array(thumbnails[: len(ids)], pa.binary()),
            "perceptual_hash": pa.array(np.arange(len(ids), dtype=np.uint64)),
            "blur": pa.array(np.ones(len(ids), np.float32)),
            "brightness": pa.array(np.ones(len(ids), np.float32)),
            "contrast": pa.array(np.ones(len(ids), np.float32)),
            "damage": pa.array(np.zeros(len(ids), np.float32)),
        },
        schema=PREVIEWS,
    )
    path = layout.previews(category, 1, shard)
    assert path.name == part_name(1, shard)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=1, row_group_size=10_000)


def write_map(layout: Layout, ids: list[str], rng: np.random.Generator) -> None:
    """A map of clouds of points, in the order of the tables."""
    count = len(ids)
    centres = rng.normal(0, 30, (60, 2))
    cloud = rng.integers(1, 60, count)
    # Pictures that have a preview lie together, where the benchmark hovers.
    numbers = np.array([int(name.rpartition("_")[2]) for name in ids])
    cloud[numbers <= pictures_with_previews(count)] = 0
    at = centres[cloud] + rng.normal(0, 3, (count, 2))
    share = rng.random(count).astype(np.float32)
    columns = {
        "picID": pa.array(ids),
        "x": pa.array(at[:, 0].astype(np.float32)),
        "y": pa.array(at[:, 1].astype(np.float32)),
        "sampled": pa.array(share < 0.03),
        "confidence": pa.array(share),
        "density": pa.array(1 - share),
    }
    folder = layout.map("tsne-2d")
    folder.mkdir(parents=True)
    pq.write_table(
        pa.table(columns, schema=map_schema(2)), folder / "points.parquet", compression="zstd"
    )
    (folder / "map.json").write_text(json.dumps({"name": "tsne-2d", "dims": 2, "rows": count}))


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's browser; Playwright's own where there is none."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield browser
        browser.close()


@contextmanager
def embedding_atlas(program: Path, folder: Path) -> Iterator[tuple[str, int]]:
    """Embedding Atlas over the same points."""
    points = pq.read_table(Layout(folder).map("tsne-2d") / "points.parquet")
    ids = points["picID"].to_pylist()
    category = pa.array([name.partition("_")[0] for name in ids])
    data = folder / "points-for-embedding-atlas.parquet"
    kept = {"id": points["picID"], "x": points["x"], "y": points["y"], "category": category}
    pq.write_table(pa.table(kept), data)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [
        str(program), str(data), "--x", "x", "--y", "y", "--host", "127.0.0.1", "--port",
        str(port), "--no-auto-port",
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, **quiet) as process:  # type: ignore[call-overload]
        url = f"http://127.0.0.1:{port}/"
        try:
            wait_for(url)
            yield url, process.pid
        finally:
            process.terminate()


def wait_for(url: str) -> None:
    """Wait until a server answers."""
    deadline = time.monotonic() + WITHIN_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
        else:
            return


def view_of_pictures(folder: Path, points: int) -> str:
    """The part of an address that shows the cloud of pictures that have a preview."""
    table = pq.read_table(
        Layout(folder).map("tsne-2d") / "points.parquet", columns=["picID", "x", "y"]
    )
    at = np.stack([table["x"].to_numpy(), table["y"].to_numpy()], axis=1)
    numbers = np.array([int(name.rpartition("_")[2]) for name in table["picID"].to_pylist()])
    low, span = at.min(axis=0), (at.max(axis=0) - at.min(axis=0)).max()
    x, y = (at[numbers <= pictures_with_previews(points)].mean(axis=0) - low) / span
    return f"{x:.4f}_{y:.4f}_20"


def measure(
    browser: Browser, url: str, pid: int, points: int, *, hover: str = ""
) -> dict[str, Any]:
    """Show a map and use it."""
    page, sent, found = first_points(browser, url)
    page.wait_for_load_state("networkidle")
    time.sleep(3)
    found["bytes"] = sum(sent)
    if hover:
        found |= hover_pictures(page, hover)
    found |= drag(page)
    found["server_mb"] = peak_mb(pid)
    found["bytes_a_point"] = round(found["bytes"] / points, 2)
    page.context.close()
    print(json.dumps({url: found}), file=sys.stderr, flush=True)
    return found


def first_points(browser: Browser, url: str) -> tuple[Page, list[int], dict[str, Any]]:
    """Show a map in a page of its own: the page, bytes of its answers, and what it took so far."""
    page = browser.new_context(viewport={"width": 1360, "height": 850}).new_page()
    page.add_init_script(WATCH)
    sent = count_bytes(page)
    start = time.monotonic()
    page.goto(url)
    page.wait_for_function("() => window.firstPoints !== null", timeout=WITHIN_S * 1000)
    found = {
        "first_points_s": round(page.evaluate("firstPoints") / 1000, 2),
        "first_points_by_clock_s": round(time.monotonic() - start, 2),
        "bytes_until_then": sum(sent),
    }
    return page, sent, found


def measure_pictures(browser: Browser, url: str, pid: int) -> dict[str, Any]:
    """Show a map so near that its points are pictures, and move it."""
    context = browser.new_context(viewport={"width": 1360, "height": 850})
    page = context.new_page()
    page.add_init_script(WATCH)
    sent = count_bytes(page)
    start = time.monotonic()
    page.goto(url)
    shown = "+(document.querySelector('canvas')?.dataset.pictures ?? 0)"
    page.wait_for_function(f"() => {shown} >= 10", timeout=WITHIN_S * 1000)
    found: dict[str, Any] = {"first_pictures_s": round(time.monotonic() - start, 2)}
    page.wait_for_load_state("networkidle")
    time.sleep(3)
    found |= {"pictures": page.evaluate(shown), "bytes": sum(sent)}
    found |= drag(page)
    found |= {"pictures_after": page.evaluate(shown), "server_mb": peak_mb(pid)}
    context.close()
    print(json.dumps({url: found}), file=sys.stderr, flush=True)
    return found


def count_bytes(page: Page) -> list[int]:
    """A list that grows by the size of each answer as it was sent."""
    sent: list[int] = []
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    session.on(
        "Network.loadingFinished", lambda event: sent.append(int(event["encodedDataLength"]))
    )
    return sent


def hover_pictures(page: Page, url: str) -> dict[str, float]:
    """Milliseconds from the pointer's move until the picture of the point under it is there."""
    page.goto("about:blank")
    page.goto(url)
    page.wait_for_function("() => window.firstPoints !== null", timeout=WITHIN_S * 1000)
    page.wait_for_load_state("networkidle")
    box = page.locator("canvas").bounding_box()
    assert box is not None
    took = []
    for k in range(SPOTS**2):
        handle = page.evaluate_handle(f"() => ({{promise: ({HOVERED})()}})")
        x, y = 0.35 + 0.3 * (k % SPOTS) / SPOTS, 0.35 + 0.3 * (k // SPOTS) / SPOTS
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        needed = float(handle.evaluate("held => held.promise"))
        # Some points there are of other clouds, whose pictures have no preview.
        took += [needed] if needed >= 0 else []
        page.mouse.move(5, 5)
        page.wait_for_selector(".hover", state="detached")
        if len(took) == HOVERS:
            break
    return {"hover_ms": round(statistics.median(took), 1), "hover_worst_ms": round(max(took), 1)}


def pictures_with_previews(points: int) -> int:
    """Pictures of each category that have a preview, counted from the first."""
    return min(SHARDS_WITH_PREVIEWS, min(BATCH, points // len(CATEGORIES)) // SHARD) * SHARD


HOVERED = """() => new Promise((resolve, reject) => {
  setTimeout(() => reject(new Error('no picture within 30 s')), 30000);
  let start = null;
  addEventListener('pointermove', () => { start ??= performance.now(); }, true);
  const look = () => {
    const image = document.querySelector('.hover img');
    if (start !== null && image?.complete && image.naturalWidth) resolve(performance.now() - start);
    else if (document.querySelector('.hover .none')?.textContent) resolve(-1);
    else setTimeout(look, 2);
  };
  look();
})"""


def drag(page: Page) -> dict[str, Any]:
    """Drag the map and see what its frames took."""
    box = page.locator("canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.6, box["y"] + box["height"] * 0.5
    page.evaluate("frames_.length = 0")
    page.mouse.move(x, y)
    page.mouse.down()
    start = time.monotonic()
    for step in range(STEPS):
        page.mouse.move(x + 6 * step, y + 3 * step)
        page.wait_for_timeout(30)
    elapsed = time.monotonic() - start
    page.mouse.up()
    page.wait_for_timeout(3000)
    frames = page.evaluate("frames_")
    most = page.evaluate("mostDrawn")
    full = [took for _, took, drawn in frames if drawn >= most]
    moving = [took for _, took, drawn in frames if 0 < drawn < most] or full
    return {
        "points_of_a_full_frame": most,
        "full_frame_ms": round(statistics.median(full), 1) if full else None,
        "moving_frame_ms": round(statistics.median(moving), 1) if moving else None,
        "points_while_moving": int(statistics.median([d for _, _, d in frames])) if frames else 0,
        "frames_a_second": round(len(frames) / max(elapsed, 0.001), 1),
    }


def peak_mb(pid: int) -> float:
    """Largest resident memory of a process so far, with that of its children now."""
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", text)
    assert found is not None
    return round(int(found[1]) / 1000, 1)


def compare(browser: Browser, folder: Path, points: int, atlas: Path | None) -> dict[str, Any]:
    """Show the map of a workspace in one program, and in the other where it is there."""
    found: dict[str, Any] = {}
    with processes.dashboard(folder) as (address, pid):
        url = f"{address}#/map"
        view = f"{url}?v={view_of_pictures(folder, points)}&i=0"
        found["naturalist"] = measure(browser, url, pid, points, hover=view)
        near = view.removesuffix("&i=0")
        found["with_pictures"] = measure_pictures(browser, near, pid)
    if atlas:
        with embedding_atlas(atlas, folder) as (url, pid):
            found["embedding_atlas"] = measure(browser, url, pid, points)
    return found


def main() -> None:
    """Measure and print one JSON document."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--points",
        default="200000,1000000",
        help="sizes; below 100000 no point may lie where it hovers",
    )
    parser.add_argument("--embedding-atlas", type=Path, metavar="PROGRAM")
    parser.add_argument("--folder", type=Path, help="where workspaces are made, and kept")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    root = asked.folder or Path(tempfile.mkdtemp(prefix="naturalist-bench-"))
    result: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores, {platform.platform()}",
        "python": platform.python_version(),
        "load_at_start": os.getloadavg(),
        "points": {},
    }
    with chromium() as browser:
        result["browser"] = browser.version
        for points in map(int, asked.points.split(",")):
            folder = root / str(points)
            if not folder.exists():
                make_workspace(folder, points)
            result["points"][str(points)] = compare(browser, folder, points, asked.embedding_atlas)
    text = json.dumps(result, indent=1)
    print(text)
    if asked.out:
        asked.out.write_text(text + "\n")
    if not asked.folder:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
