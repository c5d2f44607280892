"""Pictures in a bucket, read by every node for itself."""

import socket
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.collections_of_pictures import Collection
from tests.ray.conftest import Wanted, write_photos
from tests.ray.running import Run, on_ray

from ray_cluster import Cluster
from s3_server import S3Server
from stores.conftest import aws_chain, bucket

__all__ = ["aws_chain", "bucket"]


@pytest.fixture
def in_bucket(wanted: Wanted, s3_server: S3Server, bucket: str, tmp_path: Path) -> Collection:
    """The photos as objects; the nodes keep none of them."""
    client = s3_server.client(max_pool_connections=4)
    sources: Any = {}
    for category, one in wanted.sources.items():
        for name, folder in one.items():
            sources[category] = {name: f"s3://{bucket}/{name}"}
            for path in folder.rglob("*.*"):
                key = f"{name}/{path.relative_to(folder)}"
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    reached = f'endpoint_url = "{s3_server.endpoint_url}"\nregion = "us-east-1"'
    more = f'[s3]\n{reached}\naddressing = "path"\ncache_bytes = 0'
    collection = write_photos(tmp_path / "collection", sources, more)
    collection.set('mode = "hardlink"', 'mode = "reference"')
    return collection


def somebody_asks(server: S3Server) -> None:
    """Take the place of a server that is down, until the first one calls there."""
    with socket.create_server(("127.0.0.1", server.ports["s3"])) as listening:
        listening.settimeout(90)
        listening.accept()[0].close()


def test_a_store_that_goes_away_in_the_middle_and_comes_back_costs_nothing_but_time(
    ray_cluster: Cluster,
    in_bucket: Collection,
    wanted: Wanted,
    s3_server: S3Server,
    aws_chain: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    run = Run(in_bucket, tmp_path / "notes", *on_ray(ray_cluster))
    run.wait_for("the first shards", lambda: run.shards() >= 2)
    s3_server.kill()
    somebody_asks(s3_server)
    s3_server.restart()
    ran = run.finish()
    assert ran.code == 0, ran.err
    assert in_bucket.pictures() == []
    wanted.check(in_bucket)
