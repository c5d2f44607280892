"""Fixtures of hosts: collections on a real S3 server, as the tests of publishing have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tiny
from catalogue.hosts import Host, serving, zipped
from publishing.conftest import (
    aws_chain,
    bucket,
    done_once,
    made,
    naturalist,
    place,
    s3_options,
    server_in_chain,
    shared_bucket,
)

__all__ = [
    "aws_chain",
    "bucket",
    "done_once",
    "made",
    "naturalist",
    "place",
    "s3_options",
    "server_in_chain",
    "shared_bucket",
]


@pytest.fixture
def host_of_sets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Host]:
    """A host with one data set, as Kaggle has them."""
    for seed in range(40):
        tiny.write_picture(tmp_path / "flowers" / "daisy" / f"{seed}.png", 500 + seed)
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "no-kaggle"))
    with serving() as host:
        host.sets["alxmamaev/flowers-recognition"] = [zipped(tmp_path / "flowers")]
        monkeypatch.setenv("KAGGLE_API_ENDPOINT", host.url)
        yield host
