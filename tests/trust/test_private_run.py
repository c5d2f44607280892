"""Nothing private leaves by default, and nothing is connected to but the configured store."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from naturalist import auditing
from naturalist.auditing.contents import pieces
from naturalist.stores import S3Options, open_store
from s3_server import S3Server
from stores.conftest import aws_chain, s3_options
from trust import private_run
from trust.private_run import HOST, IN_FILE, PRIVATE_FOLDER, SECRETS, USER, PrivateRun

__all__ = ["aws_chain", "s3_options"]

NAMES = [name.encode() for name in (USER, HOST, PRIVATE_FOLDER)]
PLANTED = [value.encode() for value in (*SECRETS.values(), IN_FILE)]
KINDS = {"parquet", "csv", "json", "md", "tar", "png", "svg", "onnx", "js", "html"}


def test_a_run_tells_nothing_private_and_connects_to_nothing_but_its_store(
    tmp_path: Path, s3_server: S3Server, s3_options: S3Options, subtests: pytest.Subtests
) -> None:
    with s3_server.bucket() as bucket:
        watched = private_run.make(tmp_path, bucket, s3_server.endpoint_url)
        published = list(_published(watched, s3_server))
        with subtests.test("everything of a kind was looked at"):
            assert {key.rpartition(".")[2] for key, _ in published} >= KINDS
        with subtests.test("paths, user and host are in nothing that is published"):
            assert _with_any([*NAMES, str(tmp_path).encode()], published) == []
        with subtests.test("secrets are in nothing that is published"):
            assert _with_any(PLANTED, published) == []
        with subtests.test("secrets are in no output"):
            printed = [(words, said.encode()) for words, said in watched.outputs.items()]
            assert _with_any(PLANTED, printed) == []
        with subtests.test("secrets are in no file"):
            files = list(_files(watched))
            assert len(files) > 100
            assert _with_any(PLANTED, files) == []
        with subtests.test("nothing is connected to but the configured store"):
            parts = urlsplit(watched.endpoint_url)
            assert watched.peers == {(parts.hostname, parts.port)}
        with subtests.test("no process listens"):
            assert watched.listening == []
        with subtests.test("an audit finds what is missing, and no error"):
            store = open_store(watched.bucket_url, s3_options)
            known = auditing.known_here([tmp_path], watched.environment)
            found = auditing.audit_published(store, known=known).findings
            assert [one for one in found if one.level == "error"] == []
            licences = {one.what for one in found if one.kind == "licence_missing"}
            assert licences == {"animal/far", "animal/near", "plant/far", "plant/near"}
            assert {one.kind for one in found} >= {"thumbnails", "pictures", "source_path"}


def _published(watched: PrivateRun, server: S3Server) -> Iterator[tuple[str, bytes]]:
    """Key and bytes of everything in the bucket, whatever names it."""
    client = server.client()
    bucket = urlsplit(watched.bucket_url).netloc
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for one in page.get("Contents", ()):
            yield one["Key"], client.get_object(Bucket=bucket, Key=one["Key"])["Body"].read()


def _files(watched: PrivateRun) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of every file on the planted machine, but the one with the credentials."""
    credentials = Path(watched.environment["HOME"]) / ".aws/credentials"
    for path in watched.folder.rglob("*"):
        if path.is_file() and path != credentials:
            yield str(path), path.read_bytes()


def _with_any(planted: list[bytes], files: Iterable[tuple[str, bytes]]) -> list[str]:
    """Where one of the planted texts is, in the bytes as they are or once they are unpacked."""
    return [
        f"{name}: {piece.part}: {text.decode()}"
        for name, data in files
        for piece in pieces(name, data)
        for text in planted
        if text in piece.data
    ]
