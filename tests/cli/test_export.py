"""Exports leave collections alone, and say what does not apply."""

from pathlib import Path

import pytest

import tiny
from cli.conftest import Naturalist


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published collection with tables, and a copy that was pulled."""
    folder = tmp_path_factory.mktemp("export")
    sources = tiny.make_sources(folder / "sources", {"plant": range(6)})
    tiny.make_all(tiny.collection(folder, sources))
    tiny.config_file(folder, sources, publish={"url": "published"})
    return folder


def test_an_export_never_writes_into_a_collection(made: Path, naturalist: Naturalist) -> None:
    where = ("-c", str(made), "-q")
    assert naturalist("run", *where).code == 0
    assert naturalist("pull", str(made / "published"), str(made / "pulled")).code == 0
    before = {path: path.read_bytes() for path in made.rglob("*.csv")}
    for name, what in (
        ("work", "a workspace"),
        ("published", "a published folder"),
        ("pulled", "a pulled collection"),
    ):
        for form in ("tables", "csv"):
            ended = naturalist("export", str(made / name), "--for", form, *where)
            assert ended.code == 2
            assert f"is {what}" in ended.err
    for folder in ("tables", "tables/plant", "maps/mine"):
        for config in (("-c", str(made)), ("--from", str(made / "published"))):
            place = str(made / "work" / folder)
            ended = naturalist("export", place, "--for", "tables", *config)
            assert ended.code == 2
            assert "which keeps its own files there: name another folder" in ended.err
    assert {path: path.read_bytes() for path in made.rglob("*.csv")} == before
    beside = naturalist("export", str(made / "work" / "wide"), "--for", "tables", *where)
    assert beside.code == 0


def test_exporting_onto_a_file_is_a_mistake_of_the_call(
    made: Path, naturalist: Naturalist, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    for place in ("file", "file/below"):
        ended = naturalist("export", str(tmp_path / place), "--for", "tables", "-c", str(made))
        assert ended.code == 2
        assert f"{tmp_path / 'file'} is a file: name a folder" in ended.err


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--for", "tables", "--rows", "0"), "--rows cannot be combined with --for tables"),
        (("--for", "tables", "--map", "tsne-2d"), "--map cannot"),
        (("--for", "tables", "--clusters", "default"), "--clusters cannot"),
        (("--for", "tables", "--thumbnails"), "--thumbnails goes with --for projector or atlas"),
        (("--for", "csv", "--thumbnails"), "--thumbnails goes with"),
        (
            ("--for", "atlas", "--thumbnails", "--vectors", "v.npy"),
            "--thumbnails needs a work",
        ),
        (
            ("--for", "atlas", "--thumbnails", "--from", "s3://b/c"),
            "--thumbnails needs a work",
        ),
    ],
)
def test_options_that_do_not_apply_are_refused(
    made: Path, naturalist: Naturalist, tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    ended = naturalist("export", str(tmp_path / "out"), *options, "-c", str(made))
    assert ended.code == 2
    assert named in ended.err
    assert not (tmp_path / "out").exists()


def test_a_map_or_clustering_that_does_not_exist_is_refused(
    made: Path, naturalist: Naturalist, tmp_path: Path
) -> None:
    for option, what in (("--map", "map"), ("--clusters", "clustering")):
        call = ("export", str(tmp_path / "out"), "--for", "csv", option, "nope", "-c", str(made))
        ended = naturalist(*call)
        assert ended.code == 2
        assert f"there is no {what} 'nope'" in ended.err
        assert not (tmp_path / "out").exists()


def test_help_names_only_options_that_there_are(naturalist: Naturalist) -> None:
    assert "--out" not in naturalist("export", "--help").out
