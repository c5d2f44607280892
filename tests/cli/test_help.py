"""What --help teaches, for every command there is."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from cli.conftest import Naturalist
from naturalist import __version__, backbones, cli, consume
from naturalist.cli import defaults
from naturalist.cli.app import app
from naturalist.cli.errors import EXIT_CODES, EXIT_MEANINGS
from naturalist.cli.registry import ENTRIES, SECTIONS, Entry
from naturalist.config import CONFIG_NAME
from naturalist.config.executor import ExecutorKind
from naturalist.curation.near_duplicates import Keep
from naturalist.curation.quality import CHECKS
from naturalist.curation.questions import EARLIER
from naturalist.dashboard.export import THUMBNAILS
from naturalist.ledger import Outcome
from naturalist.snapshots import PruneOptions
from naturalist.stores.buckets import BucketOptions


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, (*path, name))
    if not hasattr(command, "commands"):
        yield path, command


COMMANDS = dict(leaves(typer.main.get_command(app)))
every_command = pytest.mark.parametrize("path", COMMANDS, ids=" ".join)


def test_help_names_values_without_types_of_python(naturalist: Naturalist) -> None:
    shown = naturalist("init", "--help").out
    assert "--category TEXT" in shown
    assert "--method tsne|umap|pacmap" in naturalist("map", "--help").out
    assert not re.search(r"<\w+[ >\[]", shown)


@every_command
def test_help_says_what_a_command_does_and_when_to_use_it_or_how(path: tuple[str, ...]) -> None:
    text = COMMANDS[path].help or ""
    sentences = re.split(r"[.:]\s", f"{text} ".replace("\n", " "))
    assert len([sentence for sentence in sentences if sentence.strip()]) >= 2


@every_command
def test_help_has_an_example(path: tuple[str, ...]) -> None:
    text = " ".join((COMMANDS[path].help or "").split())
    assert re.search(rf"Examples?: naturalist {' '.join(path)}\b", text)


@every_command
def test_help_explains_every_option_and_argument(path: tuple[str, ...]) -> None:
    for parameter in COMMANDS[path].params:
        if parameter.name != "help":
            assert len(parameter.help or "") > 8, parameter.name


@every_command
def test_help_points_to_the_exit_codes(naturalist: Naturalist, path: tuple[str, ...]) -> None:
    ended = naturalist(*path, "--help")
    assert (ended.code, ended.err) == (0, "")
    assert " ".join(EXIT_CODES.split()) in " ".join(ended.out.split())


@every_command
def test_every_command_can_answer_in_json(path: tuple[str, ...]) -> None:
    options = {option for parameter in COMMANDS[path].params for option in parameter.opts}
    assert "--json" in options


@every_command
def test_wrong_usage_of_any_command_is_one_json_document(
    naturalist: Naturalist, path: tuple[str, ...]
) -> None:
    ended = naturalist(*path, "--no-such-option", "--json")
    assert ended.code == 2
    assert ended.json["error"]["type"] == "UsageError"


def test_without_arguments_the_help_is_shown(naturalist: Naturalist) -> None:
    assert naturalist().out == naturalist("--help").out
    assert "To start" in naturalist().out


@pytest.mark.parametrize("group", sorted({path[0] for path in COMMANDS if len(path) > 1}))
def test_a_group_without_a_command_points_to_its_help(naturalist: Naturalist, group: str) -> None:
    ended = naturalist(group)
    assert ended.code == 2
    assert ended.err == "naturalist: Missing command; see --help\n"
    assert "Commands:" in naturalist(group, "--help").out


def test_the_version_is_printed(naturalist: Naturalist) -> None:
    assert naturalist("--version").out == f"naturalist {__version__}\n"


HEAVY = ("numpy", "pyarrow", "onnxruntime", "duckdb", "pydantic", "PIL", "boto3", "rich")


def heavy_after(*arguments: str) -> list[str]:
    """The large packages that are imported when `naturalist` with these arguments has ended."""
    program = (
        "import sys\nsys.argv[1:] = sys.argv[1].split()\nfrom naturalist.cli import main\n"
        f"try: main()\nfinally: print([m for m in {HEAVY} if m in sys.modules], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, " ".join(arguments)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return ended.stderr.strip("[]\n").split()


@pytest.mark.parametrize("argument", ["--help", "--version"])
def test_help_and_version_import_no_large_package(argument: str) -> None:
    assert heavy_after(argument) == []


def test_the_help_of_any_command_imports_little() -> None:
    modules = sorted({f"naturalist.cli.{entry.module}" for entry in ENTRIES.values()})
    program = (
        f"import sys, {', '.join(modules)}\n"
        f"print([m for m in {HEAVY} if m in sys.modules and m != 'pydantic'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert ended.stdout == "[]\n"


def test_defaults_and_choices_are_those_of_the_library() -> None:
    assert defaults.CONFIG_NAME == CONFIG_NAME
    assert defaults.BACKBONE == backbones.DEFAULT
    assert defaults.DOWNLOADS == consume.JOBS
    assert defaults.THUMBNAILS == THUMBNAILS
    assert BucketOptions.stale_upload_days == defaults.STALE_UPLOAD_DAYS
    assert PruneOptions.keep == defaults.KEPT_SNAPSHOTS
    assert PruneOptions.grace_s == defaults.PRUNE_GRACE_S
    assert defaults.EARLIER == EARLIER
    assert get_args(defaults.Executor) == tuple(ExecutorKind)
    assert get_args(defaults.Keep) == tuple(Keep)
    assert tuple(Outcome) == defaults.OUTCOMES
    assert tuple(CHECKS) == defaults.QUALITY_CHECKS


@pytest.mark.parametrize("entry", ENTRIES.values(), ids=ENTRIES)
def test_the_registry_repeats_the_first_line_of_a_commands_help(entry: Entry) -> None:
    command = typer.main.get_command(app).commands[entry.name]  # type: ignore[attr-defined]
    assert entry.summary == (command.help or "").split("\n")[0]


def test_every_command_of_every_module_is_registered() -> None:
    folder = Path(cli.__file__).parent
    modules = {p.stem for p in folder.glob("*.py") if "typer.Typer(" in p.read_text()} - {"app"}
    assert modules == {entry.module for entry in ENTRIES.values()}


def test_the_top_help_shows_whole_summaries_in_80_columns(naturalist: Naturalist) -> None:
    lines = naturalist("--help").out.splitlines()
    for section, entries in SECTIONS.items():
        at = lines.index(f"{section}:")
        listed = lines[at + 1 : at + 1 + len(entries)]
        assert [line.split(maxsplit=1) for line in listed] == [[e.name, e.summary] for e in entries]
        assert max(map(len, listed)) <= 80


@pytest.mark.parametrize("group", sorted({path[0] for path in COMMANDS if len(path) > 1}))
def test_the_help_of_a_group_shows_whole_summaries_in_80_columns(
    naturalist: Naturalist, monkeypatch: pytest.MonkeyPatch, group: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, commands = naturalist(group, "--help").out.split("Commands:\n")
    assert [line for line in commands.splitlines() if line.endswith("...")] == []


def test_a_mistyped_command_or_option_gets_a_suggestion(naturalist: Naturalist) -> None:
    assert "Did you mean 'status'" in naturalist("statsu").err
    assert "--config" in naturalist("status", "--confg").err


def test_exit_codes_have_a_page(naturalist: Naturalist) -> None:
    page = naturalist("help", "exit-codes").out
    for code, meaning in EXIT_MEANINGS.items():
        assert re.search(rf"^{code} +{re.escape(meaning)} *$", page, re.MULTILINE)


def test_the_shell_is_taught_to_complete_commands(
    naturalist: Naturalist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_NATURALIST_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "naturalist dup")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert naturalist().out.split() == ["duplicates"]
