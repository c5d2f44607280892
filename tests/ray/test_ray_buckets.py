"""Pictures in a bucket, read by every node for itself."""

import socket
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.collections_of_pictures import Collection
from tests.ray.conftest import Sources, Wanted, write_photos
from tests.ray.ray_runs import Run, on_ray

from ray_cluster import Cluster
from s3_server import S3Server
from stores.conftest import aws_chain, bucket

__all__ = ["aws_chain", "bucket"]


@pytest.fixture
def objects(wanted: Wanted, s3_server: S3Server, bucket: str) -> Sources:
    """The photos as objects."""
    client = s3_server.client(max_pool_connections=4)
    sources: Any = {}
    for category, one in wanted.sources.items():
        for name, folder in one.items():
            sources[category] = {name: f"s3://{bucket}/{name}"}
            for path in folder.rglob("*.*"):
                key = f"{name}/{path.relative_to(folder)}"
                client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return sources


def collection_of(folder: Path, sources: Sources, server: S3Server, more: str = "") -> Collection:
    """Pictures stay in the bucket, and the nodes keep none of them."""
    reached = f'endpoint_url = "{server.endpoint_url}"\nregion = "us-east-1"'
    more = f'[s3]\n{reached}\naddressing = "path"\ncache_bytes = 0\n{more}'
    collection = write_photos(folder, sources, more)
    collection.set('mode = "hardlink"', 'mode = "reference"')
    return collection


def somebody_asks(server: S3Server) -> None:
    """Take the place of a server that is down, until the first one calls there."""
    with socket.create_server(("127.0.0.1", server.ports["s3"])) as listening:
        listening.settimeout(90)
        listening.accept()[0].close()


def test_a_store_that_goes_away_in_the_middle_and_comes_back_costs_nothing_but_time(
    ray_cluster: Cluster,
    objects: Sources,
    wanted: Wanted,
    s3_server: S3Server,
    aws_chain: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    collection = collection_of(tmp_path / "collection", objects, s3_server)
    run = Run(collection, tmp_path / "notes", *on_ray(ray_cluster))
    run.wait_for("the first shards", lambda: run.shards() >= 2)
    s3_server.kill()
    somebody_asks(s3_server)
    s3_server.restart()
    ran = run.finish()
    assert ran.code == 0, ran.err
    assert collection.pictures() == []
    wanted.check(collection)


def test_nodes_that_do_not_have_the_workspace_send_what_they_make_through_the_bucket(
    ray_driver: Cluster,
    objects: Sources,
    wanted: Wanted,
    s3_server: S3Server,
    aws_chain: pytest.MonkeyPatch,
    bucket: str,
) -> None:
    folder = ray_driver.hidden / "collection"
    more = f'[executor]\nexchange = "s3://{bucket}/exchange"'
    reached = (
        f'endpoint_url = "{s3_server.endpoint_url}"\nregion = "us-east-1"\naddressing = "path"'
    )
    collection = collection_of(folder, objects, s3_server, more)
    to = f'url = "s3://{bucket}/published"\npictures = "tars"\n{reached}'
    collection.set('url = "../published"', to)
    ran = collection.run(*on_ray(ray_driver))
    wanted.check(collection)
    told = {line.partition(":")[0]: line for line in ran.err.splitlines() if " by node" in line}
    assert told.keys() == {"ingest by node", "extract by node", "pictures by node"}
    assert all("first " in line and "second " in line for line in told.values())
