"""Every command that prints JSON has a schema, and what it prints is of it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Naturalist, naturalist
from cli.test_help import COMMANDS
from documented import ENVELOPE, assert_documented, faults_of
from naturalist.api import Opened
from naturalist.api.reports import REPORTS, of_command, schema_of

__all__ = ["naturalist"]

ROOT = Path(__file__).resolve().parents[2]
WITH_JSON = {
    " ".join(path)
    for path, command in COMMANDS.items()
    if any("--json" in parameter.opts for parameter in command.params)
}


def test_every_command_that_prints_json_has_a_schema() -> None:
    assert [name for name in sorted(WITH_JSON) if not of_command(name)] == []
    assert {name for command in WITH_JSON for name in of_command(command)} == set(REPORTS)


def test_a_document_with_other_keys_or_values_is_not_of_its_schema() -> None:
    document = {"envelope": 1, "command": "takedown", "ok": True, "rows": ["plant_id_1"]}
    assert_documented(document)
    for change in ({"rows": 1}, {"more": 1}, {"outputs": "a"}, {"envelope": 2}):
        with pytest.raises(AssertionError, match="takedown"):
            assert_documented(document | change)
    tagged = {"picID": "plant_id_1", "tags": ["owl"], "note": "", "by": "anna", "at": ""}
    document |= {"command": "tags", "rows": [tagged | {"pic_id": "plant_id_1"}]}
    assert_documented(document)
    for row in (tagged, tagged | {"pic_id": "plant_id_1", "more": 1}):
        with pytest.raises(AssertionError, match=r"rows\[0\]"):
            assert_documented(document | {"rows": [row]})


def test_rows_are_a_list_in_every_document_and_row_count_a_number() -> None:
    kinds = {"rows": set(), "row_count": set(), "errors": set(), "warnings": set()}
    for name in REPORTS:
        for key, kind in schema_of(name)["properties"].items():
            if key in kinds:
                kinds[key].add(kind.get("type"))
    assert kinds.pop("row_count") == {"integer"}
    assert set(map(tuple, kinds.values())) == {("array",)}


def test_the_tables_of_lists_have_all_lists_of_all_documents() -> None:
    page = (ROOT / "docs/json.md").read_text()
    listing, others = (
        list(table_under(page, heading)) for heading in ("What `rows` has", "Other lists")
    )
    assert [name for name, _ in listing] == [n for n in REPORTS if "rows" in lists_of(n)]
    told = {name: re.findall(r"`(\w+)`", keys) for name, keys in others}
    expected = {name: [key for key in lists_of(name) if key != "rows"] for name in REPORTS}
    assert told == {name: keys for name, keys in expected.items() if keys}


def table_under(page: str, heading: str) -> Iterator[tuple[str, str]]:
    """Each command of the table under a heading, and what its row says."""
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    for line in re.findall(r"^\| `.*", section, re.MULTILINE):
        names, said = line.strip("|").split("|", 1)
        yield from ((name, said.strip()) for name in re.findall(r"`([^`]+)`", names))


def lists_of(name: str) -> list[str]:
    """Keys of lists of a document, but of its envelope."""
    properties: dict[str, dict[str, Any]] = schema_of(name)["properties"]
    return [
        key
        for key, kind in properties.items()
        if key not in ENVELOPE
        and any(one.get("type") == "array" for one in kind.get("anyOf", [kind]))
    ]


ALONE = {
    "sources list": "sources list",
    "sources show": "sources show animals10",
    "help": "help",
    "help exit-codes": "help exit-codes",
    "backbones list": "backbones list",
    "backbones show": "backbones show colour_histogram",
    "plan": "plan --pictures 1e6",
    "ledger --reasons": "ledger --reasons",
}
LOOKING = {
    "status": "status",
    "ledger": "ledger",
    "search": "search shore",
    "similar": "similar plant_id_1",
    "predict": "predict {photos}/human",
    "index": "index",
    "map": "map",
    "cluster": "cluster",
    "names": "names",
    "sample": "sample --size 20",
    "drift": "drift",
    "train": "train",
    "models list": "models list",
    "models show": "models show",
    "refine": "refine",
    "evaluate": "evaluate",
    "duplicates": "duplicates",
    "label-issues": "label-issues",
    "quality": "quality --decisions {out}/poor.csv",
    "overlap": "overlap",
    "overlap --sketch": "overlap {published} --sketch {out}/garden.sketch",
    "metadata": "metadata",
    "metadata --problems": "metadata --problems",
    "metadata --decisions": "metadata --decisions {out}/moves.csv",
    "publish --dry-run": "publish --dry-run",
    "publish": "publish",
    "pull": "pull {published} {out}/pulled",
    "overlap COLLECTION...": "overlap {published} {out}/pulled",
    "verify URL": "verify {published}",
    "verify": "verify",
    "snapshots list": "snapshots list",
    "snapshots diff": "snapshots diff 000001 000001",
    "snapshots diff --pictures": "snapshots diff 000001 000001 --pictures {out}/changes.html",
    "snapshots rollback": "snapshots rollback 000001",
    "snapshots release": "snapshots release",
    "snapshots prune": "snapshots prune --dry-run",
    "export": "export {out}/plot --for tables",
    "dashboard": "dashboard --export {out}/pages",
    "audit": "audit",
    "mcp": "mcp",
    "doctor": "doctor",
    "extract": "extract",
    "tables": "tables",
    "ingest": "ingest",
    "run": "run",
    "init": "init {out}/new --category plant=0:{photos}/plant",
    "demo": "demo {out}/demo --photos {photos}",
    "sources status": "sources status --to {out}",
    "airflow init": "airflow init --home {out}/airflow",
}
CHANGING = {
    "concept make": "concept make stripes --yes plant_id_1,plant_id_2 --no animal_id_1",
    "concept list": "concept list",
    "concept show": "concept show stripes",
    "concept apply": "concept apply stripes",
    "concept drop": "concept drop stripes",
    "reviewers add": "reviewers add anna",
    "reviewers list": "reviewers list",
    "reviewers remove": "reviewers remove anna",
    "tags": "tags",
    "review --template": "review --template {out}/open.csv",
    "review --dry-run": "review {out}/decided.csv --dry-run",
    "review": "review {out}/decided.csv",
    "category list": "category list",
    "category rename": "category rename plant flora",
    "category relabel": "category relabel flora 7",
    "category retire": "category retire human",
    "category restore": "category restore human",
    "takedown": "takedown animal_id_2 --why asked",
}
ELSEWHERE = {
    "sources fetch": "catalogue/test_fetching.py",
    "sources urls": "catalogue/test_url_lists.py",
    "models promote": "cli/test_classifier.py",
    "models rollback": "cli/test_classifier.py",
    "models export": "cli/test_classifier.py",
    "bucket create": "cli/test_bucket.py",
    "bucket delete": "cli/test_bucket.py",
    "bucket policy": "cli/test_bucket.py",
    "bucket policy --links": "cli/test_bucket.py",
    "bucket audit": "cli/test_bucket.py",
    "backbones fetch": "cli/test_backbones.py",
    "backbones add": "cli/test_text_search.py",
    "backbones bench": "cli/test_backbones.py",
}
"""Documents that tests of a file read, which checks them too; they need more than a collection."""
KINDS = {"help exit-codes": "help", "metadata --problems": "metadata", "review --dry-run": "review"}
"""Documents of calls that are of the kind of another one."""


def test_every_kind_of_document_is_read_by_a_test() -> None:
    tried = {KINDS.get(name, name) for name in (*ALONE, *LOOKING, *CHANGING)}
    assert tried.isdisjoint(ELSEWHERE)
    assert all((ROOT / "tests" / file).exists() for file in ELSEWHERE.values())
    assert tried | set(ELSEWHERE) == set(REPORTS)


@pytest.mark.parametrize("name", ALONE)
def test_documents_of_commands_without_a_collection(naturalist: Naturalist, name: str) -> None:
    assert_printed(naturalist, name, [*ALONE[name].split(), "--json"])


@pytest.mark.parametrize("calls", [LOOKING, CHANGING], ids=["looking", "changing"])
def test_documents_of_commands_with_a_collection(
    naturalist: Naturalist, garden: Opened, tmp_path: Path, calls: dict[str, str]
) -> None:
    folder = garden.config.layout.root
    places = {
        "photos": folder.parent / "photos",
        "published": folder.parent / "published",
        "out": tmp_path,
    }
    (tmp_path / "decided.csv").write_text("picID,decision\nplant_id_3,retire\n")
    for name, call in calls.items():
        words = [word.format(**places) for word in call.split()]
        here = ["-c", str(folder)] if takes_config(words, places["published"]) else []
        assert_printed(naturalist, name, [*words, *here, "--json"])


def takes_config(words: list[str], published: Path) -> bool:
    """Whether a call is about a workspace: its command has the option, and it names no other."""
    command = COMMANDS.get(tuple(words[:2])) or COMMANDS[words[0],]
    has_option = any("--config" in parameter.opts for parameter in command.params)
    return has_option and words[1:2] != [str(published)]


def assert_printed(naturalist: Naturalist, name: str, words: list[str]) -> None:
    """A command ends well, and prints what its schema says."""
    ended = naturalist(*words)
    assert (words, ended.json["ok"]) == (words, True), ended.err
    assert (words, faults_of(KINDS.get(name, name), ended.json)) == (words, [])
