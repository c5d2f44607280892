"""Plots of an evaluation, as PNG and SVG, drawn without a display."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from naturalist import artifacts
from naturalist.errors import MissingExtra
from naturalist.studies.classifier.card import tested_on

_INK = "#22303c"
_BLUE = "#2b6ca3"
_ORANGE = "#d1722b"
_PALE = "#d7e3ee"
_GRID = "#e3e3e3"
_CONFUSION_COLOURS = "Blues"


def write_plots(evaluation: Mapping[str, Any], folder: Path) -> list[str]:
    """Draw `sources`, `confusion`, `calibration` and `selective` into a folder; their names.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    drawers: dict[str, Callable[[Mapping[str, Any]], Any]] = {
        "sources": _sources,
        "confusion": _confusion,
        "calibration": _calibration,
        "selective": _selective,
    }
    drawn = []
    for name, draw in drawers.items():
        figure = draw(evaluation)
        if figure is None:
            continue
        for ending in ("png", "svg"):
            artifacts.write_bytes(folder / f"{name}.{ending}", _rendered(figure, ending))
        drawn.append(name)
    return drawn


def _rendered(figure: Any, ending: str) -> bytes:
    from matplotlib import rc_context

    buffer = io.BytesIO()
    # Fixed names inside, and no date: the same evaluation gives the same bytes.
    with rc_context({"svg.hashsalt": "naturalist"}):
        meta = {"Date": None} if ending == "svg" else {"Software": None}
        figure.savefig(buffer, format=ending, dpi=120, metadata=meta)
    return buffer.getvalue()


def _figure(width: float, height: float) -> tuple[Any, Any]:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingExtra("matplotlib", "analysis") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=_INK)
    return figure, axes


def _sources(evaluation: Mapping[str, Any]) -> Any:
    """Accuracy on each held-out source, the random split beside it, the interval behind it."""
    left_out = evaluation["leave_one_source_out"]
    if left_out is None:
        return None
    rows = sorted(left_out["per_source"], key=lambda one: one["accuracy"])
    figure, axes = _figure(8, 1.6 + 0.36 * len(rows))
    expected = evaluation["expected_on_new_sources"]
    if expected is not None:
        label = f"one new source, {expected['level']:.0%}"
        axes.axvspan(*expected["interval"], color=_PALE, label=label, zorder=0)
    places = range(len(rows))
    values = [one["accuracy"] for one in rows]
    axes.hlines(places, 0, values, color=_GRID, zorder=1)
    axes.scatter(values, places, color=_BLUE, zorder=3, label="source left out")
    axes.axvline(left_out["balanced_accuracy"], color=_BLUE, label="mean on left-out sources")
    random = evaluation["random_split"]["balanced_accuracy"]
    axes.axvline(random, color=_ORANGE, linestyle="--", label="random split")
    axes.set_yticks(places, [f"{_short(one['source'])} ({one['category']})" for one in rows])
    axes.set_xlim(0, 1.02)
    axes.set_xlabel("share of pictures recognised")
    axes.set_title("Accuracy on sources that were left out", loc="left", color=_INK)
    figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize="small")
    return figure


def _confusion(evaluation: Mapping[str, Any]) -> Any:
    """Shares of each category's pictures by what they were taken for, on held-out sources."""
    names = evaluation["confusion"]["categories"]
    matrix = evaluation["confusion"]["matrix"]
    shares = [[n / max(1, sum(row)) for n in row] for row in matrix]
    side = 2.4 + 0.75 * len(names)
    figure, axes = _figure(side + 0.8, side)
    axes.imshow(shares, cmap=_CONFUSION_COLOURS, vmin=0, vmax=1)
    if len(names) <= 12:
        for i, row in enumerate(shares):
            for j, share in enumerate(row):
                shade = "white" if share > 0.5 else _INK
                text = f"{share:.1%}\n{matrix[i][j]:,}"
                axes.text(j, i, text, ha="center", va="center", color=shade, fontsize="small")
    axes.set_xticks(range(len(names)), names, rotation=30 if len(names) > 4 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted")
    axes.set_ylabel("filed under")
    axes.set_title(f"On {tested_on(evaluation)}", loc="left", color=_INK)
    return figure


def _calibration(evaluation: Mapping[str, Any]) -> Any:
    """Reliability: how often predictions of each confidence are right."""
    bins = evaluation["calibration"]["bins"]
    figure, axes = _figure(5, 4.6)
    lowest = 1 / len(evaluation["categories"])
    axes.plot([lowest, 1], [lowest, 1], color=_ORANGE, linestyle="--", label="as promised")
    claimed, held = [b["confidence"] for b in bins], [b["accuracy"] for b in bins]
    axes.plot(claimed, held, color=_BLUE, zorder=3)
    sizes = [20 + 380 * b["weight"] for b in bins]
    axes.scatter(claimed, held, s=sizes, color=_BLUE, alpha=0.75, zorder=4, label="as it was")
    axes.set_xlim(lowest - 0.03, 1.03)
    axes.set_ylim(0, 1.03)
    axes.grid(color=_GRID)
    axes.set_axisbelow(True)
    axes.set_xlabel("probability of the predicted category")
    axes.set_ylabel("accuracy")
    ece = evaluation["calibration"]["ece"]
    axes.set_title(
        f"Calibration on {tested_on(evaluation)} (ECE {ece:.3f})", loc="left", color=_INK
    )
    axes.legend(frameon=False, loc="lower right")
    return figure


def _selective(evaluation: Mapping[str, Any]) -> Any:
    """Accuracy of the surest predictions, for every share of the pictures."""
    curve = evaluation["selective"]
    figure, axes = _figure(5, 4.2)
    coverage = [one["coverage"] for one in curve]
    accuracy = [one["accuracy"] for one in curve]
    axes.plot(coverage, accuracy, color=_BLUE)
    axes.set_xlim(0, 1.01)
    low = min(accuracy)
    axes.set_ylim(max(0.0, low - 0.5 * (1 - low) - 0.01), 1.005)
    axes.grid(color=_GRID)
    axes.set_xlabel("share of pictures decided, most certain first")
    axes.set_ylabel("accuracy")
    axes.set_title(f"Accuracy against coverage, {tested_on(evaluation)}", loc="left", color=_INK)
    return figure


def _short(name: str) -> str:
    return name if len(name) <= 42 else f"{name[:20]}…{name[-20:]}"
