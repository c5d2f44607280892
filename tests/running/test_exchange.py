"""Tasks that are done without their workspace, with a real S3 server between."""

import io
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tiny
from naturalist.config import Config
from naturalist.errors import StoreError
from naturalist.pipeline import publishing, steps
from naturalist.pipeline.steps import Job
from naturalist.progress import Silent
from naturalist.reasons import Reason
from naturalist.running import exchange, workspace
from naturalist.running.exchange import AwayTask, ExchangeExecutor, Sent, run_away
from naturalist.running.executors import InlineExecutor
from naturalist.stages.packing import Form
from naturalist.stores import Store, open_store
from s3_server import S3Server
from stores.conftest import aws_chain, bucket, s3_options

__all__ = ["aws_chain", "bucket", "s3_options"]

SEEDS = {"animal": range(7), "plant": range(10, 19)}


class Elsewhere(InlineExecutor):
    """A machine that does not have the workspace: there is nothing at its path."""

    latest_node = "elsewhere"

    def __init__(self, root: Path) -> None:
        self._root, self.done = root, 0

    def map(self, run: Any, tasks: Any) -> Iterator[Any]:
        for task in tasks:
            away = self._root.with_name("away")
            self._root.rename(away)
            try:
                result = run(task)
            finally:
                assert not self._root.exists()
                away.rename(self._root)
            self.done += 1
            yield task, result


@pytest.fixture
def config(
    s3_server: S3Server, aws_chain: pytest.MonkeyPatch, bucket: str, tmp_path: Path
) -> Iterator[Config]:
    """Pictures in a bucket, one of them broken, and an archive; the exchange is there too."""
    aws_chain.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    aws_chain.setattr(tempfile, "tempdir", str(tmp_path))
    with tiny.in_memory() as root:
        tiny.make_sources(root / "sources", SEEDS)
        (root / "sources/plant/broken.png").write_bytes(tiny.picture(40)[:60] + b"\0" * 100)
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("a.png", tiny.picture(60))
        (root / "sources/plant/more.zip").write_bytes(packed.getvalue())
        client = s3_server.client()
        for path in (root / "sources").rglob("*.*"):
            key = str(path.relative_to(root / "sources"))
            client.put_object(Bucket=bucket, Key=key, Body=path.read_bytes())
        sources: Any = {name: {"photos": f"s3://{bucket}/{name}"} for name in SEEDS}
        reached = {"endpoint_url": s3_server.endpoint_url, "region": "us-east-1"}
        yield tiny.collection(
            root,
            sources,
            images={"mode": "reference"},
            s3=reached | {"addressing": "path"},
            executor={"kind": "ray", "exchange": f"s3://{bucket}/exchange"},
            ingest={"files_per_task": 3},
        )


def executor(config: Config, there: InlineExecutor) -> ExchangeExecutor:
    assert config.exchange is not None
    place = exchange.place_in(config.exchange, config.layout)
    folder = exchange.breadcrumb_folder(config.layout)
    return ExchangeExecutor(InlineExecutor(), there, place, folder)


def in_exchange(config: Config) -> Store:
    assert config.exchange is not None
    return open_store(config.exchange.url, config.exchange.options)


def read_every_picture(config: Config, there: InlineExecutor) -> steps.ExtractResult:
    """The two stages that do, with an exchange between the machines."""
    with workspace.writing(config):
        made = executor(config, there)
        job = Job(config, made, Silent())
        steps.ingest(job)
        result = steps.extract_features(job)
        made.close()
    return result


def files(config: Config) -> dict[str, bytes]:
    """Features and previews; receipts say how long it took."""
    return {
        str(path.relative_to(config.layout.root)): path.read_bytes()
        for name in ("features", "previews")
        for path in (config.layout.root / name).rglob("*.parquet")
    }


def test_the_workspace_is_as_if_all_had_been_done_in_it(config: Config, tmp_path: Path) -> None:
    there = Elsewhere(config.layout.root)
    result = read_every_picture(config, there)
    assert (result.pictures, result.refused) == (18, 1)
    assert there.done >= 9
    assert list(in_exchange(config).list()) == []
    # The same without an exchange.
    alone = config.model_copy().in_folder(config.layout.root.parent / "alone")
    tiny.make_all(alone)
    assert files(config) == files(alone)
    key = ("category", "source", "path", "outcome", "reason", "pic_id")
    rows = [[tuple(row[k] for k in key) for row in tiny.ledger_rows(c)] for c in (config, alone)]
    assert rows[0] == rows[1]
    # Nothing is done twice, and what comes after finds all that it needs.
    before = there.done
    assert read_every_picture(config, there).shards == 0
    assert there.done == before
    tiny.make_all(config)


def test_what_killed_runs_left_in_the_exchange_is_removed_and_nothing_else(config: Config) -> None:
    assert config.exchange is not None
    place = exchange.place_in(config.exchange, config.layout)
    left = place.url.removeprefix(f"{config.exchange.url}/") + "/dead/features/x.parquet"
    store = in_exchange(config)
    store.put_bytes(left, b"left")
    store.put_bytes("somebody-elses.txt", b"kept")
    read_every_picture(config, Elsewhere(config.layout.root))
    assert [info.key for info in store.list()] == ["somebody-elses.txt"]


def test_a_file_that_a_task_does_not_make_is_not_fetched(config: Config) -> None:
    class Hostile(InlineExecutor):
        def map(self, run: Any, tasks: Any) -> Iterator[Any]:
            for task in tasks:
                sent: Sent = run(task)
                yield task, replace(sent, files=(("../../escaped", "0" * 64),))

    with pytest.raises(StoreError, match=r"sent files that .* does not write: .*escaped"):
        read_every_picture(config, Hostile())


def test_a_picture_that_was_blamed_is_refused_on_the_other_machine_too(config: Config) -> None:
    seen: list[AwayTask] = []

    class Blaming(InlineExecutor):
        def map(self, run: Any, tasks: Any) -> Iterator[Any]:
            for task in tasks:
                assert run is run_away
                seen.append(task.suspect(0, Reason.DECODER_CRASHED))
                yield task, run(seen[-1])

    read_every_picture(config, Blaming())
    reasons = [row["reason"] for row in tiny.ledger_rows(config) if row["reason"]]
    assert "decoder_crashed" in reasons


def test_pictures_are_packed_and_sent_by_machines_that_do_not_have_the_workspace(
    config: Config, s3_server: S3Server, bucket: str
) -> None:
    tiny.make_all(config)
    there = Elsewhere(config.layout.root)
    sent = {}
    for name, made in (("nodes", executor(config, there)), ("here", InlineExecutor())):
        settings = {"url": f"s3://{bucket}/{name}", "pictures": Form.TARS, "addressing": "path"}
        settings |= {"endpoint_url": s3_server.endpoint_url, "region": "us-east-1"}
        to = config.model_copy(update={"publish": config.publish.model_copy(update=settings)})
        store = open_store(to.publish_url, to.s3_options)
        with workspace.writing(to):
            result = publishing.send_pictures(Job(to, made, Silent()), store)
        assert result.sent_files == len(result.entries)
        sent[name] = {info.key: info.size_bytes for info in store.list()}
        shutil.rmtree(config.layout.root / "outbox")
    # A picture out of an archive lies in the workspace: its shard is sent from there.
    assert there.done == len(sent["here"]) // 2 - 1 > 2
    assert sent["nodes"] == sent["here"]
    assert list(in_exchange(config).list()) == []
