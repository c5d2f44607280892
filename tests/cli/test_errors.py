"""From errors to exit codes: every class of the tree, and real occasions."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pytest

from cli.conftest import Naturalist
from naturalist import errors
from naturalist.cli import output
from naturalist.cli.errors import EXIT_MEANINGS, run_and_exit
from naturalist.errors import MissingExtra, NaturalistError
from naturalist.running import workspace
from tiny import (
    collection,
    config_file,
    flip_byte,
    in_memory,
    make_all,
    make_sources,
    picture,
)


def all_errors(root: type[NaturalistError] = NaturalistError) -> list[type[NaturalistError]]:
    """The tree, without what tests add to it."""
    below = [sub for sub in root.__subclasses__() if sub.__module__ == errors.__name__]
    return [root, *(one for sub in below for one in all_errors(sub))]


@pytest.fixture(autouse=True)
def _signals() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def end(command: Callable[[], object], *, as_json: bool = False) -> int:
    with pytest.raises(SystemExit) as ended:
        run_and_exit(command, as_json=as_json)
    return int(ended.value.code or 0)


def failing(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


def make(kind: type[NaturalistError]) -> NaturalistError:
    return MissingExtra("airflow", "airflow") if kind is MissingExtra else kind("what happened")


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_ends_with_its_documented_code_and_no_traceback(
    kind: type[NaturalistError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = make(kind)
    assert end(failing(error)) == kind.exit_code
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == f"naturalist: {error}\n"


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_every_error_is_one_json_document_when_that_was_asked_for(
    kind: type[NaturalistError], capsys: pytest.CaptureFixture[str]
) -> None:
    error = make(kind)
    output.set_command("verify")
    assert end(failing(error), as_json=True) == kind.exit_code
    assert json.loads(capsys.readouterr().out) == {
        "envelope": 1,
        "command": "verify",
        "ok": False,
        "error": {"type": kind.__name__, "message": str(error), "exit_code": kind.exit_code},
    }


def test_the_codes_in_the_help_are_those_of_the_errors() -> None:
    codes = {kind.exit_code for kind in all_errors()}
    assert set(EXIT_MEANINGS) == codes | {0, errors.INTERRUPTED_EXIT_CODE}
    tree = errors.__doc__ or ""
    for kind in all_errors():
        assert f"{kind.__name__} " in tree


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_with_130_and_says_that_the_work_is_kept(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert end(lambda: os.kill(os.getpid(), number)) == 130
    assert "finished work is kept" in capsys.readouterr().err


def test_a_file_name_in_a_message_cannot_write_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    end(failing(errors.SourceError("cannot read \x1b[2J\x07 evil\x9b\nname \udcff")))
    said = capsys.readouterr().err
    assert "\x1b" not in said
    assert "\x07" not in said
    assert "\x9b" not in said
    assert "evil" in said


# real occasions


@pytest.fixture
def folder() -> Iterator[Path]:
    with in_memory() as root:
        yield root


def codes(ended: object) -> tuple[int, int, str]:
    """Exit code, the code in the JSON, and the type of the error."""
    error = ended.json["error"]  # type: ignore[attr-defined]
    return ended.code, error["exit_code"], error["type"]  # type: ignore[attr-defined]


SEEDS = {"animal": [1, 2], "plant": [3, 4, 5]}


def test_no_configuration_is_code_2(naturalist: Naturalist, folder: Path) -> None:
    ended = naturalist("status", "--json", "-c", str(folder))
    assert codes(ended) == (2, 2, "ConfigError")
    assert "naturalist init" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["status", "--nonsense"],
        ["run", "--config"],
        ["ledger", "--limit", "many"],
        ["ledger", "--limit", "-1"],
        ["init"],
    ],
)
def test_wrong_usage_is_code_2_and_points_to_the_help(
    naturalist: Naturalist, arguments: list[str]
) -> None:
    command, *rest = arguments
    ended = naturalist(command, "--json", *rest)
    assert codes(ended) == (2, 2, "UsageError")
    assert ended.err.endswith("; see --help\n")
    assert ".;" not in ended.err
    assert naturalist(*arguments).out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["sample", "--method", "awre"],
            "--method 'awre': choose one of aware, sketch, uniform; did you mean aware? See --help",
        ),
        (
            ["sample", "--method", "zzz"],
            "--method 'zzz': choose one of aware, sketch, uniform; see",
        ),
        (["map", "--dims", "4"], "naturalist: --dims: expected at most 3; see"),
        (["map", "--dims", "1"], "naturalist: --dims: expected at least 2; see"),
        (["map", "--dims", "two"], "naturalist: --dims: expected a whole number; see"),
    ],
)
def test_a_wrong_value_is_explained_without_words_of_a_library(
    naturalist: Naturalist, arguments: list[str], said: str
) -> None:
    ended = naturalist(*arguments)
    assert ended.code == 2
    assert said in ended.err
    assert "Value error" not in ended.err
    assert "Input should" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ledger", "--outcome", "refuse"], "unpacked, relabelled; did you mean refused?"),
        (["ledger", "--outcome", "REFUSED"], "did you mean refused?"),
        (["ledger", "--reason", "not_picture"], "did you mean not_a_picture?"),
        (["ledger", "--category", "plnat"], "choose one of animal, plant; did you mean plant?"),
        (["ledger", "--source", "zzz"], "unknown name; choose one of photos\n"),
        (["export", "out", "--for", "atlass"], "csv, tables; did you mean atlas?"),
        (["help", "exit-code"], "choose one of exit-codes; did you mean exit-codes?"),
        (["help", "ledger"], "run `naturalist ledger --help`"),
        (["backbones", "show", "mobilenet_v1_050_182"], "did you mean mobilenet_v1_050_128?"),
        (["backbones", "fetch", "mobilenet_v1_050_182"], "did you mean mobilenet_v1_050_128?"),
        (["drift", "--against", "source"], "did you mean sources?"),
    ],
)
def test_a_wrong_name_gets_the_nearest_one_suggested(
    naturalist: Naturalist, folder: Path, arguments: list[str], said: str
) -> None:
    path = config_file(folder, make_sources(folder, SEEDS))
    where = ["-c", str(path)] if arguments[0] in ("ledger", "export", "drift") else []
    ended = naturalist(*arguments, *where)
    assert said in ended.err
    assert ended.code in (2, 8)


def test_too_many_failures_are_code_3_in_one_document(naturalist: Naturalist, folder: Path) -> None:
    sources = make_sources(folder, SEEDS)
    (sources["plant"]["photos"] / "half.png").write_bytes(picture(9)[:30])
    path = config_file(folder, sources)
    ended = naturalist("ingest", "--json", "-q", "-c", str(path))
    assert codes(ended) == (3, 3, "FailureBudgetExceeded")
    assert naturalist("status", "--json", "-c", str(path)).json["categories"]["plant"]["seen"] == 4


def test_a_failed_check_is_code_4(naturalist: Naturalist, folder: Path) -> None:
    sources = make_sources(folder, SEEDS)
    config = collection(folder, sources)
    make_all(config)
    flip_byte(config.layout.table("plant", 1), 200)
    path = config_file(folder, sources)
    ended = naturalist("verify", "--json", "-q", "-c", str(path))
    assert codes(ended) == (4, 4, "VerificationFailed")
    assert "image_df_1.parquet" in ended.err


def flip(path: Path) -> None:
    flip_byte(path, 300)


@pytest.mark.parametrize(
    ("meddle", "expected"),
    [(flip, (4, 4, "VerificationFailed")), (Path.unlink, (5, 5, "WorkspaceError"))],
)
def test_a_damaged_ledger_is_named_and_nobody_is_told_to_remove_it(
    naturalist: Naturalist,
    folder: Path,
    meddle: Callable[[Path], None],
    expected: tuple[int, int, str],
) -> None:
    sources = make_sources(folder, SEEDS)
    config = collection(folder, sources)
    make_all(config)
    meddle(config.layout.batch("plant", 1))
    ended = naturalist("verify", "--json", "-q", "-c", str(config_file(folder, sources)))
    assert codes(ended) == expected
    assert "ledger/plant/000001.parquet" in ended.err
    assert "restore it from a" in ended.err


def test_features_that_are_gone_are_not_passed_over(naturalist: Naturalist, folder: Path) -> None:
    sources = make_sources(folder, SEEDS)
    config = collection(folder, sources)
    make_all(config)
    (part,) = (config.layout.root / "features").glob("*/plant/*.parquet")
    part.unlink()
    ended = naturalist("verify", "--json", "-q", "-c", str(config_file(folder, sources)))
    assert codes(ended) == (4, 4, "VerificationFailed")
    assert "missing" in ended.err
    assert "plant" in ended.err


def test_nothing_made_yet_is_code_5(naturalist: Naturalist, folder: Path) -> None:
    path = config_file(folder, make_sources(folder, SEEDS))
    for command in ("status", "ledger", "verify"):
        assert codes(naturalist(command, "--json", "-c", str(path))) == (5, 5, "WorkspaceError")


def test_a_workspace_that_is_in_use_is_code_5(naturalist: Naturalist, folder: Path) -> None:
    sources = make_sources(folder, SEEDS)
    config = collection(folder, sources)
    path = config_file(folder, sources)
    with workspace.writing(config):
        ended = naturalist("run", "--json", "-q", "-c", str(path))
        assert codes(ended) == (5, 5, "WorkspaceLocked")
        assert naturalist("status", "--json", "-c", str(path)).json["running"]


def test_a_missing_source_is_code_6(naturalist: Naturalist, folder: Path) -> None:
    sources = make_sources(folder, SEEDS) | {"plant": {"photos": folder / "not mounted"}}
    ended = naturalist("run", "--json", "-q", "-c", str(config_file(folder, sources)))
    assert codes(ended) == (6, 6, "SourceError")
    assert "not mounted" in ended.err


def test_a_store_that_cannot_be_written_to_is_code_7(naturalist: Naturalist, folder: Path) -> None:
    sources = make_sources(folder, SEEDS)
    make_all(collection(folder, sources))
    (folder / "file").write_bytes(b"")
    path = config_file(folder, sources, publish={"url": str(folder / "file" / "below")})
    ended = naturalist("publish", "--json", "-q", "-c", str(path))
    assert codes(ended)[:2] == (7, 7)


def test_weights_that_cannot_be_used_are_code_8(naturalist: Naturalist, tmp_path: Path) -> None:
    asked = ("backbones", "fetch", "mobilenet_v1_050_128", "--from", str(tmp_path / "nothing.h5"))
    assert codes(naturalist(*asked, "--json", "-q")) == (8, 8, "BackboneError")


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_nothing_is_said_to_a_reader_that_has_gone_away(options: list[str]) -> None:
    program = [sys.executable, "-m", "naturalist", "ledger", "--reasons", *options]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(program, stdout=write, stderr=subprocess.PIPE, timeout=120, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_cannot_show_a_name_shows_its_code(folder: Path, encoding: str) -> None:
    (folder / "日本").mkdir()
    (folder / "本日").mkdir()
    categories = ["--category", f"plant=0:{folder}/日本", "--category", f"animal=1:{folder}/本日"]
    program = [sys.executable, "-m", "naturalist", "init", f"{folder}/日", *categories]
    env = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(program, env=env, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"/\u65e5/naturalist.toml" in done.stdout


@pytest.mark.parametrize("arguments", [["ledger", "--reasons", "--json"], ["--version"]])
def test_a_full_disk_for_the_output_is_an_error_and_not_silence(arguments: list[str]) -> None:
    program = [sys.executable, "-m", "naturalist", *arguments]
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            program, stdout=full, stderr=subprocess.PIPE, timeout=120, check=False
        )
    assert done.returncode == 10
    assert re.fullmatch(rb"naturalist: .*[Nn]o space left.*\n", done.stderr)


def test_want_of_memory_in_a_query_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def query() -> None:
        with duckdb.connect() as connection:
            connection.execute("SET memory_limit = '20MB'; SET temp_directory = ''")
            connection.execute("SELECT list(range) FROM range(100_000_000)").fetchall()

    assert end(query) == end(failing(MemoryError())) == 10
    assert capsys.readouterr().err.count("no memory left: run the same command again") == 2


@pytest.mark.parametrize("command", ["dashboard", "map", "train"])
def test_an_address_without_its_option_is_shown_with_it(
    naturalist: Naturalist, command: str
) -> None:
    ended = naturalist(command, "s3://bucket/garden")
    assert ended.code == 2
    assert ended.err.endswith("for a collection that is elsewhere: --from s3://bucket/garden\n")


def test_an_argument_too_many_of_a_command_without_that_option_has_no_such_advice(
    naturalist: Naturalist,
) -> None:
    ended = naturalist("status", "s3://bucket/garden")
    assert (ended.code, ended.err.endswith("; see --help\n")) == (2, True)
