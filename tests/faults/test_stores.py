"""Behind a network that loses, damages and refuses, publishing and pulling end whole or say why.

A proxy stands before the real S3 server. What it does to a request is drawn: nothing, in most
cases, so that work goes on; else one fault of a kind. A publish ends with a snapshot that
has every byte, or with exit code 7 and readers that see what they saw before; the next one through
a good network ends at the same bytes. More draws by `pytest tests/faults/test_stores.py --long`.
"""

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from cli.conftest import Naturalist
from naturalist import snapshots
from naturalist.snapshots import LATEST
from publishing.conftest import OnS3
from s3_server import S3Server
from stores.mangling_proxy import Exchange, mangling_proxy

SHARE = 0.12
"""Of requests that meet a fault."""
LONG_DRAWS = 12


def answer(exchange: Exchange, status: int, code: str) -> None:
    """Make it the answer of a server that refuses."""
    exchange.status = status
    exchange.headers = {"content-type": "application/xml"}
    exchange.body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()


def is_refused(exchange: Exchange, status: int, code: str) -> bool:
    """Refuse a request before the server sees it."""
    answer(exchange, status, code)
    return True


def lose(exchange: Exchange) -> bool:
    """Cut the connection."""
    exchange.is_lost = True
    return True


def damage(exchange: Exchange) -> None:
    """Flip a bit of what is read."""
    if exchange.method == "GET" and exchange.body and "list-type" not in exchange.path:
        body = bytearray(exchange.body)
        body[len(body) // 2] ^= 1
        exchange.body = bytes(body)


def cut(exchange: Exchange) -> None:
    """Send half of the body that the headers announce."""
    if exchange.method == "GET" and exchange.body:
        exchange.sent_bytes = len(exchange.body) // 2


def stall(exchange: Exchange) -> bool:
    """Do not answer, and do not close the connection."""
    exchange.is_lost = exchange.is_stalled = True
    return True


def stall_half_way(exchange: Exchange) -> None:
    """Send half of an answer, and then nothing."""
    if exchange.method != "HEAD":
        exchange.sent_bytes, exchange.is_stalled = len(exchange.body) // 2, True


@dataclass(frozen=True)
class Fault:
    """What happens to a request that it is drawn for.

    Attributes:
        refuse: whether, and how, it is answered before the server hears of it.
        mangle: what becomes of the answer.
        ends: whether waiting helps; else the command must end with 7 and these words.
    """

    refuse: Callable[[Exchange], bool] = field(default=lambda _: False)
    mangle: Callable[[Exchange], object] = field(default=lambda _: None)
    said: str = ""


FAULTS = {
    "requests that are lost": Fault(refuse=lose),
    "answers that are lost": Fault(mangle=lose),
    "500": Fault(refuse=lambda e: is_refused(e, 500, "InternalError")),
    "500 for what took effect": Fault(mangle=lambda e: answer(e, 500, "InternalError")),
    "503": Fault(refuse=lambda e: is_refused(e, 503, "SlowDown")),
    "answers cut in half": Fault(mangle=cut),
    "damaged bytes": Fault(mangle=damage),
    "requests that are never answered": Fault(refuse=stall),
    "answers that stop half way": Fault(mangle=stall_half_way),
}
FOR_GOOD = {
    "credentials that expire": Fault(
        refuse=lambda e: is_refused(e, 400, "ExpiredToken"), said="log in again"
    ),
    "credentials that are withdrawn": Fault(
        refuse=lambda e: is_refused(e, 403, "AccessDenied"), said="do not allow that"
    ),
    "a clock that is wrong": Fault(
        refuse=lambda e: is_refused(e, 403, "RequestTimeTooSkewed"), said="set the clock"
    ),
    "a store that is full": Fault(
        refuse=lambda e: is_refused(e, 507, "XMinioStorageFull"), said="the store is full"
    ),
}


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody really waits between two attempts."""
    monkeypatch.setattr("botocore.endpoint.time", SimpleNamespace(sleep=lambda _: None))
    monkeypatch.setattr("naturalist.stores.outages._PAUSE_S", 0.01)


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that sends nothing is left after a second and a half, not after a minute."""
    for module in ("connection", "fast_lane"):
        monkeypatch.setattr(f"naturalist.stores.{module}.READ_TIMEOUT_S", 1.5)


@contextmanager
def behind(
    made: OnS3, chain: pytest.MonkeyPatch, fault: Fault, meets: Callable[[int], bool]
) -> Iterator[list[int]]:
    """The store of the collection behind a proxy; `meets` says which requests meet the fault."""
    lock, count, met = threading.Lock(), [0], [0]
    drawn: dict[int, bool] = {}

    def draw() -> bool:
        with lock:
            count[0] += 1
            found = meets(count[0])
            met[0] += found
            return found

    def refuse(exchange: Exchange) -> bool:
        is_met = drawn[threading.get_ident()] = draw()
        return is_met and fault.refuse(exchange)

    def mangle(exchange: Exchange) -> None:
        if drawn[threading.get_ident()]:
            fault.mangle(exchange)

    with mangling_proxy(str(made.options.endpoint_url), mangle, refuse) as proxy:
        chain.setenv("AWS_ENDPOINT_URL", proxy.endpoint_url)
        yield met
    chain.setenv("AWS_ENDPOINT_URL", str(made.options.endpoint_url))


def publish_and_pull(
    made: OnS3,
    naturalist: Naturalist,
    chain: pytest.MonkeyPatch,
    fault: Fault,
    meets: Callable[[int], bool],
    folder: Path,
) -> int:
    """Publish and pull behind a fault, then without; how often it was met."""
    here = ["-c", str(made.folder)]
    with behind(made, chain, fault, meets) as met:
        ended = naturalist("publish", *here)
    assert_ended_well(ended.code, ended.err, fault)
    if ended.code == 0 or made.store.head(LATEST):
        made.check()
    assert naturalist("publish", *here).code == 0
    expected = made.check()

    with behind(made, chain, fault, meets) as met_again:
        ended = naturalist("pull", made.url, str(folder))
    assert_ended_well(ended.code, ended.err, fault)
    again = naturalist("pull", made.url, str(folder))
    assert again.code == 0, again.err
    assert naturalist("verify", str(folder)).code == 0
    assert made.check() == expected
    return met[0] + met_again[0]


def assert_ended_well(code: int, err: str, fault: Fault) -> None:
    """Done, or said why not."""
    assert "Traceback" not in err, err
    if fault.said:
        assert code == 7, err
        assert fault.said in err
    else:
        assert code in (0, 7), err
        words = ("failed", "damaged", "corrupted", "SHA-256")
        assert code == 0 or any(word in err for word in words), err


@pytest.mark.parametrize("name", ["answers that are lost"])
def test_publishing_and_pulling_survive_a_bad_network(
    made: OnS3,
    naturalist: Naturalist,
    aws_chain: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    rng = random.Random(1)
    met = publish_and_pull(
        made, naturalist, aws_chain, FAULTS[name], lambda _: rng.random() < SHARE, tmp_path / "x"
    )
    assert met


@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("name", ["answers that stop half way"])
def test_a_connection_that_stalls_is_left_and_the_request_made_again(
    made: OnS3,
    naturalist: Naturalist,
    aws_chain: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    met = publish_and_pull(
        made, naturalist, aws_chain, FAULTS[name], lambda number: number == 9, tmp_path / "x"
    )
    assert met == 2


@pytest.mark.long
@pytest.mark.usefixtures("short_patience")
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", range(LONG_DRAWS))
def test_publishing_and_pulling_survive_worse_networks(
    made: OnS3,
    naturalist: Naturalist,
    aws_chain: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    seed: int,
) -> None:
    rng = random.Random(seed)
    share = rng.choice([0.02, 0.1, 0.3])
    publish_and_pull(
        made, naturalist, aws_chain, FAULTS[name], lambda _: rng.random() < share, tmp_path / "x"
    )


_FIRST, *_MORE = FOR_GOOD


@pytest.mark.parametrize(
    "name", [_FIRST, *(pytest.param(name, marks=pytest.mark.long) for name in _MORE)]
)
def test_a_store_that_refuses_for_good_half_way_is_named(
    made: OnS3,
    naturalist: Naturalist,
    aws_chain: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    publish_and_pull(
        made, naturalist, aws_chain, FOR_GOOD[name], lambda number: number > 7, tmp_path / "x"
    )


def test_a_bucket_that_keeps_versions_and_deletes_by_markers(
    made: OnS3,
    naturalist: Naturalist,
    s3_server: S3Server,
    bucket: str,
    tmp_path: Path,
) -> None:
    client, here = s3_server.client(), ["-c", str(made.folder)]
    client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    made = made.move_to(f"s3://{bucket}/prefix")
    assert naturalist("publish", *here).code == 0
    expected = made.check()
    gone = next(file for file in made.snapshot.files if file.name.endswith("_1.parquet"))
    client.delete_object(Bucket=bucket, Key=f"prefix/{gone.key}")
    listed = client.list_object_versions(Bucket=bucket, Prefix=f"prefix/{gone.key}")
    assert [one["IsLatest"] for one in listed["DeleteMarkers"]] == [True]
    pulled = naturalist("pull", made.url, str(tmp_path / "here"))
    assert pulled.code == 7, pulled.err
    assert gone.name in pulled.err or gone.key in pulled.err
    assert naturalist("publish", *here, "--repair").code == 0
    assert made.check() == expected
    assert naturalist("pull", made.url, str(tmp_path / "here")).code == 0
    assert snapshots.read(made.store).id == made.snapshot.id
