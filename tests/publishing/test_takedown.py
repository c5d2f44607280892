"""One picture is taken down: out of the next snapshot, and out of the store when it is pruned."""

import csv
import io
import json
from collections.abc import Iterator

import pyarrow.parquet as pq

import tiny
from cli.conftest import Naturalist
from naturalist import snapshots
from naturalist.snapshots import Snapshot
from publishing.conftest import OnS3

GONE = "plant_id_3"
WHO = "somebody-of-the-staff"


def parts_with(made: OnS3, snapshot: Snapshot, pic_id: str) -> set[str]:
    """Which parts of a snapshot show a picture."""
    return {part for part, name in shown(made, snapshot) if name == pic_id}


def shown(made: OnS3, snapshot: Snapshot) -> Iterator[tuple[str, str]]:
    """Part and picture, for each picture in each file of a snapshot."""
    for file in snapshots.with_pictures(made.store, snapshot.files):
        data = made.store.get_bytes(file.key)[0]
        if file.part in ("previews", "picture_index") or file.name.endswith("parquet"):
            if file.part != "ledger":
                rows = pq.read_table(io.BytesIO(data)).column(0).to_pylist()
                yield from ((file.part, name) for name in rows)
        elif file.suffix == ".csv":
            rows = csv.reader(io.StringIO(data.decode()), delimiter=";")
            yield from ((file.part, row[0]) for row in rows)
        elif file.part == "pictures":
            yield file.part, file.name.rpartition("/")[2].partition(".")[0]


def test_a_picture_taken_down_is_in_no_new_snapshot_and_after_pruning_in_none(
    made: OnS3, naturalist: Naturalist
) -> None:
    made.collection.set('pictures = "tars"', 'pictures = "objects"')
    here = ["-c", str(made.folder)]
    assert naturalist("run", *here).code == 0
    old = made.snapshot
    everywhere = {"tables", "previews", "picture_index", "pictures"}
    assert parts_with(made, old, GONE) == everywhere

    decided = ("--why", "asked by the owner", "--by", WHO)
    assert naturalist("takedown", *here, GONE, *decided).code == 0
    assert naturalist("run", *here).code == 0
    assert parts_with(made, made.snapshot, GONE) == set()
    assert parts_with(made, made.snapshot, "plant_id_4") == everywhere
    assert parts_with(made, snapshots.read(made.store, old.id), GONE) == everywhere

    options = ("--keep", "1", "--grace-days", "0", "--yes", "--json")
    pruned = naturalist("snapshots", "prune", *here, *options)
    assert pruned.code == 0, pruned.err
    assert snapshots.ids(made.store) == [made.snapshot.id]
    assert made.check()
    picture = tiny.picture(2)  # the third plant
    for info in made.store.list():
        data = made.store.get_bytes(info.key)[0]
        assert picture not in data, info.key
        assert WHO.encode() not in data, info.key
        assert "ledger" in info.key or GONE.encode() + b";" not in data, info.key


def test_a_taken_down_picture_stays_in_the_ledger_with_the_reason(
    made: OnS3, naturalist: Naturalist
) -> None:
    here = ["-c", str(made.folder)]
    assert naturalist("takedown", *here, GONE, "--why", "asked by the owner").code == 0
    (row,) = json.loads(naturalist("ledger", *here, "--pic-id", GONE, "--json").out)["rows"]
    assert (row["outcome"], row["reason"], row["detail"]) == (
        "refused",
        "taken_down",
        "asked by the owner",
    )
