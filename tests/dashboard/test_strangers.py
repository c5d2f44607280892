"""Documents of a stranger's collection: refused with a sentence, or shown; never a traceback."""

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dashboard.conftest import client_of
from dashboard.studied import studied_collection
from naturalist import consume
from naturalist.config import Config
from naturalist.dashboard.collection import open_published
from naturalist.dashboard.context import open_context
from naturalist.errors import StoreError
from naturalist.snapshots.documents import check_document
from naturalist.stores import open_store

PAGES = (
    "about", "health", "pictures", "facets", "columns", "models", "label-issues", "duplicates",
    "clusterings/default", "clusterings/default/sheets/1", "maps/tsne-2d", "maps/tsne-2d/positions",
    "maps/tsne-2d/columns/cluster", "maps/tsne-3d",
)  # fmt: skip
HOSTILE_TEXT = '=HYPERLINK("http://x")\x1b[2J<script>alert(1)</script>\u202e\0'
VALUES = (
    None, True, -1, 0, 1.5, 1e300, 2**70, "", "x", HOSTILE_TEXT, [], {}, [[]], [None], {"": {}},
    "../../etc/passwd", "a" * 5_000, [HOSTILE_TEXT] * 3, {HOSTILE_TEXT: HOSTILE_TEXT},
)  # fmt: skip


@pytest.fixture(scope="module")
def pulled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection with all studies, published and pulled again."""
    folder = tmp_path_factory.mktemp("stranger")
    config: Config = studied_collection(folder, each=5)
    from naturalist.pipeline import publishing
    from tiny import job

    with job(config) as held:
        publishing.publish_snapshot(held)
    here = folder / "pulled"
    consume.pull(open_store(config.publish_url), here, consume.Selection())
    return here


def documents(folder: Path) -> list[Path]:
    """Every JSON document that a stranger has written, in a fixed order."""
    found = sorted(folder.rglob("*.json"))
    return [path for path in found if path.name not in ("pulled.json", "croissant.json")]


def places(value: Any, so_far: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value inside a document."""
    yield so_far
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        yield from places(value[key], (*so_far, key))


def changed(value: Any, way: tuple[Any, ...], new: Any, *, remove: bool) -> Any:
    """The document with one value replaced or removed."""
    if not way:
        return new
    value = copy.deepcopy(value)
    inner = value
    for key in way[:-1]:
        inner = inner[key]
    if remove:
        del inner[way[-1]]
    else:
        inner[way[-1]] = new
    return value


@settings(
    max_examples=120,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_value_of_any_document_may_be_another(pulled: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(documents(pulled)), label="document")
    before = path.read_bytes()
    value = json.loads(before)
    way = data.draw(st.sampled_from(list(places(value))), label="way")
    new = data.draw(st.sampled_from(VALUES), label="new")
    hostile = changed(value, way, new, remove=data.draw(st.booleans(), label="remove"))
    try:
        path.write_text(json.dumps(hostile))
        try:
            check_document(path, path.relative_to(pulled).as_posix())
        except StoreError:
            return
        show_everything(pulled)
    finally:
        path.write_bytes(before)


def show_everything(folder: Path) -> None:
    """Ask for every page; an exception of the server is one here."""
    context = open_context(open_published(str(folder)))
    try:
        client = client_of(context)
        for page in PAGES:
            answer = client.get(f"/api/{page}")
            assert answer.status_code in (200, 404, 503), (page, answer.text)
            assert "Traceback" not in answer.text
        client.get("/metrics").raise_for_status()
    finally:
        context.close()


ODD_PICTURES = {
    "other types": {"picID": [1, 2], "thumbnail": ["a", "b"]},
    "bytes for ids": {"picID": [b"plant_id_1"], "thumbnail": [b"x"]},
    "lists": {"picID": [["plant_id_1"]], "thumbnail": [b"x"]},
    "no thumbnails": {"picID": ["plant_id_1"]},
    "other columns": {"a": [1]},
    "missing values": {"picID": ["plant_id_1", None], "thumbnail": [b"x", b"y"]},
    "a missing thumbnail": {
        "picID": ["plant_id_1"],
        "thumbnail": pa.array([None], pa.binary()),
    },
    "a long id": {"picID": ["a" * 10_000], "thumbnail": [b"x"]},
}


@pytest.mark.parametrize("odd", ODD_PICTURES)
def test_odd_pictures_of_a_map_are_refused_with_a_sentence(pulled: Path, odd: str) -> None:
    path = pulled / "maps/tsne-2d/pictures.parquet"
    before = path.read_bytes()
    try:
        pq.write_table(pa.table(ODD_PICTURES[odd]), path)
        context = open_context(open_published(str(pulled)))
        client = client_of(context)
        for page in ("maps/tsne-2d", "sprites?ids=plant_id_1", "pictures/plant_id_1/thumbnail"):
            answer = client.get(f"/api/{page}")
            assert answer.status_code == 503, (page, answer.text)
            assert "pictures.parquet" in answer.json()["error"]
        context.close()
    finally:
        path.write_bytes(before)


def test_pictures_of_a_map_that_are_no_pictures_are_grey(pulled: Path) -> None:
    path = pulled / "maps/tsne-2d/pictures.parquet"
    before = path.read_bytes()
    try:
        names = ["plant_id_1", "no id", "plant_id_99999999999999999999"]
        pq.write_table(pa.table({"picID": names, "thumbnail": [b"no JPEG"] * 3}), path)
        context = open_context(open_published(str(pulled)))
        client = client_of(context)
        assert len(client.get("/api/maps/tsne-2d").json()["pictured"]) == 1
        assert client.get("/api/sprites?ids=plant_id_1").status_code == 200
        context.close()
    finally:
        path.write_bytes(before)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "it is not JSON"),
        (b'{"clusters": ' + b"9" * 30 + b"}", "more than 64 bits"),
        (b'{"clusters": ' + b"9" * 5_000 + b"}", "out of range"),
        (b'{"clusters": [], "x": "' + b"a" * (2 << 20) + b'"}', "a text has"),
        (b'{"clusters": 1}', "clusters is 1"),
        (b'{"clusters": [{"cluster": "x"}]}', r"clusters\.0\.cluster is 'x'"),
        (b"[]", "not a JSON object"),
        (b"\xff", "not JSON"),
    ],
)
def test_a_document_that_cannot_be_ends_the_pull(
    pulled: Path, tmp_path: Path, data: bytes, said: str
) -> None:
    path = tmp_path / "clusters.json"
    path.write_bytes(data)
    with pytest.raises(StoreError, match=said):
        check_document(path, "clusters/default/clusters.json")


def test_a_damaged_document_that_lies_here_is_said_on_its_page(
    pulled: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    shutil.copytree(pulled, here)
    for path in documents(here):
        path.write_bytes(b"[" * 100_000)
    show_everything(here)
