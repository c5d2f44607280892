"""Servers and files for the tests of stores."""

import hashlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from naturalist.stores import S3Options, Upload
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

from . import azurite, gcs_server

# Its failures are to say what was compared, as those of tests do.
pytest.register_assert_rewrite("naturalist.stores.testing")

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


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[gcs_server.GcsServer]:
    """Google's storage with an empty bucket `pictures`, known to the environment."""
    pytest.importorskip("obstore", reason="needs naturalist[clouds]")
    monkeypatch.setenv("GOOGLE_BEARER_TOKEN", gcs_server.TOKEN)
    for server in gcs_server.serve("pictures"):
        monkeypatch.setenv("GOOGLE_BASE_URL", server.base_url)
        yield server


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The endpoint of an emulator of Azure Blob; without one the test is skipped."""
    pytest.importorskip("obstore", reason="needs naturalist[clouds]")
    yield from azurite.serve(tmp_path_factory.mktemp("azurite"))


@pytest.fixture
def make_file(tmp_path: Path) -> MakeFile:
    """Makes a file to be put under a key."""

    def make(key: str, data: bytes) -> Upload:
        path = tmp_path / "files" / key.replace("/", "_")
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        return Upload(key, path, hashlib.sha256(data).hexdigest())

    return make
