"""Metadata and layouts of sources in a bucket, on a real S3 server."""

from pathlib import Path

import pytest

import tiny
from cli.conftest import Naturalist, naturalist
from naturalist.config import load_config
from naturalist.pipeline import steps
from s3_server import S3Server
from stores.conftest import aws_chain, bucket, s3_options

__all__ = ["aws_chain", "bucket", "naturalist", "s3_options"]


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_init_looks_into_a_bucket_and_metadata_are_read_there(
    s3_server: S3Server,
    aws_chain: pytest.MonkeyPatch,
    bucket: str,
    naturalist: Naturalist,
    tmp_path: Path,
) -> None:
    client = s3_server.client()
    for seed, key in enumerate(("animal/zoo/1.png", "animal/zoo/2.png", "plant/wood/x/3.png")):
        client.put_object(Bucket=bucket, Key=f"all/{key}", Body=tiny.picture(seed))
    rows = b"file_name,legs\n1.png,4\n2.png,2\n"
    client.put_object(Bucket=bucket, Key="all/animal/zoo/metadata.csv", Body=rows)
    made = naturalist(
        "init", str(tmp_path / "c"), f"s3://{bucket}/all", "--yes", "--backbone",
        "colour_histogram", "--endpoint-url", s3_server.endpoint_url, "--region", "us-east-1",
    )  # fmt: skip
    assert (made.code, made.err) == (0, "")
    assert "category animal, label 0: 2 files named like pictures" in made.out
    path = tmp_path / "c" / "naturalist.toml"
    text = path.read_text()
    assert f'path = "s3://{bucket}/all/animal/zoo"' in text
    head, found, rest = text.partition("  # metadata.csv may hold")
    assert found
    section = '  [[category.source.metadata]]\n  file = "metadata.csv"\n'
    path.write_text(head + section + rest.partition("\n")[2])
    config = load_config(tmp_path / "c")
    with tiny.job(config) as held:
        steps.ingest(held)
        steps.extract_features(held)
        steps.write_tables(held)
        summary = steps.collect_metadata(held)
        again = steps.collect_metadata(held)
    assert summary is not None
    assert (summary.files[0].matched, summary.columns[0].name) == (2, "legs")
    assert again == summary
