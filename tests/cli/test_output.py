"""What status and ledger show, and that no file name can write on the terminal."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.conftest import Ended, Naturalist
from naturalist.cli import output
from naturalist.cli.output import printable
from naturalist.cli.progress import LineProgress, make_progress
from naturalist.progress import Silent
from naturalist.reasons import Reason
from tiny import collection, config_file, in_memory, make_all, make_sources, picture

HOSTILE = [
    b"\x1b]0;title\x07\x1b[2J.png",
    b"new\nline.png",
    b"caf\xe9.png",
    "\u202egnp.exe".encode(),
    b"[bold red]markup[red].png",
    b"\xc2\x9b31m.png",
    b"tab\tand\rreturn.png",
    "日本.png".encode(),
    b"quote\"back\\slash'.png",
]


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A collection with hostile names and one file of each outcome; gives its configuration."""
    with in_memory() as root:
        sources = make_sources(root, {"animal": [1, 2], "plant": range(10, 14)})
        photos = sources["plant"]["photos"]
        for seed, name in enumerate(HOSTILE, start=50):
            Path(os.fsdecode(os.fsencode(photos) + b"/" + name)).write_bytes(picture(seed))
        (photos / "again.png").write_bytes(picture(10))
        (photos / "animal.png").write_bytes(picture(1))
        (photos / "note.txt").write_bytes(b"a note")
        (photos / "half.png").write_bytes(picture(90)[:30])
        make_all(collection(root, sources, failure_budget=1.0))
        yield config_file(root, sources, failure_budget=1.0)


@pytest.fixture
def ledger(naturalist: Naturalist, made: Path) -> Any:
    def call(*arguments: str) -> list[dict[str, Any]]:
        ended = naturalist("ledger", "--json", "-c", str(made), *arguments)
        assert (ended.code, ended.err) == (0, "")
        rows: list[dict[str, Any]] = ended.json["rows"]
        return rows

    return call


def test_the_ledger_has_every_file_once(ledger: Any) -> None:
    rows = ledger()
    assert len(rows) == 6 + len(HOSTILE) + 4
    assert len({(row["category"], row["path_hex"]) for row in rows}) == len(rows)


def test_the_exact_bytes_of_every_path_come_through_json(ledger: Any) -> None:
    paths = {bytes.fromhex(row["path_hex"]) for row in ledger("--category", "plant")}
    assert set(HOSTILE) <= paths


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--refused"], {"note.txt", "half.png"}),
        (["--outcome", "refused"], {"note.txt", "half.png"}),
        (["--outcome", "duplicate"], {"again.png"}),
        (["--outcome", "conflict"], {"animal.png", "0001.png"}),
        (["--outcome", "conflict", "--category", "plant"], {"animal.png"}),
        (["--reason", "not_a_picture"], {"note.txt"}),
        (["--refused", "--reason", "not_a_picture"], {"note.txt"}),
        (["--category", "animal"], {"0001.png", "0002.png"}),
        (["--pic-id", "animal_id_1"], {"0002.png"}),
        (["--source", "photos", "--category", "animal"], {"0001.png", "0002.png"}),
        (["--outcome", "accepted", "--reason", "truncated"], set()),
    ],
)
def test_filters_of_the_ledger_hold_all_at_once(
    ledger: Any, arguments: list[str], expected: set[str]
) -> None:
    assert {row["path_text"] for row in ledger(*arguments)} == expected


@pytest.mark.parametrize(
    "arguments",
    [
        ["--outcome", "refusd"],
        ["--reason", "broken"],
        ["--refused", "--outcome", "accepted"],
        ["--source", "elsewhere"],
        ["--category", "fungus"],
    ],
)
def test_filters_that_can_match_nothing_are_mistakes(
    naturalist: Naturalist, made: Path, arguments: list[str]
) -> None:
    ended = naturalist("ledger", "-c", str(made), *arguments)
    assert ended.code == 2
    assert arguments[-2] in ended.err


def test_a_limit_is_kept_in_json_too(ledger: Any) -> None:
    everything = ledger()
    for limit in (1, 3, 100):
        assert ledger("--limit", str(limit)) == everything[:limit]
    assert ledger("--limit", "0") == everything


def test_a_limit_of_a_hundred_is_a_limit_like_any_other(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    sources = make_sources(tmp_path, {"animal": [1], "plant": []})
    for n in range(120):
        (sources["plant"]["photos"] / f"{n}.txt").write_bytes(b"x")
    make_all(collection(tmp_path, sources))
    path = str(config_file(tmp_path, sources))
    assert len(naturalist("ledger", "--json", "-c", path).json["rows"]) == 121
    assert len(naturalist("ledger", "--json", "--limit", "100", "-c", path).json["rows"]) == 100
    assert "100 of 121 rows" in naturalist("ledger", "-c", path).out


def test_from_a_picture_one_finds_where_it_came_from(ledger: Any) -> None:
    (row,) = ledger("--pic-id", "animal_id_1")
    assert (row["source"], row["path_text"], row["outcome"]) == ("photos", "0002.png", "accepted")
    assert (row["format"], row["width"], row["height"]) == ("png", 8, 8)
    assert len(bytes.fromhex(row["sha256"])) == 32


def harmless(text: str) -> bool:
    return all(c.isprintable() or c == "\n" for c in text)


def test_no_name_can_write_on_the_terminal(naturalist: Naturalist, made: Path) -> None:
    ended = naturalist("ledger", "-c", str(made))
    assert harmless(ended.out)
    assert "[bold red]markup[red].png" in ended.out
    assert "日本.png" in ended.out
    assert r"caf\xe9.png" in ended.out
    assert r"new\nline.png" in ended.out


@given(st.text())
def test_text_that_is_printed_holds_only_what_can_be_seen(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()
    assert shown.encode("utf-8").decode("utf-8") == shown


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_no_row_of_a_table_is_lost_on_a_narrow_terminal(
    columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    output.print_table(("name", "files"), [["n" * 60, 1234567], [None, 0]])
    shown = capsys.readouterr().out
    assert "".join(shown.split()).count("n") >= 60
    assert "1,234,567" in shown


@pytest.mark.parametrize(
    ("columns", "line"),
    [
        (100, "category  label  seen  accepted  duplicates  conflicts  refused  features  tables"),
        (80, "category label seen accepted duplicates conflicts refused features tables"),
        (60, "duplicates  1,234,567"),
    ],
)
def test_words_of_a_header_and_numbers_stay_whole_on_a_narrow_terminal(
    columns: int, line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    counts = [100, 99, 1_234_567, 0, 1, 99, 1, 99]
    output.print_table(output.STATUS_COLUMNS, [["animal", "0", *counts], ["human", "1", *counts]])
    shown = capsys.readouterr().out.splitlines()
    assert any(one.startswith(line) for one in shown)
    assert max(map(len, shown)) <= columns


def test_status_tells_the_counts_of_every_category(naturalist: Naturalist, made: Path) -> None:
    held = naturalist("status", "--json", "-c", str(made)).json
    plant = held["categories"]["plant"]
    assert {k: plant[k] for k in ("label", "seen", "accepted", "duplicates", "features")} == {
        "label": 0,
        "seen": 4 + len(HOSTILE) + 4,
        "accepted": 4 + len(HOSTILE),
        "duplicates": 1,
        "features": 4 + len(HOSTILE),
    }
    assert plant["refused"]["not_a_picture"] == 1
    assert plant["tables"] == 3
    assert plant["table_rows"] == plant["accepted"]


def test_status_shows_the_sum_and_the_reasons(naturalist: Naturalist, made: Path) -> None:
    shown = naturalist("status", "-c", str(made)).out
    row = next(line for line in shown.splitlines() if line.startswith("plant "))
    assert row.split() == ["plant", "0", "17", "13", "1", "1", "2", "13", "3", "13"]
    assert "accepted + duplicates + conflicts + refused = seen" in shown
    assert "not_a_picture" in shown


def test_the_reasons_are_listed_with_their_meanings(naturalist: Naturalist) -> None:
    listed = naturalist("ledger", "--reasons", "--json").json["rows"]
    assert [one["reason"] for one in listed] == [reason.value for reason in Reason]
    assert all(one["meaning"].endswith(".") for one in listed)
    shown = naturalist("ledger", "--reasons").out
    assert all(reason.value in shown for reason in Reason)


def one_document(ended: Ended) -> Any:
    value, end = json.JSONDecoder().raw_decode(ended.out)
    assert ended.out[end:].strip() == ""
    return value


@pytest.mark.parametrize(
    "command",
    [
        ["run", "-q"],
        ["ingest", "-q"],
        ["ingest", "-q", "--rescan"],
        ["extract", "-q"],
        ["tables", "-q"],
        ["tables", "-q", "--rebuild"],
        ["verify", "-q"],
        ["status"],
        ["ledger"],
        ["ledger", "--reasons"],
        ["backbones", "list"],
        ["backbones", "show", "colour_histogram"],
    ],
    ids=" ".join,
)
def test_a_command_that_is_asked_for_json_prints_one_document_and_nothing_else(
    naturalist: Naturalist, made: Path, command: list[str]
) -> None:
    config = [] if command[0] == "backbones" else ["-c", str(made)]
    ended = naturalist(*command, "--json", *config)
    assert (ended.code, ended.err) == (0, "")
    assert one_document(ended)


def test_progress_off_a_terminal_is_lines_on_stderr(naturalist: Naturalist, tmp_path: Path) -> None:
    sources = make_sources(tmp_path, {"animal": range(3), "plant": range(10, 15)})
    path = config_file(tmp_path, sources, publish={"url": "out"})
    ended = naturalist("run", "--json", "-c", str(path))
    assert ended.code == 0
    lines = ended.err.splitlines()
    for stage in ("ingest", "place", "extract", "verify-features", "tables", "publish"):
        assert any(line.startswith(f"{stage}: ") for line in lines)
        assert any(line.startswith(f"{stage}: ") and "/s" in line for line in lines)
    assert "extract: 8 pictures" in lines
    assert harmless(ended.err)
    report = one_document(ended)
    assert report["changed"]
    assert report["stages"]["tables"]["rows"] == 8
    again = naturalist("run", "--json", "-c", str(path))
    assert again.code == 0
    assert all(line.startswith("publish: ") for line in again.err.splitlines())
    assert not again.json["changed"]
    assert "nothing new" in naturalist("run", "-q", "-c", str(path)).out


def test_progress_is_as_quiet_as_asked() -> None:
    assert isinstance(make_progress(quiet=True), Silent)
    assert isinstance(make_progress(quiet=False), LineProgress)


def test_a_long_stage_says_how_fast_it_is_and_how_much_is_left(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    moments = iter([0.0, 1.0, 20.0, 25.0, 40.0])
    monkeypatch.setattr("naturalist.cli.progress.time.monotonic", lambda: next(moments))
    progress = LineProgress()
    progress.begin("extract", 1000, "pictures")
    for _ in range(3):
        progress.advance(100)
    progress.end()
    assert capsys.readouterr().err.splitlines() == [
        "extract: 1,000 pictures",
        "extract: 200 of 1,000 pictures, 10/s, 80 s left",
        "extract: 300 of 1,000 pictures, 8/s, 93 s left, took 40.0 s",
    ]


def test_every_document_has_the_envelope_and_one_name_for_a_thing(
    naturalist: Naturalist, made: Path
) -> None:
    path = str(made)
    documents = [
        (naturalist("ledger", "--json", "--limit", "2", "-c", path), "ledger", True),
        (naturalist("ledger", "--json", "--reason", "too_large", "-c", path), "ledger", True),
        (naturalist("backbones", "list", "--json"), "backbones list", True),
        (naturalist("status", "--json", "-c", "/nowhere"), "status", False),
        (naturalist("--nonsense", "--json"), "naturalist", False),
    ]
    for ended, command, ok in documents:
        document = one_document(ended)
        assert list(document)[:3] == ["envelope", "command", "ok"]
        assert (document["envelope"], document["command"], document["ok"]) == (1, command, ok)
    row, _ = documents[0][0].json["rows"]
    assert row["path"] == row["path_text"]
    assert documents[1][0].json["rows"] == []
