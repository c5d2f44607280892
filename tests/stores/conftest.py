"""The stores that the conformance suite runs over."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naturalist.stores import S3Options, Store, Upload, open_store
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

MakeFile = Callable[[str, bytes], Upload]


@pytest.fixture
def aws_chain(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """Credentials of the test server in the environment, and nothing else of this machine."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return monkeypatch


@pytest.fixture
def s3_options(s3_server: S3Server, aws_chain: pytest.MonkeyPatch) -> S3Options:
    return S3Options(endpoint_url=s3_server.endpoint_url, region="us-east-1", addressing="path")


@pytest.fixture(scope="session")
def shared_bucket(s3_server: S3Server) -> str:
    """A bucket for tests that keep to their own prefix."""
    # Folders that import this fixture get one each from the same server.
    name = f"shared-{uuid.uuid4().hex[:12]}"
    s3_server.client().create_bucket(Bucket=name)
    return name


@pytest.fixture
def bucket(s3_server: S3Server) -> Iterator[str]:
    """An own bucket, gone afterwards."""
    with s3_server.bucket() as name:
        yield name


@pytest.fixture(params=["local", "s3"])
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Opens the same, at first empty, store anew each time it is called."""
    if request.param == "local":
        return lambda: open_store(str(tmp_path / "store with space"))
    options = request.getfixturevalue("s3_options")
    shared_bucket = request.getfixturevalue("shared_bucket")
    url = f"s3://{shared_bucket}/{uuid.uuid4().hex[:8]} with space"
    return lambda: open_store(url, options)


@pytest.fixture
def store(reopen: Callable[[], Store]) -> Store:
    return reopen()


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Makes a file to be put under a key."""

    def make(key: str, data: bytes) -> Upload:
        path = tmp_path / "files" / key.replace("/", "_")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return Upload(key, path, hashlib.sha256(data).hexdigest())

    return make
