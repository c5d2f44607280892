"""A map as a picture: what is dense looks dense, and no point hides another for being drawn last.

Few points are drawn as dots, in an order that chance decides. Many are counted in small squares:
the colour of a square is the mix of its categories, its strength the rank of its count. Colours are
those of the dashboard (frontend/src/palette.ts); names stand on the map too.
"""

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra

Floats = NDArray[np.float32]
_COLOURS = (
    "#009E73", "#DD8400", "#0072BE", "#D06EAF", "#C43E14", "#50A5E6",
    "#8C7D00", "#7855D7", "#82503C", "#008796", "#BE146E", "#78B928",
)  # fmt: skip
_MANY = 20_000
_SQUARES = 700
_INK = "#222222"
_PANELS = ((0, 1, "x", "y"), (0, 2, "x", "z"), (1, 2, "y", "z"))


def draw_map(
    coordinates: Floats,
    labels: NDArray[np.int32],
    names: dict[int, str],
    title: str,
    note: str,
    seed: int = 0,
) -> bytes:
    """Draw a map.

    Args:
        coordinates: (rows, 2 or 3) float32; with three axes, each pair of them and a view in
            perspective are drawn.
        labels: (rows,) of the categories.
        names: the name of each label, in the order of the legend.
        title: above the picture.
        note: below it.
        seed: of the order in which dots are drawn.

    Returns:
        The bytes of a PNG.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "analysis") from error
    flat = coordinates.shape[1] == 2
    figure = Figure(figsize=(8, 8.4) if flat else (10, 10.6), dpi=150, facecolor="white")
    canvas: Any = FigureCanvasAgg(figure)
    held = {label: name for label, name in names.items() if (labels == label).any()}
    colours = {label: _rgb(k) for k, label in enumerate(names)}
    if flat:
        axes = figure.add_axes((0.02, 0.06, 0.96, 0.82))
        _panel(axes, coordinates, labels, held, colours, seed, named=True)
    else:
        _four_panels(figure, coordinates, labels, held, colours, seed)
    figure.text(0.03, 0.965, title, fontsize=14, color=_INK, weight="bold")
    figure.text(0.03, 0.018, note, fontsize=8, color="#555555")
    _legend(figure, labels, held, colours)
    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _four_panels(
    figure: Any,
    coordinates: Floats,
    labels: NDArray[np.int32],
    held: dict[int, str],
    colours: dict[int, Floats],
    seed: int,
) -> None:
    places = ((0.02, 0.48), (0.51, 0.48), (0.02, 0.05))
    for (a, b, name_a, name_b), (left, bottom) in zip(_PANELS, places, strict=True):
        axes = figure.add_axes((left, bottom, 0.46, 0.41))
        _panel(axes, coordinates[:, [a, b]], labels, held, colours, seed, named=True)
        axes.set_title(f"{name_a}, {name_b}", fontsize=9, color=_INK, loc="left", pad=3)
    axes = figure.add_axes((0.51, 0.05, 0.46, 0.41))
    seen, nearness = _in_perspective(coordinates)
    _panel(axes, seen, labels, held, colours, seed, nearness=nearness)
    axes.set_title(
        "in perspective" if len(seen) > _MANY else "in perspective, near points stronger",
        fontsize=9,
        color=_INK,
        loc="left",
        pad=3,
    )


def _in_perspective(coordinates: Floats) -> tuple[Floats, Floats]:
    centred = coordinates - coordinates.mean(axis=0)
    turn, tilt = np.deg2rad(35), np.deg2rad(25)
    around = np.array(
        [[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    over = np.array([[1, 0, 0], [0, np.cos(tilt), np.sin(tilt)], [0, -np.sin(tilt), np.cos(tilt)]])
    turned = centred @ (around @ over).astype(np.float32)
    size = max(float(np.abs(turned).max()), 1e-12)
    depth = turned[:, 2] / size
    seen = turned[:, :2] / (2.5 - depth)[:, None]
    return seen.astype(np.float32), ((depth + 1) / 2).astype(np.float32)


def _panel(
    axes: Any,
    points: Floats,
    labels: NDArray[np.int32],
    held: dict[int, str],
    colours: dict[int, Floats],
    seed: int,
    *,
    named: bool = False,
    nearness: Floats | None = None,
) -> None:
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color("#DDDDDD")
    low, high = _square_around(points)
    axes.set_xlim(low[0], high[0])
    axes.set_ylim(low[1], high[1])
    if len(points) > _MANY:
        picture = shade(points, labels, colours, low, high)
        axes.imshow(picture, extent=(low[0], high[0], low[1], high[1]), origin="lower")
    else:
        _dots(axes, points, labels, colours, seed, nearness)
    if named:
        _name_categories(axes, points, labels, held)


def _square_around(points: Floats) -> tuple[Floats, Floats]:
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, max(float((high - low).max()), 1e-6) * 0.53
    return middle - half, middle + half


def _dots(
    axes: Any,
    points: Floats,
    labels: NDArray[np.int32],
    colours: dict[int, Floats],
    seed: int,
    nearness: Floats | None,
) -> None:
    order = np.random.default_rng(seed).permutation(len(points))
    rgba = np.ones((len(points), 4), np.float32)
    for label, colour in colours.items():
        rgba[labels == label, :3] = colour
    rgba[:, 3] = 0.75 if nearness is None else 0.15 + 0.75 * nearness
    size = float(np.clip(20_000 / len(points), 2.0, 30.0))
    axes.scatter(*points[order].T, s=size, c=rgba[order], linewidths=0)


def shade(
    points: Floats,
    labels: NDArray[np.int32],
    colours: dict[int, Floats],
    low: Floats,
    high: Floats,
) -> Floats:
    """Colours (squares, squares, 3) of a grid: mixed by categories, stronger where more lie."""
    cells = ((points - low) / (high - low) * _SQUARES).astype(np.int64)
    cells = np.clip(cells, 0, _SQUARES - 1)
    flat = cells[:, 1] * _SQUARES + cells[:, 0]
    counts = np.zeros(_SQUARES**2)
    mixed = np.zeros((_SQUARES**2, 3))
    for label, colour in colours.items():
        here = np.bincount(flat[labels == label], minlength=_SQUARES**2)
        counts += here
        mixed += here[:, None] * np.asarray(colour)
    some = counts > 0
    mixed[some] /= counts[some, None]
    # By rank: neither a few crowded squares nor a long tail decide what can be seen.
    ranks = np.searchsorted(np.sort(counts[some]), counts[some], side="right") / some.sum()
    strength = np.zeros(_SQUARES**2)
    strength[some] = 0.25 + 0.75 * ranks
    picture = 1 - strength[:, None] * (1 - mixed)
    return picture.reshape(_SQUARES, _SQUARES, 3).astype(np.float32)


def _name_categories(
    axes: Any, points: Floats, labels: NDArray[np.int32], held: dict[int, str]
) -> None:
    from matplotlib.patheffects import withStroke

    for label, name in held.items():
        x, y = _crowded_place(points[labels == label])
        halo = [withStroke(linewidth=3, foreground="white")]
        axes.text(x, y, name, ha="center", va="center", fontsize=10, color=_INK, path_effects=halo)


def _crowded_place(points: Floats) -> tuple[float, float]:
    counts, *edges = np.histogram2d(points[:, 0], points[:, 1], bins=24)
    # A little blur, so that one crowded square does not win over a crowded region.
    padded = np.pad(counts, 1)
    blurred = sum(padded[i : i + 24, j : j + 24] for i in range(3) for j in range(3))
    at = np.unravel_index(int(np.argmax(blurred)), counts.shape)
    x, y = ((edge[k] + edge[k + 1]) / 2 for edge, k in zip(edges, at, strict=True))
    return float(x), float(y)


def _legend(
    figure: Any, labels: NDArray[np.int32], held: dict[int, str], colours: dict[int, Floats]
) -> None:
    from matplotlib.lines import Line2D

    marks = [
        Line2D([], [], marker="o", linestyle="", markersize=7, color=tuple(colours[label].tolist()))
        for label in held
    ]
    texts = [f"{name}  {int((labels == label).sum()):,}" for label, name in held.items()]
    figure.legend(
        marks, texts, loc="upper left", bbox_to_anchor=(0.02, 0.955), ncols=min(len(held), 5),
        frameon=False, fontsize=10, handletextpad=0.2, columnspacing=1.2,
    )  # fmt: skip


def _rgb(k: int) -> Floats:
    text = _COLOURS[k % len(_COLOURS)]
    colour = np.array([int(text[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32)
    # Beyond eight categories the same colours come again, lighter.
    lighter = 0.45 * (k // len(_COLOURS) % 2)
    return colour + (1 - colour) * np.float32(lighter)
