"""Every command that prints JSON has a schema, and what it prints is of it."""

from pathlib import Path

import pytest

from cli.conftest import Naturalist, naturalist
from cli.test_help import COMMANDS
from documented import assert_documented
from naturalist.api import Opened
from naturalist.api.reports import REPORTS, of_command

__all__ = ["naturalist"]

WITH_JSON = {
    " ".join(path)
    for path, command in COMMANDS.items()
    if any("--json" in parameter.opts for parameter in command.params)
}


def test_every_command_that_prints_json_has_a_schema() -> None:
    assert [name for name in sorted(WITH_JSON) if not of_command(name)] == []
    assert {name for command in WITH_JSON for name in of_command(command)} == set(REPORTS)


def test_a_document_with_other_keys_or_values_is_not_of_its_schema() -> None:
    document = {"envelope": 1, "command": "takedown", "ok": True, "taken_down": ["plant_id_1"]}
    assert_documented(document)
    for change in ({"taken_down": 1}, {"more": 1}):
        with pytest.raises(AssertionError, match="takedown"):
            assert_documented(document | change)


ALONE = (
    "sources list",
    "sources show animals10",
    "help",
    "help exit-codes",
    "backbones list",
    "backbones show colour_histogram",
    "plan --pictures 1e6",
)


@pytest.mark.parametrize("call", ALONE)
def test_documents_of_commands_without_a_collection(naturalist: Naturalist, call: str) -> None:
    assert naturalist(*call.split(), "--json").json["ok"]


LOOKING = (
    "ledger",
    "predict {photos}/human",
    "index",
    "refine",
    "drift",
    "sample --size 20",
    "evaluate",
    "duplicates",
    "quality --decisions {out}/poor.csv",
    "overlap",
    "overlap {published} --sketch {out}/garden.sketch",
    "metadata",
    "metadata --problems",
    "metadata --decisions {out}/moves.csv",
    "publish --dry-run",
    "publish",
    "pull {published} {out}/pulled",
    "overlap {published} {out}/pulled",
    "verify {published}",
    "verify",
    "snapshots list",
    "snapshots diff 000001 000001",
    "snapshots diff 000001 000001 --pictures {out}/changes.html",
    "snapshots rollback 000001",
    "snapshots release",
    "snapshots prune --dry-run",
    "export {out}/plot --for tables",
    "audit",
    "mcp",
    "doctor",
    "extract",
    "tables",
    "ingest",
    "airflow init --home {out}/airflow",
)
CHANGING = (
    "concept make stripes --yes plant_id_1,plant_id_2 --no animal_id_1",
    "concept list",
    "concept show stripes",
    "concept apply stripes",
    "concept drop stripes",
    "reviewers add anna",
    "reviewers list",
    "reviewers remove anna",
    "tags",
    "review --template {out}/open.csv",
    "category list",
    "category rename plant flora",
    "category relabel flora 7",
    "category retire human",
    "category restore human",
    "takedown animal_id_2 --why asked",
)


@pytest.mark.parametrize("calls", [LOOKING, CHANGING], ids=["looking", "changing"])
def test_documents_of_commands_with_a_collection(
    naturalist: Naturalist, garden: Opened, tmp_path: Path, calls: tuple[str, ...]
) -> None:
    folder = garden.config.layout.root
    places = {
        "photos": folder.parent / "photos",
        "published": folder.parent / "published",
        "out": tmp_path,
    }
    for call in calls:
        words = [word.format(**places) for word in call.split()]
        here = [] if words[1:2] == [str(places["published"])] else ["-c", str(folder)]
        ended = naturalist(*words, *here, "--json")
        assert (call, ended.json["ok"]) == (call, True), ended.err
