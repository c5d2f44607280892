from pathlib import Path

import pytest
from tests.cli.conftest import Naturalist

from naturalist.config import load_config
from naturalist.pipeline import analyse
from naturalist.pipeline.steps import Job
from naturalist.progress import Silent
from naturalist.running import workspace
from naturalist.running.executors import InlineExecutor


def test_similar_shows_pictures_with_where_they_come_from_for_a_name_and_for_a_file(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    ended = naturalist("similar", "plant_id_7", "-k", "3", "-c", str(photo_copy), "--json", "-q")
    assert ended.code == 0, ended.err
    hits = ended.json["rows"]
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert "plant_id_7" not in {hit["picID"] for hit in hits}
    assert {"picID", "cosine", "category", "source", "path"} <= set(hits[0])
    assert hits[0]["path"].endswith(".jpg")
    config = load_config(photo_copy)
    source = config.source_paths[hits[0]["category"]][hits[0]["source"]]
    ended = naturalist("similar", str(source / hits[0]["path"]), "-k", "1", "-c", str(photo_copy))
    assert ended.code == 0, ended.err
    assert hits[0]["picID"] in ended.out


def test_similar_works_while_somebody_else_writes(naturalist: Naturalist, photo_copy: Path) -> None:
    config = load_config(photo_copy)
    with workspace.writing(config):
        refused = naturalist("similar", "plant_id_1", "-c", str(photo_copy))
        assert refused.code == 5
    assert naturalist("index", "-c", str(photo_copy), "-q").code == 0
    with workspace.writing(config):
        ended = naturalist("similar", "plant_id_1", "-c", str(photo_copy))
    assert ended.code == 0, ended.err
    assert "existing index" in ended.err


@pytest.mark.parametrize("name", ["plant_id_99999", "nobody"])
def test_a_picture_that_is_not_there_is_named(
    naturalist: Naturalist, photo_copy: Path, name: str
) -> None:
    ended = naturalist("similar", name, "-c", str(photo_copy), "-q")
    assert ended.code == 2
    assert name in ended.err


def test_a_file_that_is_no_picture_is_refused(naturalist: Naturalist, photo_copy: Path) -> None:
    (photo_copy / "text.jpg").write_text("no picture")
    ended = naturalist("similar", str(photo_copy / "text.jpg"), "-c", str(photo_copy), "-q")
    assert ended.code == 2
    assert "text.jpg" in ended.err


def test_the_steps_of_a_run_keep_index_and_clusters_and_do_nothing_twice(photo_copy: Path) -> None:
    path = photo_copy / "naturalist.toml"
    more = 'analyse = {steps = ["clusters", "index"]}\nclusters = {count = 5}\n'
    path.write_text(more + path.read_text())
    config = load_config(photo_copy)
    with workspace.writing(config):
        job = Job(config, InlineExecutor(), Silent())
        first, second = analyse.analyse(job), analyse.analyse(job)
    assert first is not None
    assert second is not None
    assert list(first) == ["index", "clusters"]
    assert all(one["changed"] for one in first.values())
    assert not any(one["changed"] for one in second.values())
    assert first["clusters"]["clusters"] == 5


def test_export_says_what_it_wrote_and_how_to_open_it(
    naturalist: Naturalist, photo_workspace: Path, tmp_path: Path
) -> None:
    where = ("-c", str(photo_workspace), "-q")
    ended = naturalist("export", str(tmp_path / "a"), "--for", "atlas", *where)
    assert ended.code == 0, ended.err
    assert "embedding-atlas" in ended.out
    assert (tmp_path / "a/atlas.parquet").is_file()
    ended = naturalist("export", str(tmp_path / "b"), "--for", "excel", *where)
    assert ended.code == 2
    assert "projector, atlas, csv" in ended.err


def test_what_was_taken_down_is_found_no_more_though_no_run_came_since(
    naturalist: Naturalist, photo_copy: Path
) -> None:
    def nearest(count: int) -> list[str]:
        asked = ("similar", "plant_id_7", "-k", str(count), "-c", str(photo_copy), "--json", "-q")
        return [hit["picID"] for hit in naturalist(*asked).json["rows"]]

    before = nearest(8)
    gone = before[:3]
    ended = naturalist("takedown", *gone, "--why", "asked", "-c", str(photo_copy))
    assert ended.code == 0, ended.err
    assert nearest(5) == before[3:]
    refused = naturalist("similar", gone[0], "-c", str(photo_copy), "-q")
    assert refused.code == 2
    assert gone[0] in refused.err
