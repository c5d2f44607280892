import csv
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import Naturalist

from naturalist import artifacts
from naturalist.config import load_config


def hits(naturalist: Naturalist, folder: Path, *arguments: str) -> list[dict]:
    ended = naturalist("search", *arguments, "-c", str(folder), "--json", "-q")
    assert ended.code == 0, ended.err
    return ended.json["rows"]


@pytest.mark.usefixtures("real_photos")
def test_a_word_finds_pictures_by_the_classes_of_the_backbone_and_says_why(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    # All of them are in one folder that does not name them; the kinds of dogs are classes.
    found = hits(naturalist, photo_copy, "dog", "-k", "10")
    assert [hit["rank"] for hit in found] == list(range(1, 11))
    assert sum("dog" in hit["path"] or "dalmatian" in hit["path"] for hit in found) >= 8
    assert any(one["by"] == "class" for one in found[0]["why"])
    scores = [hit["score"] for hit in found]
    assert scores == sorted(scores, reverse=True)


def test_a_word_that_means_nothing_here_is_named_and_nothing_is_shown(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    ended = naturalist("search", "xyzzyq", "-c", str(photo_copy), "-q")
    assert ended.code == 0
    assert "not a word this backbone knows" in ended.out
    assert f"naturalist concept make -c {photo_copy} xyzzyq --yes" in ended.out
    assert "no pictures" in ended.out


@pytest.mark.usefixtures("real_photos")
def test_a_word_that_only_paths_know_finds_them_and_says_so(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    ended = naturalist("search", "tulip", "-c", str(photo_copy), "-k", "5", "--json", "-q")
    assert "pictures have it in a path" in ended.json["messages"][0]
    assert all("tulip" in hit["path"] for hit in ended.json["rows"])


@pytest.mark.usefixtures("real_photos")
def test_excluded_words_categories_sources_and_conditions_hold(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    plain = hits(naturalist, photo_copy, "flower", "-k", "30")
    assert any("daisy" in hit["path"] for hit in plain)
    without = hits(naturalist, photo_copy, "flower not daisy", "-k", "30")
    assert not any("/daisy/" in hit["path"] for hit in without[:10])
    source = plain[0]["source"]
    only = hits(naturalist, photo_copy, "flower", "--category", "plant", "--source", source)
    assert {(hit["category"], hit["source"]) for hit in only} == {("plant", source)}
    wide = hits(naturalist, photo_copy, "flower", "--where", "path_text LIKE '%tulip%'", "-k", "5")
    assert all("tulip" in hit["path"] for hit in wide)
    wrong = naturalist("search", "flower", "--where", "nonsense = 1", "-c", str(photo_copy), "-q")
    assert wrong.code == 2
    assert "nonsense" in wrong.err
    wrong = naturalist("search", "flower", "--category", "mineral", "-c", str(photo_copy), "-q")
    assert wrong.code == 2


@pytest.mark.usefixtures("real_photos")
def test_what_is_not_written_is_not_said_to_be(
    naturalist: Naturalist, photo_copy: Path, tmp_path: Path
) -> None:
    where, sheet = ("-c", str(photo_copy), "-q"), tmp_path / "none.png"
    ended = naturalist("search", "flower", "--where", "false", "--sheet", str(sheet), *where)
    assert f"{sheet} was not written" in ended.out
    assert not sheet.exists()
    wrong = naturalist("concept", "apply", "flower", "--category", "plant", *where)
    assert (wrong.code, "give --decisions FILE too" in wrong.err) == (2, True)


@pytest.mark.usefixtures("real_photos")
def test_words_combine_with_a_picture_and_a_sheet_is_drawn(
    naturalist: Naturalist, photo_copy: Path, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    found = hits(naturalist, photo_copy, "--like", "plant_id_7", "-k", "3", "--sheet", str(sheet))
    assert found[0]["picID"] == "plant_id_7"
    assert sheet.read_bytes().startswith(b"\x89PNG")
    both = hits(naturalist, photo_copy, "dog", "--like", "plant_id_7", "-k", "3")
    assert all(hit["category"] == "animal" for hit in both)
    wrong = naturalist("search", "--like", "plant_id_99999", "-c", str(photo_copy), "-q")
    assert wrong.code == 2
    assert naturalist("search", "-c", str(photo_copy), "-q").code == 2


def test_a_retired_picture_is_in_no_result_even_before_tables_are_made_again(
    naturalist: Naturalist, photo_copy: Path, tmp_path: Path
) -> None:
    first = hits(naturalist, photo_copy, "dog", "-k", "3")
    gone = first[0]["picID"]
    decisions = tmp_path / "decisions.csv"
    decisions.write_text(f"picID,decision\n{gone},retire\n")
    ended = naturalist("review", str(decisions), "-c", str(photo_copy), "--by", "ada")
    assert ended.code == 0, ended.err
    after = hits(naturalist, photo_copy, "dog", "-k", "50")
    assert gone not in {hit["picID"] for hit in after}
    assert after[0]["picID"] == first[1]["picID"]


@pytest.mark.usefixtures("real_photos")
def test_a_concept_is_made_listed_shown_searched_applied_improved_and_dropped(
    naturalist: Naturalist, photo_copy: Path, tmp_path: Path
) -> None:
    where = ("-c", str(photo_copy), "-q")
    tulips = [hit["picID"] for hit in hits(naturalist, photo_copy, "tulip", "-k", "6")]
    made = naturalist("concept", "make", "Red Tulip", "--yes", ",".join(tulips), *where, "--json")
    assert made.code == 0, made.err
    assert made.json["yes"] == 6
    assert made.json["cross_validation"]["above"] > 0.7
    asked = [*made.json["ask"]["uncertain"], *made.json["ask"]["likely"]]
    assert asked
    assert not set(asked) & set(tulips)
    listed = naturalist("concept", "list", "-c", str(photo_copy), "--json").json["rows"]
    assert [one["concept"] for one in listed] == ["red tulip"]
    assert "no counter-examples" in naturalist("concept", "show", "red tulip", *where).out
    found = hits(naturalist, photo_copy, "red tulip", "-k", "10")
    assert found[0]["why"][0]["by"] == "concept"
    assert sum("flowers" in hit["path"] for hit in found) >= 8
    likely = made.json["ask"]["likely"][:2]
    told = naturalist("concept", "make", "red tulip", "--no", ",".join(likely), *where, "--json")
    assert told.json["no"] == len(likely)
    assert told.json["precision"]["share"] == 0
    shown = naturalist("concept", "show", "red tulip", *where)
    assert "precision by your answers: 0% of" in shown.out
    assert "no counter-examples" not in shown.out
    proposal = tmp_path / "proposal.csv"
    applied = naturalist(
        "concept",
        "apply",
        "red tulip",
        "--decisions",
        str(proposal),
        "--category",
        "animal",
        *where,
    )
    assert applied.code == 0, applied.err
    with proposal.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    assert {row["decision"] for row in rows} == {"relabel"}
    assert naturalist("review", str(proposal), "-c", str(photo_copy), "--dry-run").code == 0
    layout = load_config(photo_copy).layout
    assert layout.concept_members("red_tulip").exists()
    assert naturalist("concept", "drop", "red tulip", "-c", str(photo_copy)).code == 0
    assert not layout.concept_members("red_tulip").exists()
    assert naturalist("concept", "show", "red tulip", *where).code == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("../up", "--yes", "plant_id_1,plant_id_2"), "cannot name a concept"),
        (("owl", "--yes", "plant_id_1"), "at least 2"),
        (("owl", "--yes", "plant_id_1,plant_id_2", "--no", "plant_id_1"), "remove it from one"),
        (("owl", "--yes", "plant_id_1,plant_id_999999"), "plant_id_999999"),
    ],
)
def test_examples_that_make_no_concept_are_refused(
    naturalist: Naturalist, photo_copy: Path, arguments: tuple[str, ...], says: str
) -> None:
    ended = naturalist("concept", "make", *arguments, "-c", str(photo_copy), "-q")
    assert ended.code == 2
    assert says in ended.err


def test_clusters_and_map_regions_have_names_from_their_paths_and_none_without_evidence(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    where = ("-c", str(photo_copy), "-q")
    missing = naturalist("names", *where)
    assert missing.code == 2
    assert "naturalist cluster" in missing.err
    assert naturalist("cluster", "--count", "12", *where).code == 0
    named = naturalist("names", *where, "--json").json
    assert named["groups"] == 12
    found = {one["name"] for entry in named["rows"] for one in entry["names"]}
    assert found & {"flower", "tulip", "rose", "sunflower", "daisy", "dandelion", "bonsai"}
    assert found & {"dog", "cat", "face", "raccoon"}
    for entry in named["rows"]:
        assert all(one["support"] >= 0.5 for one in entry["names"])
    assert naturalist("map", *where).code == 0
    coarse = naturalist("names", "map", *where, "--json").json
    fine = naturalist("names", "map", "--level", "1", *where, "--json").json
    assert 1 < coarse["groups"] < fine["groups"]
    assert sum(one["pictures"] for one in coarse["rows"]) == sum(
        one["pictures"] for one in fine["rows"]
    )
    assert "groups have a name" in naturalist("names", "map", *where).out


def test_conditions_may_ask_for_columns_that_came_along(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    layout = load_config(photo_copy).layout
    marked: set[str] = set()
    for table in layout.tables.glob("*/image_df_*.parquet"):
        ids = pq.read_table(table, columns=["picID"])["picID"].to_pylist()
        species = ["bubo" if k % 10 == 0 else None for k in range(len(ids))]
        marked |= set(ids[::10])
        path = layout.metadata_of(table.parent.name, table.name)
        # One column is named as one of the ledger's: the ledger's is meant.
        columns = {"pic_id": ids, "species": species, "source": ["elsewhere"] * len(ids)}
        artifacts.write_parquet(path, pa.table(columns))
    found = hits(naturalist, photo_copy, "dog", "--where", "species = 'bubo'", "-k", "5")
    assert len(found) == 5
    assert {hit["picID"] for hit in found} <= marked
    none = hits(naturalist, photo_copy, "dog", "--where", "source = 'elsewhere'")
    assert none == []
