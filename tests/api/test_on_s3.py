"""A collection that is published on a real S3 server, opened from Python."""

from pathlib import Path

import pytest
from tests.consume.conftest import (
    aws_chain,
    bucket,
    local,
    made_once,
    on_s3,
    s3_options,
    shared_bucket,
)

import naturalist
from published import PublishedCollection

__all__ = ["aws_chain", "bucket", "local", "made_once", "on_s3", "s3_options", "shared_bucket"]


def test_an_address_of_s3_opens_and_its_rows_are_found(
    on_s3: PublishedCollection, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    opened = naturalist.open(on_s3.url, options=on_s3.options)
    assert opened.status().counts == {"animal": 9, "plant": 7}
    assert len(opened.load(categories=["plant"])) == 7
    assert len(opened.similar("plant_id_1", k=3)) == 3
    assert opened.thumbnails(["plant_id_1"])["plant_id_1"].startswith(b"\xff\xd8")
