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
