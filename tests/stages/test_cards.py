"""The data card and the Croissant description, as others read them."""

import json
from pathlib import Path
from typing import Any

import pytest

from consume.conftest import here, local, made_once
from naturalist import snapshots
from naturalist.stages import cards
from naturalist.stages.cards import CardFile
from published import PublishedCollection

mlcroissant = pytest.importorskip("mlcroissant", reason="pip install mlcroissant")

__all__ = ["here", "local", "made_once"]

ABOUT: dict[str, Any] = {
    "collection": "tiny",
    "categories": [
        {"name": "plant", "label": 0, "table_rows": 10_500},
        {"name": "animal", "label": 1, "table_rows": 9},
    ],
    "sources": [
        {
            "category": "plant",
            "name": "flowers",
            "pictures": 10_500,
            "origin": "https://example.org/flowers?a=1",
            "licence": "CC-BY-4.0",
        },
        {
            "category": "animal",
            "name": "zoo",
            "pictures": 9,
            "origin": "a | b\n<script>",
            "licence": "",
        },
    ],
    "backbone": {"name": "net", "dim": 4, "weights_sha256": "ab" * 32, "licence": "Apache-2.0"},
}
NAMES = [f"tables/plant/image_df_{k}.{s}" for k in (1, 2, 10) for s in ("csv", "parquet")]
FILES = [CardFile(name, f"{name}.x", 10, "cd" * 32) for name in [*NAMES, "d.md", "ledger/p/1.p"]]


def published_text(collection: PublishedCollection, name: str) -> str:
    files = {file.name: file for file in snapshots.read(collection.store).files}
    return collection.store.get_bytes(files[name].key)[0].decode()


def croissant_of(folder: Path) -> Path:
    return next(folder.glob("croissant*.json"))


# the card


def test_the_card_counts_and_names_everything() -> None:
    card = cards.data_card(ABOUT, FILES)
    for said in (
        "10,509 pictures in 2 categories, each as 4 features",
        "| plant | 0 | 10,500 |",
        "| plant | flowers | 10,500 | <https://example.org/flowers?a=1> | CC-BY-4.0 |",
        f"| weights_sha256 | {'ab' * 32} |",
        "| licence | Apache-2.0 |",
        "| `features` | 4 x float32 | Feature vector of 4 values. |",
        f"| tables/plant/image_df_10.csv | 10 | `{'cd' * 32}` |",
        "| d.md | 10 |",
    ):
        assert said in card
    assert "ledger/p" not in card


def test_tables_are_listed_in_their_order() -> None:
    card = cards.data_card(ABOUT, FILES)
    assert card.index("df_2.csv") < card.index("df_10.csv")


def test_what_somebody_wrote_about_a_source_cannot_break_the_card() -> None:
    card = cards.data_card(ABOUT, FILES)
    assert "| animal | zoo | 9 | a \\| b &lt;script> | not stated |" in card


def test_the_card_depends_on_nothing_but_what_it_is_given() -> None:
    shuffled = [*reversed(FILES)]
    assert cards.data_card(ABOUT, FILES) == cards.data_card(ABOUT, shuffled)
    assert cards.croissant(ABOUT, FILES) == cards.croissant(ABOUT, shuffled)


# as published


def test_a_published_collection_has_both_and_publishes_nothing_when_nothing_is_new(
    local: PublishedCollection,
) -> None:
    before = snapshots.read(local.store)
    assert {cards.CARD, cards.CROISSANT} <= {file.name for file in before.files}
    local.publish()
    assert snapshots.read(local.store) == before


def test_the_published_card_tells_sources_and_counts(local: PublishedCollection) -> None:
    card = published_text(local, cards.CARD)
    assert "| plant | photos | 7 | not stated | not stated |" in card
    assert "colour_histogram" in card
    tables = [f for f in snapshots.read(local.store).files if f.part == "tables"]
    assert all(f"| {f.name} | {f.size_bytes:,} | `{f.sha256}` |" in card for f in tables)


def test_origin_and_licence_come_from_the_configuration(local: PublishedCollection) -> None:
    local.about_source = {"origin": "https://example.org", "licence": "CC0-1.0"}
    local.publish()
    assert "| <https://example.org> | CC0-1.0 |" in published_text(local, cards.CARD)
    described = json.loads(published_text(local, cards.CROISSANT))
    assert described["license"] == ["CC0-1.0"]
    assert described["isBasedOn"][0]["url"] == "https://example.org"


@pytest.mark.filterwarnings("ignore")  # mlcroissant's own, about pandas and rdflib
@pytest.mark.parametrize("place", ["published", "pulled"])
def test_croissant_is_valid_and_its_reader_gives_the_rows(
    local: PublishedCollection, here: Path, place: str, caplog: pytest.LogCaptureFixture
) -> None:
    local.pull(here)
    folder = here if place == "pulled" else Path(local.url)
    dataset = mlcroissant.Dataset(croissant_of(folder))
    assert dataset.metadata.ctx.issues.errors == set()
    recommended = {
        str(w).split('"')[1].rsplit("/")[-1] for w in dataset.metadata.ctx.issues.warnings
    }
    assert recommended == {"citeAs", "datePublished", "license", "version"}
    assert "not standard" not in caplog.text
    rows = list(dataset.records("rows"))
    assert {row["rows/picID"].decode() for row in rows} == {
        *(f"plant_id_{n}" for n in range(1, 8)),
        *(f"animal_id_{n}" for n in range(1, 10)),
    }
    assert len(rows[0]["rows/features"]) == 512
    names = {r["categories/label"]: r["categories/name"] for r in dataset.records("categories")}
    assert names == {0: "plant", 1: "animal"}


def test_a_folder_with_csv_only_is_described_too(local: PublishedCollection, here: Path) -> None:
    local.pull(here, formats=("csv",), categories=("plant",))
    described = json.loads((here / cards.CROISSANT).read_text())
    assert [one["@id"] for one in described["distribution"]] == [
        "tables/plant/image_df_1.csv",
        "tables/plant/image_df_2.csv",
    ]
    assert [one["@id"] for one in described["recordSet"]] == ["categories"]
