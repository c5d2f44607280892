import datetime as dt
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.config import patterns
from naturalist.config.sources import NAME
from naturalist.errors import ConfigError

TODAY = dt.date(2026, 11, 24)


def make(root: Path, *folders: str) -> None:
    for folder in folders:
        (root / folder).mkdir(parents=True)


def found(root: Path, pattern: str, until: dt.date = TODAY) -> dict[str, str]:
    matched = patterns.matches("garden", root / pattern, until)
    return {one.name: str(one.path.relative_to(root)) for one in matched}


def test_a_day_in_the_path_is_a_source_for_each_day_up_to_the_runs(tmp_path: Path) -> None:
    days = ("2026-11-23", "2026-11-24", "2026-11-25", "2026-13-01", "latest")
    make(tmp_path, *(f"incoming/{day}/plant" for day in days), "incoming/2026-11-22/animal")
    assert found(tmp_path, "incoming/{ds}/plant") == {
        "garden-2026-11-23": "incoming/2026-11-23/plant",
        "garden-2026-11-24": "incoming/2026-11-24/plant",
    }
    tomorrow = TODAY + dt.timedelta(days=1)
    assert "garden-2026-11-25" in found(tmp_path, "incoming/{ds}/plant", tomorrow)


def test_wildcards_match_as_in_a_shell(tmp_path: Path) -> None:
    make(tmp_path, "sets/a1", "sets/b1", "sets/c12", "sets/.hidden1", "sets/a+1", "sets/d.1")
    assert list(found(tmp_path, "sets/?1")) == ["garden-a", "garden-b"]
    assert list(found(tmp_path, "sets/[!a]1")) == ["garden-b"]
    assert list(found(tmp_path, "sets/[ab]?")) == ["garden-a+1", "garden-b+1"]
    assert list(found(tmp_path, "sets/c*")) == ["garden-12"]
    assert list(found(tmp_path, "sets/d.*")) == ["garden-1"]
    assert not any("hidden" in path for path in found(tmp_path, "sets/*").values())


def test_an_archive_can_be_matched_too(tmp_path: Path) -> None:
    make(tmp_path, "drop")
    (tmp_path / "drop/2026-11-24.zip").touch()
    assert found(tmp_path, "drop/{ds}.zip") == {"garden-2026-11-24": "drop/2026-11-24.zip"}


def test_no_match_is_no_mistake(tmp_path: Path) -> None:
    make(tmp_path, "incoming")
    assert found(tmp_path, "incoming/{ds}/plant") == {}


def test_a_drive_that_is_not_there_is_given_as_a_source_to_be_missed(tmp_path: Path) -> None:
    assert found(tmp_path, "drive/{ds}") == {"garden": "drive"}


def test_a_folder_whose_name_looks_like_a_pattern_is_taken_as_it_is(tmp_path: Path) -> None:
    make(tmp_path, "flowers [2020]")
    assert not patterns.is_pattern(tmp_path / "flowers [2020]")
    assert patterns.is_pattern(tmp_path / "flowers [2021]")


def test_two_stars_are_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="searched to any depth"):
        found(tmp_path, "**/plant")


entries = st.lists(
    st.text(st.sampled_from(string.ascii_letters + string.digits + " +-._é(&"), min_size=1)
    .filter(lambda text: not text.startswith(".") and text not in (".", ".."))
    .map(lambda text: text[:80]),
    unique=True,
    max_size=6,
)


@given(entries, entries)
def test_names_are_valid_differ_and_depend_on_nothing_else(
    outer: list[str], inner: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, *(f"{a}/{b}" for a in outer for b in inner))
        names = found(root, "*/*")
        assert len(names) == len(outer) * len(inner)
        assert all(NAME.fullmatch(name) for name in names)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        make(root, *(f"{a}/{b}" for a in outer[:1] for b in inner[:1]))
        assert set(found(root, "*/*")) <= set(names)


def test_new_images_are_the_folders_named_after_categories(tmp_path: Path) -> None:
    make(tmp_path, "new/plant", "new/other")
    new = patterns.new_images(tmp_path / "new", ("plant", "animal"))
    assert {category: one.path for category, one in new.items()} == {
        "plant": tmp_path / "new/plant"
    }
    assert NAME.fullmatch(new["plant"].name)
    again = patterns.new_images(tmp_path / "new", ("plant", "animal"))
    assert new == again
    with pytest.raises(ConfigError, match="no folder named after a category"):
        patterns.new_images(tmp_path / "new", ("human", "animal"))
