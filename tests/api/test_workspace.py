from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from naturalist.api import Opened
from naturalist.errors import ConfigError


def test_status_counts_and_shows_them(garden: Opened) -> None:
    status = garden.status()
    assert status.accepted == sum(status.counts.values()) == len(garden.load())
    assert set(status.counts) == {"plant", "animal", "human"}
    assert repr(status).startswith("garden: ")
    assert "<table>" in status._repr_html_()


def test_a_run_with_nothing_new_says_so_and_one_with_a_new_picture_takes_it(
    garden: Opened, copied: Path
) -> None:
    again = garden.run()
    assert not again.changed
    assert repr(again).startswith("nothing new")
    before = garden.status().counts["plant"]
    first = next((copied / "photos/plant/garden").rglob("*.jpg"))
    (first.with_name("new.jpg")).write_bytes(first.read_bytes() + b"x")
    assert garden.run().changed
    assert garden.status().counts["plant"] == before + 1


def test_search_finds_words_of_paths_with_reasons_and_thumbnails(garden: Opened) -> None:
    found = garden.search("shore", k=5)
    assert 0 < len(found) <= 5
    assert {one.source for one in found} == {"shore"}
    assert found[0].why
    assert found.pic_ids == [one["picID"] for one in found.report["rows"]]
    assert found._repr_html_().count("data:image/jpeg;base64,") == len(found)
    assert found[:2].pic_ids == found.pic_ids[:2]


def test_similar_pictures_of_one_and_of_a_file(garden: Opened, copied: Path) -> None:
    near = garden.similar("plant_id_1", k=3)
    assert "plant_id_1" not in near.pic_ids
    assert sorted((one.score for one in near), reverse=True) == [one.score for one in near]
    file = next((copied / "photos/plant/garden").rglob("*.jpg"))
    assert garden.similar(file, k=1)[0].score > 0.99
    with pytest.raises(ConfigError, match="neither a picture"):
        garden.similar("plant_id_99999")


def test_maps_and_clusters_are_arrays_of_all_pictures(garden: Opened) -> None:
    drawn, clusters = garden.map(dims=2), garden.clusters()
    count = garden.status().accepted
    assert drawn.coordinates.shape == (count, 2)
    assert drawn.coordinates.dtype == np.float32
    assert drawn.picture.startswith(b"\x89PNG")
    assert drawn.verdict in repr(drawn)
    assert len(clusters.pic_ids) == count
    largest = clusters.report["clusters"][0]
    assert len(clusters.members(largest["cluster"])) == largest["size"]
    assert "data:image/jpeg" in clusters._repr_html_()


def test_duplicates_are_groups_and_suspects_are_ranked(garden: Opened) -> None:
    groups = garden.duplicates()
    assert all(len(group) > 1 for group in groups.groups)
    assert len(groups) == groups.report["groups"]
    suspects = garden.suspects()
    assert suspects.pic_ids == [row["picID"] for row in suspects.report["rows"]]


def test_groups_have_names_that_say_what_they_are_true_of(garden: Opened, copied: Path) -> None:
    with pytest.raises(ConfigError, match="duplicates"):
        garden.names("duplicates")
    source = copied / "photos/plant/garden"
    first = next(source.rglob("*.jpg"))
    (source / "tulip").mkdir()
    for quality in (70, 80, 90):
        Image.open(first).save(source / f"tulip/{quality}.jpg", quality=quality)
    garden.run()
    garden.duplicates()
    found = garden.names("duplicates")
    assert len(found) == found.report["groups"]
    tulips = next(one for one in found if one.name == "tulip")
    assert 3 <= tulips.pictures <= 4
    assert 0.75 <= tulips.support <= 1
    assert "tulip" in repr(found)
    assert "<td>tulip</td>" in found._repr_html_()
    assert found[:1][0] == found[0]


def test_the_first_batch_has_nothing_to_be_compared_with_and_a_later_one_has(
    garden: Opened, copied: Path
) -> None:
    first = garden.drift()
    assert first.verdict == "first"
    assert repr(first).startswith("batch 1")
    source = copied / "photos/plant/garden"
    for k, path in enumerate(sorted(source.rglob("*.jpg"))[:6]):
        path.with_name(f"again{k}.jpg").write_bytes(path.read_bytes() + b"x")
    garden.run()
    later = garden.drift(against="everything")
    assert later.report["batch"] == 2
    assert later.report["reference"]["against"] == "everything"
    assert later.messages == later.report["words"]
    assert "<p>batch 2" in later._repr_html_()
    assert garden.drift(1) == first


def test_an_evaluation_says_how_good_the_classifier_is_on_sources_it_never_saw(
    garden: Opened,
) -> None:
    found = garden.evaluate()
    assert 0 <= found.random_split <= 1
    left_out = found.report["leave_one_source_out"]
    assert found.balanced_accuracy == (left_out and left_out["balanced_accuracy"])
    assert repr(found).splitlines()[0] == found.model
    assert f"{found.random_split:.1%}" in repr(found)
    assert found._repr_html_().count("<p>") == len(repr(found).splitlines())


def test_predictions_are_typed_and_a_file_that_is_no_picture_has_a_reason(
    garden: Opened, copied: Path, tmp_path: Path
) -> None:
    (tmp_path / "no.jpg").write_text("no picture")
    file = next((copied / "photos/human/studio").rglob("*.jpg"))
    found = garden.predict(file, tmp_path / "no.jpg")
    assert found[0]["category"] in {"plant", "animal", "human"}
    assert found[1]["category"] is None
    assert "cannot be used" in repr(found)


def test_the_ledger_is_asked_by_columns(garden: Opened) -> None:
    accepted = garden.ledger(outcome="accepted", category="plant", limit=3)
    assert len(accepted) == 3
    assert accepted.total == garden.status().counts["plant"]
    with pytest.raises(ConfigError, match="choose one of outcome"):
        garden.ledger(colour="red")


def test_decisions_are_previewed_with_their_effect_and_then_applied(garden: Opened) -> None:
    decisions = [{"pic_id": "plant_id_1", "decision": "retire", "note": "blurred"}]
    preview = garden.review(decisions, by="ada", dry_run=True)
    assert preview.result.dry_run
    assert preview.effect is not None
    assert preview.effect.categories[0].leave == 1
    before = garden.status().counts["plant"]
    done = garden.review(decisions, by="ada")
    assert [one.what for one in done.changes] == ["plant_id_1"]
    garden.run()
    assert garden.status().counts["plant"] == before - 1
    with pytest.raises(ConfigError, match="line 1: decision 'burn'"):
        garden.review([{"pic_id": "plant_id_2", "decision": "burn"}], by="ada")
    with pytest.raises(ConfigError, match="no column colour"):
        garden.review([{"pic_id": "plant_id_2", "colour": "red"}], by="ada")
