"""Sources in a bucket, on a real S3 server: what a folder gives, they give."""

import io
import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import tiny
from naturalist.config import Config, load_config
from naturalist.errors import ConfigError, PictureError, SourceError, StoreError
from naturalist.ledger import Outcome
from naturalist.pipeline import steps
from naturalist.stores.remote import read_remote
from s3_server import S3Server
from stores.conftest import aws_chain, bucket, s3_options

__all__ = ["aws_chain", "bucket", "s3_options"]

SEEDS = {"animal": range(7), "plant": range(10, 19)}


@pytest.fixture(autouse=True)
def _own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def root() -> Iterator[Path]:
    with tiny.in_memory() as folder:
        yield folder


@pytest.fixture
def objects(s3_server: S3Server, aws_chain: pytest.MonkeyPatch, bucket: str, root: Path) -> Any:
    """A client of the bucket, which holds the pictures of `root`/sources."""
    tiny.make_sources(root / "sources", SEEDS)
    client = s3_server.client()
    for path in (root / "sources").rglob("*.png"):
        key = str(path.relative_to(root / "sources"))
        client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
    return client


def in_bucket(
    root: Path, server: S3Server, bucket: str, *, mode: str = "reference", **s3: Any
) -> Config:
    sources: Any = {name: {"photos": f"s3://{bucket}/{name}"} for name in SEEDS}
    reached = {"endpoint_url": server.endpoint_url, "region": "us-east-1", "addressing": "path"}
    return tiny.collection(root / "remote", sources, images={"mode": mode}, s3=reached | s3)


def tables(config: Config) -> dict[str, bytes]:
    found = config.layout.tables.rglob("image_df_*.*")
    return {
        str(path.relative_to(config.layout.root)): path.read_bytes()
        for path in found
        if path.suffix in (".csv", ".parquet")
    }


def tables_of_folders(root: Path) -> dict[str, bytes]:
    sources = {name: {"photos": root / "sources" / name} for name in SEEDS}
    config = tiny.collection(root / "local", sources)
    tiny.make_all(config)
    return tables(config)


@pytest.mark.parametrize("mode", ["reference", "copy", "hardlink"])
def test_pictures_in_a_bucket_give_the_tables_of_pictures_in_folders(
    objects: Any, root: Path, s3_server: S3Server, bucket: str, mode: str
) -> None:
    config = in_bucket(root, s3_server, bucket, mode=mode)
    tiny.make_all(config)
    assert tables(config) == tables_of_folders(root)
    placed = list((config.layout.root / "images").rglob("*_id_*"))
    assert len(placed) == (0 if mode == "reference" else 16)
    assert not list(config.layout.root.rglob("*.tmp"))
    assert not config.layout.scratch.exists()


def test_only_what_is_new_in_the_bucket_is_taken_in(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    config = in_bucket(root, s3_server, bucket)
    tiny.ingest(config)
    assert tiny.ingest(config).batches == []
    objects.put_object(Bucket=bucket, Key="plant/new/a.png", Body=tiny.picture(50))
    assert tiny.ingest(config).batches == [2]
    (row,) = (row for row in tiny.ledger_rows(config) if row["batch"] == 2)
    assert (row["path_text"], row["pic_id"]) == ("new/a.png", "plant_id_10")


def test_archives_in_a_bucket_are_unpacked(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.png", tiny.picture(60))
        archive.writestr("b.png", tiny.picture(10))
    objects.put_object(Bucket=bucket, Key="plant/more.zip", Body=packed.getvalue())
    config = in_bucket(root, s3_server, bucket)
    tiny.make_all(config)
    found = {row["path_text"]: row["outcome"] for row in tiny.ledger_rows(config)}
    assert found["more.zip"] == Outcome.UNPACKED
    inside = {text: outcome for text, outcome in found.items() if "more.zip" in text[:-4]}
    assert sorted(inside.values()) == [Outcome.ACCEPTED, Outcome.DUPLICATE]


def test_large_objects_are_fetched_without_being_held_in_memory(
    objects: Any, root: Path, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("naturalist.stages.ingest.examine._KEPT_BYTES", 10)
    monkeypatch.setattr("naturalist.stages.ingest.examine.read_remote", None)
    config = in_bucket(root, s3_server, bucket)
    tiny.ingest(config)
    accepted = [row for row in tiny.ledger_rows(config) if row["outcome"] == Outcome.ACCEPTED]
    assert len(accepted) == 16


@pytest.mark.parametrize(
    "key", ["a\tb.png", "a\nb.png", "a\x01b.png", "a b+c%2F.png", "ü\u202e.png"]
)
def test_a_picture_is_read_whatever_its_key(
    objects: Any, root: Path, s3_server: S3Server, bucket: str, key: str
) -> None:
    objects.put_object(Bucket=bucket, Key=f"plant/{key}", Body=tiny.picture(70))
    config = in_bucket(root, s3_server, bucket)
    tiny.make_all(config)
    rows = {row["path"]: row for row in tiny.ledger_rows(config)}
    assert rows[key.encode()]["outcome"] == Outcome.ACCEPTED


def test_markers_of_folders_are_no_failures(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    objects.put_object(Bucket=bucket, Key="plant/day_$folder$", Body=b"")
    objects.put_object(Bucket=bucket, Key="plant/_SUCCESS", Body=b"")
    config = in_bucket(root, s3_server, bucket)
    tiny.ingest(config)
    reasons = {row["reason"] for row in tiny.ledger_rows(config) if row["outcome"] == "refused"}
    assert reasons == {"system_file"}


def test_every_object_has_a_row_also_where_naturalist_would_write_no_such_key(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    objects.put_object(Bucket=bucket, Key="plant/.naturalist/b.png", Body=tiny.picture(70))
    objects.put_object(Bucket=bucket, Key="plant/folder/", Body=b"")
    objects.put_object(Bucket=bucket, Key="plant/notes.txt", Body=b"no picture")
    config = in_bucket(root, s3_server, bucket)
    tiny.ingest(config)
    rows = {row["path"]: row for row in tiny.ledger_rows(config)}
    assert len(rows) == 18
    assert rows[b".naturalist/b.png"]["outcome"] == Outcome.ACCEPTED
    assert rows[b"notes.txt"]["reason"] == "not_a_picture"


def test_a_picture_is_fetched_once_as_long_as_the_cache_has_room(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    config = in_bucket(root, s3_server, bucket)
    tiny.ingest(config)
    (row,) = (row for row in tiny.ledger_rows(config) if row["pic_id"] == "plant_id_1")
    folder: Any = config.source_paths["plant"]["photos"]
    objects.delete_object(Bucket=bucket, Key=f"plant/{row['path_text']}")
    asked = (row["path"].decode(), row["size_bytes"], row["mtime_ns"])
    assert read_remote(folder, *asked) == tiny.picture(10)
    without = in_bucket(root, s3_server, bucket, cache_bytes=0).source_paths["plant"]["photos"]
    with pytest.raises(PictureError, match="no longer in the bucket"):
        read_remote(without, *asked)  # type: ignore[arg-type]


def test_a_picture_that_left_the_bucket_is_refused_and_an_empty_bucket_ends_the_run(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    config = in_bucket(root, s3_server, bucket, cache_bytes=0)
    tiny.ingest(config)
    objects.delete_object(Bucket=bucket, Key="plant/0010.png")
    with tiny.job(config) as job:
        assert steps.extract_features(job).refused == 1
    for seed in range(11, 19):
        objects.delete_object(Bucket=bucket, Key=f"plant/{seed:04d}.png")
    with (
        tiny.job(config) as job,
        pytest.raises(SourceError, match=f"s3://{bucket}/plant is empty or does"),
    ):
        steps.verify_features(job, again=True)
    with pytest.raises(SourceError, match="do not count as deleted"):
        tiny.ingest(config)


class _Restart(logging.Handler):
    """Starts a server again as soon as somebody says that he waits for it."""

    def __init__(self, server: S3Server) -> None:
        super().__init__()
        self.server, self.waited = server, 0

    def emit(self, record: logging.LogRecord) -> None:
        if "the server is away" in record.getMessage() and self.server.process is None:
            self.waited += 1
            self.server.restart()


@pytest.fixture
def restart(s3_server: S3Server) -> Iterator[_Restart]:
    log = logging.getLogger("naturalist.stores.outages")
    handler, level = _Restart(s3_server), log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield handler
    log.removeHandler(handler)
    log.setLevel(level)
    if s3_server.process is None:
        s3_server.restart()


def test_a_server_that_goes_away_and_comes_back_costs_nothing_but_time(
    objects: Any, root: Path, s3_server: S3Server, bucket: str, restart: _Restart
) -> None:
    config = in_bucket(root, s3_server, bucket, cache_bytes=0)
    tiny.ingest(config)
    s3_server.kill()
    with tiny.job(config) as job:
        assert steps.extract_features(job).refused == 0
    assert restart.waited == 1
    tiny.make_all(config)
    assert tables(config) == tables_of_folders(root)


def test_a_server_that_stays_away_ends_the_run_and_blames_no_picture(
    objects: Any, root: Path, s3_server: S3Server, bucket: str, restart: _Restart
) -> None:
    config = in_bucket(root, s3_server, bucket, cache_bytes=0, outage_s=0)
    tiny.ingest(config)
    restart.server = S3Server(root / "another")  # nobody starts it again
    s3_server.kill()
    with tiny.job(config) as job, pytest.raises(StoreError, match="does not answer"):
        steps.extract_features(job)
    s3_server.restart()
    tiny.make_all(config)
    assert tables(config) == tables_of_folders(root)


def test_an_address_below_which_nothing_is_ends_the_run(
    root: Path, s3_server: S3Server, aws_chain: pytest.MonkeyPatch, bucket: str
) -> None:
    with pytest.raises(SourceError, match=f"s3://{bucket}/animal is empty or does"):
        tiny.ingest(in_bucket(root, s3_server, bucket))
    with pytest.raises(SourceError, match=r"no-such-bucket.*does not exist"):
        tiny.ingest(in_bucket(root, s3_server, "no-such-bucket"))


@pytest.mark.parametrize(
    ("path", "more", "said"),
    [
        ("s3://b/plant", {"images": {"mode": "move"}}, "nothing is moved out of buckets"),
        (
            "s3://b/plant",
            {"publish": {"url": "s3://b/plant/out"}},
            "publish.url, .* another prefix",
        ),
        (
            "s3://b/plant",
            {"executor": {"exchange": "s3://b/plant/x"}},
            "executor.exchange, .* another prefix",
        ),
        ("ftp://b/plant", {}, "expected a path or s3://bucket/prefix"),
        ("s3://", {}, "expected a path or s3://bucket/prefix"),
    ],
)
def test_what_cannot_be_done_with_a_bucket_is_said_before_anything_is_done(
    tmp_path: Path, path: str, more: dict[str, Any], said: str
) -> None:
    sources: Any = {"animal": {"zoo": tmp_path / "zoo"}, "plant": {"garden": path}}
    file = tiny.config_file(tmp_path / "collection", sources, **more)
    with pytest.raises(ConfigError, match=said):
        load_config(file)


def test_pictures_that_left_the_bucket_are_retired_if_that_is_asked_for(
    objects: Any, root: Path, s3_server: S3Server, bucket: str
) -> None:
    config = in_bucket(root, s3_server, bucket)
    tiny.make_all(config)
    objects.delete_object(Bucket=bucket, Key="plant/0012.png")
    changed = config.ingest.model_copy(update={"removed": "retire"})
    assert tiny.ingest(config.model_copy(update={"ingest": changed})).retired == 1
