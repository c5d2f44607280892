"""From pictures to a published collection on S3, through the command line."""

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

import tiny
from cli.conftest import Naturalist
from naturalist.schemas import PRIVATE_LEDGER_COLUMNS
from naturalist.stores import S3Options
from publishing.conftest import OnS3, write
from s3_server import ACCESS_KEY, SECRET_KEY, S3Server

MB = 10**6


def table_at(made: OnS3, key: str) -> "pq.ParquetFile":
    return pq.ParquetFile(io.BytesIO(made.store.get_bytes(key)[0]))


def test_a_run_publishes_everything_and_leaves_no_credentials_anywhere(made: OnS3) -> None:
    ran = made.run()
    assert ran.json["stages"]["publish"]["changed"]
    files = made.check()
    parts = {name.partition("/")[0] for name in files}
    assert parts >= {"tables", "ledger", "previews", "reports", "pictures", "picture_index"}
    rows = sum(
        table_at(made, file.key).metadata.num_rows
        for file in made.snapshot.files
        if file.part == "tables" and file.suffix == ".parquet"
    )
    assert rows == 50
    for file in made.snapshot.files:
        if file.part == "ledger":
            names = table_at(made, file.key).schema_arrow.names
            assert not set(names) & set(PRIVATE_LEDGER_COLUMNS)
    for path in made.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert SECRET_KEY.encode() not in data, path
            assert ACCESS_KEY.encode() not in data, path
    assert SECRET_KEY not in ran.out + ran.err


def test_nothing_new_sends_nothing_and_what_grew_sends_only_that(
    made: OnS3, naturalist: Naturalist
) -> None:
    def run() -> dict[str, Any]:
        stage: dict[str, Any] = naturalist("run", "-c", str(made.folder), "--json").json["stages"]
        return stage["publish"]

    run()
    first = made.check()
    before = {info.key: info.version for info in made.store.list()}
    again = run()
    assert (again["sent_files"], again["changed"]) == (0, False)

    made.add("animal", range(200, 205))
    grown = run()
    second = made.check()
    assert grown["sent_files"] < len(second)
    unchanged = {name for name in first if name.startswith("tables/plant/")}
    assert unchanged
    assert {name: first[name] for name in unchanged} == {name: second[name] for name in unchanged}
    after = {info.key: info.version for info in made.store.list()}
    del before["latest.json"], after["latest.json"]
    assert before.items() <= after.items()


def test_a_tar_of_30_mb_goes_in_parts_and_has_its_checksum(
    tmp_path: Path,
    place: Callable[[], str],
    s3_options: S3Options,
    s3_server: S3Server,
    server_in_chain: object,
    naturalist: Naturalist,
) -> None:
    sources = tmp_path / "sources"
    tiny.make_sources(sources, {"plant": range(1), "animal": range(9, 10)})
    rng = np.random.default_rng(0)
    for k in range(3):
        pixels = rng.integers(0, 256, (2000, 1700, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(sources / "plant" / f"large-{k}.bmp")
    made = write(tmp_path, place(), s3_options, 'pictures = "tars"\nkeep_metadata = true')
    assert naturalist("run", "-c", str(made.folder)).code == 0
    (tar,) = [f for f in made.snapshot.files if f.name.startswith("pictures/plant/")]
    assert tar.size_bytes > 30 * MB
    bucket, _, prefix = made.url.removeprefix("s3://").partition("/")
    stored = s3_server.client().head_object(Bucket=bucket, Key=f"{prefix}/{tar.key}")
    assert stored["ETag"].strip('"').endswith("-4")
    assert stored["Metadata"]["sha256"] == tar.sha256
    data, _ = made.store.get_bytes(tar.key)
    assert hashlib.sha256(data).hexdigest() == tar.sha256
    with tarfile.open(fileobj=io.BytesIO(data)) as members:
        assert len(members.getnames()) == 2 * 4


def test_more_than_a_thousand_pictures_one_by_one(
    tmp_path: Path, place: Callable[[], str], s3_options: S3Options, server_in_chain: object
) -> None:
    count = 1_040
    sources = tiny.make_sources(tmp_path / "in", {"plant": range(count), "animal": [5_000]})
    config = tiny.collection(
        tmp_path,
        sources,
        extract={"backbone": "colour_histogram", "shard_size": 2_000, "workers": 1},
        tables={"rows_per_table": 2_000},
        verify={"sample_share": 0.0},
        publish={"url": place(), "pictures": "objects"},
    )
    tiny.make_all(config)
    made = OnS3(None, config.publish_url, s3_options)  # type: ignore[arg-type]
    made.check()
    pictures = {info.key for info in made.store.list("pictures/plant/")}
    assert len(pictures) == count
    (index,) = [f for f in made.snapshot.files if f.name.startswith("picture_index/plant/")]
    named = table_at(made, index.key).read().column("name").to_pylist()
    assert {f"{index.objects_below}{name}" for name in named} == pictures
    before = {info.key: info.version for info in made.store.list()}
    tiny.make_all(config)
    assert {info.key: info.version for info in made.store.list()} == before
    assert json.loads(made.store.get_bytes("latest.json")[0])["snapshot"] == "000001"
