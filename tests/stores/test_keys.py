"""Keys: what may name an object."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.errors import StoreError
from naturalist.stores import open_store
from naturalist.stores.keys import check_key, check_prefix

ROUGH = st.text(st.sampled_from(["a", ".", "/", "\\", "\n", "\x7f", "é", "\ud800", "\uffff", " "]))


@given(st.text(max_size=400) | ROUGH)
def test_an_accepted_key_stays_below_its_folder_and_survives_encoding(key: str) -> None:
    try:
        check_key(key)
    except StoreError:
        return
    path = PurePosixPath("/root") / key
    assert path.is_relative_to("/root")
    assert ".." not in path.parts
    assert str(path) == f"/root/{key}"
    assert key.encode().decode() == key
    assert all(len(part.encode()) <= 255 for part in path.parts)


@given(st.lists(st.from_regex(r"[\w .+%~-]{1,60}", fullmatch=True), min_size=1, max_size=4))
def test_ordinary_segments_make_a_key(segments: list[str]) -> None:
    kept = [s for s in segments if s not in (".", "..", ".naturalist")] or ["x"]
    key = "/".join(kept)
    assert check_key(key) == key
    assert check_prefix(key + "/") == key + "/"


@pytest.mark.parametrize("key", ["x" * 256, "é" * 128, "a/" * 512 + "a"])
def test_keys_longer_than_any_store_takes_are_refused(key: str) -> None:
    with pytest.raises(StoreError, match="bytes"):
        check_key(key)


def test_the_longest_segment_can_be_stored(tmp_path: Path) -> None:
    store = open_store(str(tmp_path))
    store.put_bytes("x" * 255, b"data")
    assert store.get_bytes("x" * 255)[0] == b"data"
