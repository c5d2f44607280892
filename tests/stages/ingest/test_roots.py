"""On which drive a picture goes: near its source, where there is room, where its category says."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from naturalist.errors import SourceError
from naturalist.layout import Layout
from naturalist.stages.ingest import roots
from naturalist.stages.ingest.options import IngestOptions, Mode, Source
from naturalist.stages.ingest.roots import RootChooser

Drives = dict[str, tuple[int, int]]


def chooser(
    patch: pytest.MonkeyPatch, folder: Path, drives: Drives, source: str, **options: Any
) -> RootChooser:
    """For roots that are named after their drives; `drives` has the number and the free bytes."""
    patch.setattr(roots, "drive_of", lambda path: drives[Path(path).name])
    sources = [Source(category, "photos", folder / source) for category in ("plant", "animal")]
    return RootChooser(Layout(folder), sources, IngestOptions(**options))


def row(size_bytes: int = 10, *, staged: bool = False) -> dict[str, Any]:
    return {"source": "photos", "size_bytes": size_bytes, "staged": staged}


DRIVES = {"a": (1, 500), "b": (2, 900), "c": (2, 900), "source": (1, 0), "elsewhere": (9, 0)}


@pytest.mark.parametrize(
    ("mode", "source", "staged", "wanted"),
    [
        (Mode.HARDLINK, "source", False, "a"),
        (Mode.MOVE, "source", False, "a"),
        (Mode.COPY, "source", False, "b"),
        (Mode.HARDLINK, "elsewhere", False, "b"),
        (Mode.HARDLINK, "source", True, "b"),
        (Mode.REFERENCE, "source", True, "b"),
        (Mode.REFERENCE, "source", False, None),
    ],
)
def test_a_picture_goes_where_it_costs_nothing_or_where_there_is_most_room(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    mode: Mode,
    source: str,
    staged: bool,
    wanted: str | None,
) -> None:
    choose = chooser(monkeypatch, tmp_path, DRIVES, source, mode=mode, image_roots=("a", "b", "c"))
    assert choose("plant", row(staged=staged)) == wanted


def test_a_category_keeps_to_its_own_roots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    choose = chooser(
        monkeypatch,
        tmp_path,
        DRIVES,
        "source",
        image_roots=("b",),
        category_roots=(("plant", ("a",)),),
    )
    assert choose("plant", row()) == "a"
    assert choose("animal", row()) == "b"
    assert choose("plant", row(10**6)) == "a"


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=4),
    st.lists(st.integers(1, 40), max_size=60),
)
def test_drives_are_filled_evenly_and_none_before_all_are_full(
    free: list[int], sizes: list[int]
) -> None:
    drives = {str(k): (k, room) for k, room in enumerate(free)} | {"source": (99, 0)}
    names = tuple(str(k) for k in range(len(free)))
    with pytest.MonkeyPatch.context() as patch, tiny.in_memory() as folder:
        choose = chooser(patch, folder, drives, "source", mode=Mode.COPY, image_roots=names)
        used: Counter[str] = Counter()
        for size in sizes:
            name = choose("plant", row(size))
            assert name is not None
            # Whatever drive was chosen, no other had more room.
            left = {other: drives[other][1] - used[other] for other in names}
            assert left[name] == max(left.values())
            used[name] += size


def test_pictures_of_a_category_whose_drive_is_away_are_not_taken_for_deleted(
    tmp_path: Path,
) -> None:
    with tiny.in_memory() as other:
        sources = tiny.make_sources(tmp_path / "sources", {"animal": [1], "plant": [2, 3]})
        config = tiny.collection(tmp_path, sources, ingest={"removed": "retire"})
        plants = config.category[1].model_copy(update={"roots": (str(other / "drive"),)})
        config = config.model_copy(update={"category": (config.category[0], plants)})
        tiny.make_all(config)
        assert len(list((other / "drive/plant").rglob("plant_id_*"))) == 2
        assert not list((config.layout.root / "images").rglob("plant_id_*"))
        before = tiny.ledger_rows(config)
        (other / "drive").rename(other / "unplugged")
        (other / "drive").mkdir()
        with pytest.raises(SourceError, match=f"image root {other}/drive is missing") as caught:
            tiny.ingest(config)
        assert "do not count as deleted" in str(caught.value)
        assert tiny.ledger_rows(config) == before
        (other / "drive").rmdir()
        (other / "unplugged").rename(other / "drive")
        assert tiny.ingest(config).retired == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["plant", "animal"]), st.integers(1, 400), st.booleans()),
        max_size=12,
    ),
    st.sampled_from([Mode.HARDLINK, Mode.COPY, Mode.REFERENCE]),
    st.sampled_from(["source", "elsewhere"]),
    st.sampled_from([("a",), ("b", "c"), ("a", "b", "c")]),
)
def test_all_pictures_of_a_batch_at_once_get_the_roots_that_they_get_one_after_another(
    tmp_path_factory: pytest.TempPathFactory,
    pictures: list[tuple[str, int, bool]],
    mode: Mode,
    source: str,
    names: tuple[str, ...],
) -> None:
    folder = tmp_path_factory.mktemp("roots")
    rows = [row(size, staged=staged) | {"category": key} for key, size, staged in pictures]
    schema = pa.schema(
        {"category": "string", "source": "string", "staged": "bool", "size_bytes": "int64"}
    )
    with pytest.MonkeyPatch.context() as patch:
        one, many = (
            chooser(patch, folder, DRIVES, source, mode=mode, image_roots=names) for _ in range(2)
        )
        expected = [one(picture["category"], picture) for picture in rows]
        assert many.of_all(pa.Table.from_pylist(rows, schema)).to_pylist() == expected
