"""The published collections that the tests of this folder use."""

import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import pytest

from consume.conftest import (
    aws_chain,
    collection,
    here,
    local,
    made_once,
    on_s3,
    s3_options,
    shared_bucket,
)
from naturalist import artifacts
from naturalist.stores import S3Options, Upload
from published import PublishedCollection

__all__ = [
    "aws_chain",
    "collection",
    "here",
    "local",
    "made_once",
    "on_s3",
    "s3_options",
    "shared_bucket",
]


@pytest.fixture(scope="session")
def grown_once(
    made_once: PublishedCollection, tmp_path_factory: pytest.TempPathFactory
) -> PublishedCollection:
    """Three snapshots: 16 pictures, 5 plants more, 3 animals more; never changed."""
    folder = tmp_path_factory.mktemp("grown") / "local"
    shutil.copytree(made_once.folder, folder, symlinks=True)
    grown = PublishedCollection(folder, str(folder / "published"))
    grown.add("plant", range(20, 25))
    grown.add("animal", range(120, 123))
    return grown


@pytest.fixture
def grown_local(grown_once: PublishedCollection, tmp_path: Path) -> PublishedCollection:
    """A copy of it that one test may change."""
    folder = tmp_path / "grown"
    shutil.copytree(grown_once.folder, folder, symlinks=True)
    return PublishedCollection(folder, str(folder / "published"))


@pytest.fixture
def grown_on_s3(
    grown_local: PublishedCollection, s3_options: S3Options, shared_bucket: str
) -> PublishedCollection:
    """The same objects in a bucket."""
    remote = replace(
        grown_local, url=f"s3://{shared_bucket}/{uuid.uuid4().hex[:8]}", options=s3_options
    )
    files = Path(grown_local.url)
    keys = [info.key for info in grown_local.store.list()]
    remote.store.put_files(Upload(k, files / k, artifacts.sha256_file(files / k)) for k in keys)
    return remote


@pytest.fixture(params=["grown_local", "grown_on_s3"])
def grown(request: pytest.FixtureRequest) -> PublishedCollection:
    """Three snapshots, in every kind of store."""
    found: PublishedCollection = request.getfixturevalue(request.param)
    return found
