"""A contact sheet for each cluster: its middle, some of all its members, and its border."""

from pathlib import Path
from typing import Any

import numpy as np

from naturalist import artifacts
from naturalist.counting import counted
from naturalist.layout import Layout
from naturalist.progress import Progress, stage
from naturalist.studies.clusters.methods.clustering import NOISE
from naturalist.studies.clusters.report import Members
from naturalist.studies.contact_sheet import Tile, contact_sheet
from naturalist.studies.thumbnails import read_thumbnails

_SOME = 12
_NOISE_SHOWN = 24
_MOST_SHEETS = 200


def write_sheets(
    folder: Path,
    about: dict[str, Any],
    members: Members,
    pictures: Layout | None,
    progress: Progress,
) -> None:
    """Draw the sheets of the clusters (the largest 200) and of the noise; name them in `about`.

    Sheets of clusters that are no longer there are removed. Nothing is drawn where there are no
    thumbnails.
    """
    selected = {
        str(entry["cluster"]): _selected(entry, members, about["seed"])
        for entry in about["clusters"][:_MOST_SHEETS]
    }
    noise = _some(members, NOISE, _NOISE_SHOWN, about["seed"])
    if noise:
        selected["noise"] = [(name, "noise") for name in noise]
    expected = {name for shown in selected.values() for name, _ in shown}
    thumbnails = read_thumbnails(pictures, sorted(expected)) if pictures is not None else {}
    if not thumbnails:
        selected = {}
    _remove_others(folder / "sheets", set(selected))
    sources = _sources(members, expected)
    titles = {str(entry["cluster"]): _title(entry) for entry in about["clusters"]}
    with stage(progress, "clusters: sheets", len(selected), "sheets") as advance:
        for name, shown in selected.items():
            tiles = [Tile(thumbnails.get(n), f"{n}\n{role}: {sources[n]}") for n, role in shown]
            title = titles.get(name, f"noise: {counted(about['noise'], 'picture')}")
            artifacts.write_bytes(folder / "sheets" / f"{name}.png", contact_sheet(tiles, title))
            advance(1)
    for entry in about["clusters"]:
        drawn = str(entry["cluster"]) in selected
        entry["sheet"] = f"sheets/{entry['cluster']}.png" if drawn else None
    about["noise_sheet"] = "sheets/noise.png" if "noise" in selected else None


def _selected(entry: dict[str, Any], members: Members, seed: int) -> list[tuple[str, str]]:
    middle, border = entry["medoids"], entry["boundary"]
    some = _some(members, entry["cluster"], _SOME + len(middle) + len(border), seed)
    between = [name for name in some if name not in {*middle, *border}][:_SOME]
    border = [name for name in border if name not in middle]
    return [
        *((name, "middle") for name in middle),
        *((name, "any") for name in between),
        *((name, "border") for name in border),
    ]


def _some(members: Members, cluster: int, count: int, seed: int) -> list[str]:
    rows = np.flatnonzero(members.clusters == cluster)
    drawn = np.random.default_rng([seed, cluster + 1]).permutation(rows)[:count]
    return [str(name) for name in members.pic_ids[np.sort(drawn)]]


def _sources(members: Members, expected: set[str]) -> dict[str, str]:
    rows = np.flatnonzero(np.isin(members.pic_ids, sorted(expected)))
    return {str(members.pic_ids[row]): str(members.sources[row]) for row in rows.tolist()}


def _title(entry: dict[str, Any]) -> str:
    shares = ", ".join(f"{count:,} {name}" for name, count in entry["categories"].items())
    remark = " (one source)" * entry["single_source"] + " (mixed)" * entry["mixed"]
    return f"cluster {entry['cluster']}: {counted(entry['size'], 'picture')}: {shares}{remark}"


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.glob("*.png"):
        if path.stem not in kept:
            path.unlink(missing_ok=True)
