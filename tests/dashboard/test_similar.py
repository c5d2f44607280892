from pathlib import Path

import pytest
from starlette.testclient import TestClient

import tiny
from naturalist.curation import searching
from naturalist.dashboard import similar as answering
from naturalist.dashboard.app import make_app
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import open_context
from naturalist.dashboard.security import ListenOptions
from naturalist.pipeline import runner, studies, words
from naturalist.progress import Silent

in_tables = answering._nearest_in_tables


def test_similar_pictures_come_from_the_index_while_it_has_all_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(7), "animal": range(10, 15)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    context = open_context(open_workspace(config))
    from_tables = context.similar.to_picture("plant_id_3", 5)
    studies.study(config, Silent(), words.index)
    with monkeypatch.context() as patched:
        patched.delattr(answering, "_nearest_in_tables")
        patched.delattr(answering, "_vector_in_tables")
        from_index = context.similar.to_picture("plant_id_3", 5)
    assert [one["pic_id"] for one in from_index] == [one["pic_id"] for one in from_tables]
    assert from_index[0]["cosine"] == pytest.approx(from_tables[0]["cosine"], abs=2e-3)
    # A picture that came later is found although the index does not have it yet.
    tiny.write_picture(tmp_path / "in/plant/9999.png", 9999)
    tiny.make_all(config)
    read = []
    with monkeypatch.context() as patched:
        patched.setattr(
            answering,
            "_nearest_in_tables",
            lambda table, vector, k: read.extend(table.files) or in_tables(table, vector, k),
        )
        near = context.similar.to_picture("plant_id_3", 12)
    assert "plant_id_8" in {one["pic_id"] for one in near}
    assert "plant_id_3" in {one["pic_id"] for one in context.similar.to_picture("plant_id_8", 12)}
    # Only the table that changed is read beside the index.
    assert [file.name.split("/")[1] for file in read] == ["plant"]
    context.close()


def test_a_question_does_not_wait_for_ever_while_others_read_the_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(7), "animal": range(10, 15)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    context = open_context(open_workspace(config))
    client = TestClient(make_app(context, None, ListenOptions()), base_url="http://127.0.0.1:8642")
    monkeypatch.setattr(answering, "_READING_WAIT_S", 0.01)
    with context.similar._reading:
        answer = client.get("/api/pictures/plant_id_3/similar")
    assert answer.status_code == 503
    assert "try again" in answer.json()["error"]
    assert client.get("/api/pictures/plant_id_3/similar").status_code == 200
    context.close()


@pytest.mark.parametrize("by", ["command", "step"])
def test_an_index_of_words_is_brought_up_to_date_with_that_of_pictures(
    tmp_path: Path, by: str
) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(7), "animal": range(10, 15)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    studies.indexes(config, Silent())
    assert not words.has_words(config)
    searching.search_words(config, searching.Request("photos"), Silent())
    tiny.write_picture(tmp_path / "in/plant/9999.png", 9999)
    tiny.make_all(config)
    if by == "command":
        rows = studies.indexes(config, Silent()).report["rows"]
    else:
        with runner.opened(config, Silent()) as job:
            rows = studies.STEPS["index"](job)["rows"]
    assert rows == 13
    # Nothing is written here: an index that is behind is refused.
    searching.search_words(config, searching.Request("photos"), Silent(), update=False)


def test_words_that_are_behind_the_index_say_which_command_updates_both(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(7), "animal": range(10, 15)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    searching.search_words(config, searching.Request("photos"), Silent())
    tiny.write_picture(tmp_path / "in/plant/9999.png", 9999)
    tiny.make_all(config)
    studies.study(config, Silent(), words.index)
    context = open_context(open_workspace(config))
    client = TestClient(make_app(context, None, ListenOptions()), base_url="http://127.0.0.1:8642")
    answer = client.get("/api/words?text=photos")
    assert answer.status_code == 503
    assert "naturalist search" in answer.json()["error"]
    searching.search_words(config, searching.Request("photos"), Silent())
    assert client.get("/api/words?text=photos").status_code == 200
    context.close()
