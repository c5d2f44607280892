"""The published collections that the tests of this folder use: in a folder and on S3."""

import shutil
import uuid
from pathlib import Path

import pytest

import tiny
from naturalist.stores import S3Options
from published import SEEDS, PublishedCollection
from stores.conftest import aws_chain, bucket, s3_options, shared_bucket

__all__ = ["aws_chain", "bucket", "s3_options", "shared_bucket"]


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> PublishedCollection:
    """7 plants and 9 animals in tables of 5 rows, published into a folder; never changed."""
    folder = tmp_path_factory.mktemp("made once")
    tiny.make_sources(folder / "sources", SEEDS)
    made = PublishedCollection(folder, str(folder / "published"))
    made.publish()
    return made


@pytest.fixture
def local(made_once: PublishedCollection, tmp_path: Path) -> PublishedCollection:
    """A copy of it that one test may change."""
    folder = tmp_path / "local"
    shutil.copytree(made_once.folder, folder, symlinks=True)
    return PublishedCollection(folder, str(folder / "published"))


@pytest.fixture
def on_s3(
    local: PublishedCollection, s3_options: S3Options, shared_bucket: str
) -> PublishedCollection:
    """The same collection, published on S3."""
    url = f"s3://{shared_bucket}/{uuid.uuid4().hex[:8]}"
    remote = PublishedCollection(local.folder, url, s3_options)
    remote.publish()
    return remote


@pytest.fixture(params=["local", "on_s3"])
def collection(request: pytest.FixtureRequest) -> PublishedCollection:
    """The same collection in every kind of store."""
    found: PublishedCollection = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder for fetched tables."""
    return tmp_path / "cache"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder to pull into; it does not exist yet."""
    return tmp_path / "here"
