"""Several publishers, and readers, of one place at the same time."""

import datetime as dt
import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from naturalist import snapshots
from naturalist.errors import Conflict
from naturalist.stages import publish
from naturalist.stages.publish import Item
from naturalist.stores import S3Options, Store, open_store
from published import SEEDS, PublishedCollection
from tiny import make_sources

PUBLISHERS, ROUNDS = 3, 3
WITHIN_S = 120


def items(folder: Path, who: int, n: int) -> list[Item]:
    """What a publisher has to send: a file that all share, and two of its own."""
    found = []
    for name, text in {"shared": "same", "own": f"{who}", f"own-{who}": f"{who} {n}"}.items():
        path = folder / f"{who}-{n}-{name}"
        path.write_text(text)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        found.append(Item(f"tables/{name}.csv", path, digest, len(text)))
    return found


def check_snapshot(store: Store, snapshot: snapshots.Snapshot) -> None:
    for file in snapshot.files:
        data, _ = store.get_bytes(file.key)
        assert hashlib.sha256(data).hexdigest() == file.sha256


def test_of_many_publishers_one_wins_each_number_and_all_end_consistent(
    place: Callable[[], str], s3_options: S3Options, tmp_path: Path
) -> None:
    url = place()
    start = threading.Barrier(PUBLISHERS)

    def publisher(who: int) -> list[str]:
        store = open_store(url, s3_options)
        won = []
        start.wait(WITHIN_S)
        for n in range(ROUNDS):
            mine = items(tmp_path, who, n)
            while True:
                about = {"categories": [], "collection": f"{who} {n}"}
                now = dt.datetime.now(dt.UTC)
                try:
                    done = publish.publish(store, mine, about, now, lambda _: None)
                except Conflict:
                    continue
                won.append(done.snapshot)
                break
        return won

    with ThreadPoolExecutor(PUBLISHERS) as pool:
        won = [number for numbers in pool.map(publisher, range(PUBLISHERS)) for number in numbers]
    assert len(set(won)) == len(won) == PUBLISHERS * ROUNDS
    store = open_store(url, s3_options)
    newest = snapshots.read(store)
    assert newest.id == max(won)
    for number in won:
        check_snapshot(store, snapshots.read(store, number))
    # Each that won knew the one before it; a number whose pointer lost is nobody's parent.
    parents = {number: snapshots.read(store, number).about["parent"] for number in won}
    assert sorted(won) == chain_of(newest.id, parents)


def chain_of(last: str, parents: dict[str, str]) -> list[str]:
    """The snapshot and all before it, oldest first."""
    chain = [last]
    while parents[chain[-1]] is not None:
        chain.append(parents[chain[-1]])
    return chain[::-1]


def test_a_reader_of_latest_never_sees_a_missing_or_a_wrong_file(
    place: Callable[[], str], s3_options: S3Options, tmp_path: Path
) -> None:
    make_sources(tmp_path / "sources", SEEDS)
    collection = PublishedCollection(tmp_path, place(), s3_options)
    collection.publish()
    seen: list[str] = []
    one_more, stop = threading.Condition(), threading.Event()

    def read_on() -> None:
        store = collection.store
        while not stop.is_set():
            snapshot = snapshots.read(store)
            check_snapshot(store, snapshot)
            with one_more:
                seen.append(snapshot.id)
                one_more.notify()

    with ThreadPoolExecutor(1) as pool:
        reader = pool.submit(read_on)
        try:
            for n in range(4):
                collection.add("plant", range(20 * n + 20, 20 * n + 23))
                expected = snapshots.read(collection.store).id
                with one_more:
                    assert one_more.wait_for(
                        lambda wanted=expected: reader.done() or wanted in seen, WITHIN_S
                    )
        finally:
            stop.set()
        reader.result()
    assert (
        sorted(set(seen)) == ["000001", "000002", "000003", "000004", "000005"][-len(set(seen)) :]
    )
    assert seen == sorted(seen)
    assert json.loads(collection.store.get_bytes("latest.json")[0])["snapshot"] == "000005"
