"""Metadata of a real data set, zipped as Kaggle zips it, from its CSV to what a reader loads."""

import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import naturalist
import tiny
from naturalist.cli.app import app
from naturalist.config import load_config

CSV = """
    [[category.source.metadata]]
    file = "birds.csv"
    header = ["class id", "filepaths", "labels", "data set", "scientific name"]
    columns = ["labels", "scientific name"]
    rename = {labels = "species"}
"""


@pytest.fixture
def collection(photos: Path, tmp_path: Path) -> Path:
    """A collection of birds (a zip with a CSV) and butterflies (train, valid and test folders)."""
    more = photos.parent / "photos2" / "animal"
    if not more.is_dir():
        pytest.skip(f"needs the photos in {more}")
    pack = tmp_path / "archive.zip"
    with zipfile.ZipFile(pack, "w") as packed:
        for path in sorted((more / "Sparcraps+Gob-Game-of-Bird").rglob("*")):
            packed.write(path, path.relative_to(more / "Sparcraps+Gob-Game-of-Bird"))
    folder = tmp_path / "collection"
    folder.mkdir()
    (folder / "naturalist.toml").write_text(
        f"""
name = "flying"
publish = {{url = "published"}}
extract = {{backbone = "colour_histogram", workers = 1}}
[[category]]
name = "bird"
label = 0
  [[category.source]]
  name = "birds"
  path = "{pack}"
  folders = "{{split}}/*"
{CSV}
[[category]]
name = "butterfly"
label = 1
  [[category.source]]
  name = "butterflies"
  path = "{more / "pilicorredor+inteligencia"}"
  folders = "{{split}}/{{species}}"
"""
    )
    return folder


def test_the_species_of_a_kaggle_zip_is_a_column_of_the_published_collection(
    collection: Path,
) -> None:
    config = load_config(collection)
    tiny.make_all(config)
    loaded = naturalist.load(collection / "published")
    table = loaded.arrow()
    assert table.column_names == [
        "picID", "category_label", "source", "features", "species", "scientific name", "split",
    ]  # fmt: skip
    rows = loaded.pandas()
    assert rows["species"].notna().all()
    assert set(rows["split"]) == {"train", "valid", "test"}
    birds = rows[rows["category_label"] == 0]
    assert birds["scientific name"].notna().all()
    assert "AMERICAN AVOCET" in set(birds["species"])
    only = naturalist.load(collection / "published", columns=["species"], categories=["bird"])
    assert len(only.arrow()) == len(birds)


@pytest.mark.filterwarnings("ignore")  # mlcroissant's own, about pandas and rdflib
def test_a_reader_finds_the_columns_in_the_card_in_croissant_and_in_duckdb(
    collection: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    duckdb = pytest.importorskip("duckdb")
    mlcroissant = pytest.importorskip("mlcroissant")
    tiny.make_all(load_config(collection))
    here = collection / "here"
    done = CliRunner().invoke(app, ["pull", str(collection / "published"), str(here)])
    assert done.exit_code == 0, done.output
    assert "| `species` | text |" in (here / "README.md").read_text()
    monkeypatch.chdir(collection)
    (counted,) = duckdb.sql("""
        SELECT count(species), count(*) FROM 'here/tables/*/*.parquet' t
        JOIN 'here/metadata/*/*.parquet' m ON m.pic_id = t."picID"
    """).fetchall()
    assert counted[0] == counted[1] > 100
    dataset = mlcroissant.Dataset(jsonld=str(here / "croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    record = next(iter(dataset.records("metadata")))
    assert set(record) == {
        f"metadata/{name}" for name in ("pic_id", "split", "species", "scientific_name-1")
    }


def test_columns_that_are_not_named_stay_at_home(collection: Path) -> None:
    path = collection / "naturalist.toml"
    private = '{url = "published", columns = ["split"]}'
    path.write_text(path.read_text().replace('{url = "published"}', private))
    tiny.make_all(load_config(collection))
    assert naturalist.load(collection / "published").arrow().column_names[4:] == ["split"]
    assert "species" in naturalist.load(collection).arrow().column_names
    assert "species" not in (next((collection / "published").glob("README*.md"))).read_text()


def test_the_command_shows_what_was_matched_and_what_was_not(collection: Path) -> None:
    config = load_config(collection)
    tiny.make_all(config)
    shown = CliRunner().invoke(app, ["metadata", "-c", str(collection), "-q"])
    assert shown.exit_code == 0, shown.output
    assert "birds.csv" in shown.output
    # The CSV has rows of pictures that are not in this share of the set.
    words = ["metadata", "-c", str(collection), "-q", "--problems"]
    listed = CliRunner().invoke(app, words, env={"COLUMNS": "300"})
    assert "row_without_picture" in listed.output
