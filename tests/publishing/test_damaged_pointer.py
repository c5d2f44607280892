"""A damaged pointer in the store is named, not shown as a traceback."""

from pathlib import Path

import pytest

import tiny
from naturalist.errors import StoreError


def test_a_pointer_that_is_no_json_is_named(tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(3), "animal": range(10, 12)})
    config = tiny.collection(tmp_path, sources, publish={"url": str(tmp_path / "out")})
    tiny.make_all(config)
    (tmp_path / "out" / "latest.json").write_text("x")
    with pytest.raises(StoreError, match=r"latest\.json is not valid"):
        tiny.make_all(config)
