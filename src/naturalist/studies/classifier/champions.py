"""Which model is in use, and everything that was decided about models, in `champion.json`."""

import datetime as dt
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from naturalist import artifacts, categories
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.suggestions import choose_one_of

FIRST = "it is the first"
Action = Literal["promote", "refuse", "rollback"]


def is_trained(folder: Path) -> bool:
    """Whether a model's folder is whole: `model.json` is written last."""
    return (folder / "model.json").exists() and (folder / "model.onnx").exists()


def champion(layout: Layout) -> str | None:
    """The id of the model in use; None if there is none yet."""
    result: str | None = _read(layout)["champion"]
    return result


def usable_champion(layout: Layout) -> str | None:
    """The model in use; None if there is none, or a category that it answers with is retired."""
    now = champion(layout)
    return None if now is None or retired_answers(layout, now) else now


def retired_answers(layout: Layout, model: str) -> list[str]:
    """The retired categories that a model answers with, by their present names."""
    facts = artifacts.read_json(layout.model(model) / "model.json") or {}
    return categories.read(layout).retired_among(facts.get("categories", ()))


def check_answers(layout: Layout, model: str, names: Iterable[str]) -> None:
    """Check that a model answers with no category that is retired in a workspace.

    Args:
        layout: the workspace.
        model: id of the model.
        names: of the categories that it answers with.

    Raises:
        ConfigError: one of them is retired.
    """
    retired = categories.read(layout).retired_among(names)
    if retired:
        raise ConfigError(
            f"model {model} was trained with {_listed(retired)}, which has been retired since: "
            "train another one with `naturalist train` (it becomes the champion), or restore the "
            f"category with `naturalist category restore {retired[0]}`"
        )


def _listed(names: Sequence[str]) -> str:
    return f"categor{'y' if len(names) == 1 else 'ies'} {', '.join(names)}"


def succeed(layout: Layout, model: str) -> str:
    """Make a model the champion where none can be used: there is none, or a category is retired.

    Returns:
        Why it is the champion now; empty if the champion stays what it is.
    """
    now = champion(layout)
    if now == model or (now is not None and usable_champion(layout) == now):
        return ""
    reason = FIRST
    if now is not None:
        reason = f"it replaces {now}, which was trained with a category that is retired now"
    record(layout, model, "promote", reason)
    return reason


def history(layout: Layout) -> list[dict[str, Any]]:
    """All decisions, the oldest first."""
    result: list[dict[str, Any]] = _read(layout)["history"]
    return result


def _read(layout: Layout) -> dict[str, Any]:
    result: dict[str, Any] | None = artifacts.read_json(layout.champion)
    return result or {"champion": None, "history": []}


def record(layout: Layout, model: str, action: Action, reason: str, **facts: Any) -> dict[str, Any]:
    """Write down a decision; unless it is a refusal, the model is the champion from now on.

    Returns:
        The entry of the history.
    """
    held = _read(layout)
    entry = {
        "model": model,
        "at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "action": action,
        "reason": reason,
        "before": held["champion"],
        **facts,
    }
    now = held["champion"] if action == "refuse" else model
    artifacts.write_json(layout.champion, {"champion": now, "history": [*held["history"], entry]})
    return entry


def refused_by(layout: Layout, model: str) -> str | None:
    """Why a model was refused as it is against the champion of now; None if it was not."""
    now = champion(layout)
    for entry in history(layout):
        if entry["model"] == model and entry["action"] == "refuse" and entry["before"] == now:
            return str(entry["reason"])
    return None


def models(layout: Layout) -> list[dict[str, Any]]:
    """What the `model.json` of each whole model says, and its state, the oldest first."""
    now = champion(layout)
    refused = {entry["model"] for entry in history(layout) if entry["action"] == "refuse"}
    result = []
    for folder in sorted(layout.models.glob("*/model.json")):
        if is_trained(folder.parent):
            facts = artifacts.read_json(folder)
            state = "refused" if facts["id"] in refused else ""
            result.append(facts | {"state": "champion" if facts["id"] == now else state})
    return sorted(result, key=lambda facts: str(facts["made_at"]))


def remove_refused(layout: Layout, keep: int) -> list[str]:
    """Remove the oldest refused models but `keep`; none that ever was the champion.

    Returns:
        The ids of those that were removed; their entries stay in the history.
    """
    once = {entry["model"] for entry in history(layout) if entry["action"] != "refuse"}
    refused = [one["id"] for one in models(layout) if one["state"] == "refused"]
    removed = [name for name in refused if name not in once][: max(0, len(refused) - keep)]
    for name in removed:
        # Without its summary a folder is no model, should the rest of this be interrupted.
        (layout.model(name) / "model.json").unlink()
        shutil.rmtree(layout.model(name))
    return removed


def model_folder(layout: Layout, name: str = "") -> Path:
    """The folder of a model, of the champion if no name is given.

    Raises:
        ConfigError: there is no such model, or no champion.
    """
    expected = name or champion(layout)
    if expected is None:
        raise ConfigError(f"{layout.root} has no classifier yet: run `naturalist train`")
    folder = layout.model(expected)
    if "/" in expected or not is_trained(folder):
        there = [facts["id"] for facts in models(layout)]
        advice = choose_one_of(expected, there)
        raise ConfigError(f"{layout.models} has no model {expected!r}: {advice}")
    return folder


def promote(layout: Layout, name: str, reason: str) -> dict[str, Any]:
    """Make a model the champion because a person said so.

    Raises:
        ConfigError: there is no such model, it is the champion already, or it answers with a
            retired category.
    """
    _check_usable(layout, name)
    if champion(layout) == name:
        raise ConfigError(f"{name} is already the champion")
    return record(layout, name, "promote", reason)


def roll_back(layout: Layout, reason: str) -> dict[str, Any]:
    """Go back to the champion before this one; going back twice goes back two champions.

    Raises:
        ConfigError: there was none before, its folder is gone, or it answers with a retired
            category.
    """
    line: list[str] = []
    for entry in history(layout):
        if entry["action"] == "promote":
            line.append(entry["model"])
        elif entry["action"] == "rollback":
            line.pop()
    if len(line) < 2:
        raise ConfigError("there is no earlier champion to roll back to")
    _check_usable(layout, line[-2])
    return record(layout, line[-2], "rollback", reason)


def _check_usable(layout: Layout, name: str) -> None:
    model_folder(layout, name)
    check_answers(layout, name, retired_answers(layout, name))
