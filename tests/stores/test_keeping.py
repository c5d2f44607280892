"""Who runs for months gets new credentials, and uses them from the next request on."""

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

import tiny
from naturalist.errors import NaturalistError
from naturalist.pipeline import publishing, steps
from naturalist.stages import sending
from naturalist.stages.sending import SendTask
from naturalist.stores import S3Options, open_store
from naturalist.stores.keeping import keep_bucket, keep_store
from naturalist.stores.remote import RemoteFolder, list_remote
from s3_server import ACCESS_KEY, SECRET_KEY

Give = Callable[[str], object]
"""Puts a secret key where programs look for it."""


@pytest.fixture(params=["environment", "file"])
def give(request: pytest.FixtureRequest, aws_chain: pytest.MonkeyPatch, tmp_path: Path) -> Give:
    """The two places from which most people's credentials come."""
    if request.param == "environment":
        return lambda secret: aws_chain.setenv("AWS_SECRET_ACCESS_KEY", secret)
    path = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        aws_chain.delenv(name)
    aws_chain.setenv("AWS_SHARED_CREDENTIALS_FILE", str(path))
    names = (f"aws_access_key_id = {ACCESS_KEY}", "aws_secret_access_key = ")
    return lambda secret: path.write_text("\n".join(("[default]", *names)) + secret)


@pytest.fixture
def place(shared_bucket: str, s3_options: S3Options) -> str:
    """Where there is one object; written with the right credentials."""
    url = f"s3://{shared_bucket}/{uuid.uuid4().hex}"
    open_store(url, s3_options).put_bytes("a.png", b"picture")
    return url


def test_a_source_is_read_with_the_new_credentials(
    place: str, s3_options: S3Options, give: Give
) -> None:
    folder = RemoteFolder(place, s3_options)
    give("withdrawn")
    with pytest.raises(NaturalistError):
        list(list_remote(folder))
    give(SECRET_KEY)
    assert [one.key for one in list_remote(folder)] == ["a.png"]


def test_a_store_is_kept_as_long_as_the_credentials_are(
    place: str, s3_options: S3Options, give: Give
) -> None:
    give(SECRET_KEY)
    first = keep_store(place, s3_options)
    assert keep_store(place, s3_options) is first
    assert keep_bucket(place, s3_options) is keep_bucket(place, s3_options)
    give("withdrawn")
    second = keep_store(place, s3_options)
    assert second is not first
    with pytest.raises(NaturalistError):
        second.head("a.png")


def test_pictures_are_sent_with_the_new_credentials(
    shared_bucket: str, s3_options: S3Options, give: Give, tmp_path: Path
) -> None:
    url = f"s3://{shared_bucket}/{uuid.uuid4().hex}"
    sources = tiny.make_sources(tmp_path / "sources", {"plant": range(4), "animal": range(9, 12)})
    config = tiny.collection(tmp_path, sources, publish={"url": url, "pictures": "tars"})
    with tiny.job(config) as job:
        steps.ingest(job)
        steps.extract_features(job)
    first, second = (SendTask(task, url, s3_options) for task in publishing.pack_tasks(config))
    give(SECRET_KEY)
    assert sending.run(first).files == 2
    give("withdrawn")
    with pytest.raises(NaturalistError):
        sending.run(second)
    give(SECRET_KEY)
    assert sending.run(second).files == 2


def test_a_folder_needs_no_credentials(tmp_path: Path) -> None:
    keep_store(str(tmp_path)).put_bytes("a", b"1")
    assert keep_store(str(tmp_path)).get_bytes("a")[0] == b"1"
