"""Stages called one by one leave what `run` leaves."""

from pathlib import Path

from tests import tiny
from tests.cli.conftest import Naturalist


def _collection(naturalist: Naturalist, folder: Path) -> str:
    sources = tiny.make_sources(folder / "in", {"plant": range(5), "animal": range(10, 14)})
    (sources["plant"]["photos"] / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 not a picture")
    ended = naturalist(
        "init",
        str(folder / "c"),
        *("--category", f"plant=0:{sources['plant']['photos']}"),
        *("--category", f"animal=1:{sources['animal']['photos']}"),
        *("--publish", str(folder / "out")),
        *("--backbone", "colour_histogram"),
    )
    assert ended.code == 0
    return str(folder / "c")


def test_failures_accepted_by_publish_are_accepted_by_the_next_run(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    folder = _collection(naturalist, tmp_path)
    assert naturalist("ingest", "-c", folder).code == 3
    assert naturalist("extract", "-c", folder).code == 3
    assert naturalist("verify", "-c", folder).code == 0
    assert naturalist("tables", "-c", folder).code == 0
    assert naturalist("verify", "-c", folder).code == 0
    assert naturalist("publish", "-c", folder).code == 3
    assert naturalist("publish", "-c", folder, "--accept-failures").code == 0
    again = naturalist("run", "-c", folder, "--json")
    assert (again.code, again.json["changed"]) == (0, False)


def test_a_stage_alone_tells_how_long_it_really_took(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    folder = _collection(naturalist, tmp_path)
    naturalist("ingest", "-c", folder)
    told = naturalist("extract", "-c", folder)
    assert "9 pictures in" in told.out
    rate = told.out.partition("(")[2].partition("/s")[0]
    assert int(rate.replace(",", "")) < 1_000_000
    assert "nothing new" not in told.out
    assert naturalist("extract", "-c", folder).out.startswith("nothing new")


def test_a_source_without_files_is_named(naturalist: Naturalist, tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(2), "animal": range(10, 12)})
    (tmp_path / "in" / "empty").mkdir()
    sources["animal"]["nothing"] = tmp_path / "in" / "empty"
    path = tiny.config_file(tmp_path / "c", sources)
    ended = naturalist("ingest", "-c", str(path))
    assert ended.code == 0
    assert "source 'nothing' of category 'animal' has no files" in ended.err
    assert "photos" not in ended.err.replace(str(tmp_path), "")


def test_swapped_sources_end_with_an_exit_code_and_a_way_on(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    seeds = {"plant": range(30), "animal": range(100, 130)}
    sources = tiny.make_sources(tmp_path / "in", seeds)
    path = tiny.config_file(tmp_path / "c", sources)
    assert naturalist("ingest", "-c", str(path)).code == 0
    swapped = {"plant": sources["animal"], "animal": sources["plant"]}
    tiny.config_file(tmp_path / "c", swapped)
    ended = naturalist("run", "-c", str(path))
    assert ended.code == 3
    assert "--accept-withdrawals" in ended.err


def test_the_ledger_of_an_unknown_category_or_source_is_a_mistake(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    folder = _collection(naturalist, tmp_path)
    naturalist("ingest", "-c", folder)
    for option, known in (("--category", "animal, plant"), ("--source", "choose one of animal")):
        ended = naturalist("ledger", "-c", folder, option, "foo")
        assert ended.code == 2
        assert known in ended.err
        assert naturalist("ledger", "-c", folder, option, "plant").code == 0
