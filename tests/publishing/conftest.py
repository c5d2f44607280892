"""A collection of tiny pictures whose place is a prefix on a real S3 server."""

import shutil
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.pipeline.collections_of_pictures import Collection, Ran, write_collection

import tiny
from cli.conftest import naturalist
from naturalist import snapshots
from naturalist.snapshots import Snapshot
from naturalist.stores import S3Options, Store, open_store
from stores.conftest import aws_chain, bucket, s3_options, shared_bucket

__all__ = ["aws_chain", "bucket", "naturalist", "s3_options", "shared_bucket"]

SEEDS = {"plant": range(30), "animal": range(100, 120)}


@dataclass(frozen=True)
class OnS3:
    """A collection, and the store that it publishes to."""

    collection: Collection
    url: str
    options: S3Options

    @property
    def folder(self) -> Path:
        """Where its configuration and workspace are."""
        return self.collection.folder

    @property
    def store(self) -> Store:
        """Where it is published."""
        return open_store(self.url, self.options)

    @property
    def snapshot(self) -> Snapshot:
        """The newest one."""
        return snapshots.read(self.store)

    def run(self, *arguments: str) -> Ran:
        """`naturalist run`, which must end well."""
        return self.collection.run(*arguments)

    def publish(self, *arguments: str) -> Ran:
        """`naturalist publish`, however it ends."""
        return self.collection.call("publish", *arguments)

    def add(self, category: str, seeds: range) -> None:
        """Add pictures to the source of a category."""
        tiny.make_sources(self.folder.parent / "sources", {category: seeds})

    def move_to(self, url: str) -> "OnS3":
        """The same collection, publishing to another place."""
        self.collection.set(f'url = "{self.url}"', f'url = "{url}"')
        return OnS3(self.collection, url, self.options)

    def check(self) -> dict[str, str]:
        """Names and SHA-256 of the newest snapshot, each read back from the store."""
        files = self.snapshot.files
        for file in files:
            info = self.store.read_back(file.key)
            assert info is not None, file.key
            assert (info.size_bytes, info.sha256) == (file.size_bytes, file.sha256)
        return {file.name: file.sha256 for file in files}

    def keys(self) -> set[str]:
        """Every key in the store."""
        return {info.key for info in self.store.list()}


def write(folder: Path, url: str, options: S3Options, more: str = "") -> OnS3:
    """Write the configuration of a collection whose sources lie in `folder`.

    The address of the server is left to the AWS chain.
    """
    sources = {path.name: {"photos": path} for path in sorted((folder / "sources").iterdir())}
    collection = write_collection(folder / "collection", sources, more=more)
    collection.set('url = "../published"', f'url = "{url}"')
    return OnS3(collection, url, options)


@pytest.fixture
def server_in_chain(aws_chain: pytest.MonkeyPatch, s3_options: S3Options) -> pytest.MonkeyPatch:
    """The test server is what the AWS chain names, for commands in processes of their own too."""
    aws_chain.setenv("AWS_ENDPOINT_URL", str(s3_options.endpoint_url))
    aws_chain.setenv("AWS_REGION", "us-east-1")
    return aws_chain


@pytest.fixture(scope="session")
def done_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """50 pictures with tables and pictures as tars, run but not published; never changed."""
    folder = tmp_path_factory.mktemp("done-once")
    tiny.make_sources(folder / "sources", SEEDS)
    written = write(folder, "", S3Options(), 'pictures = "tars"')
    written.run()
    return folder


@pytest.fixture
def place(shared_bucket: str) -> Callable[[], str]:
    """Gives addresses of empty places on the server."""
    return lambda: f"s3://{shared_bucket}/{uuid.uuid4().hex[:8]}"


@pytest.fixture
def made(
    done_once: Path,
    tmp_path: Path,
    place: Callable[[], str],
    s3_options: S3Options,
    server_in_chain: pytest.MonkeyPatch,
) -> OnS3:
    """A copy of that collection, about to be published into an empty place."""
    folder = tmp_path / "made"
    shutil.copytree(done_once, folder, symlinks=True)
    toml = folder / "collection/naturalist.toml"
    toml.write_text(toml.read_text().replace(str(done_once), str(folder)))
    return OnS3(Collection(folder / "collection"), "", s3_options).move_to(place())
