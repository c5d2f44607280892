"""What somebody or something spoils on the disk is found, named, and repaired by the next run."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.pipeline.collections_of_pictures import Collection, identities
from tests.pipeline.conftest import Done

from naturalist.curation import categories as curation

Copy = Callable[[Done], Done]


def features_part(collection: Collection) -> Path:
    return min((collection.folder / "features").rglob("*.parquet"))


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def change_one_number(path: Path) -> None:
    """A file that reads well, with one value of one vector changed."""
    table = pq.read_table(path, partitioning=None)
    values = table["features"].combine_chunks().flatten().to_numpy().copy()
    values[0] += np.float32(0.25)
    at = table.schema.get_field_index("features")
    changed = pa.FixedSizeListArray.from_arrays(pa.array(values), 512)
    pq.write_table(table.set_column(at, table.schema.field(at), changed), path)


@pytest.mark.parametrize(
    ("what", "spoil"),
    [
        ("features", cut_short),
        ("features", change_one_number),
        ("table", change_one_number),
        ("csv", flip_a_byte),
    ],
)
def test_verify_names_a_spoilt_file_and_removing_it_repairs_all(
    small: Done, copy_of: Copy, what: str, spoil: Callable[[Path], None]
) -> None:
    collection = copy_of(small).collection
    path = {
        "features": features_part(collection),
        "table": collection.folder / "tables/plant/image_df_1.parquet",
        "csv": collection.folder / "tables/plant/image_df_1.csv",
    }[what]
    spoil(path)
    ran = collection.call("verify", "--json")
    assert ran.code == 4, ran.err
    assert str(path.relative_to(collection.folder)) in ran.err
    report = json.loads((collection.folder / "reports/verification.json").read_bytes())
    assert report["passed"] is False
    assert str(path.relative_to(collection.folder)) in {v["file"] for v in report["hard"]}
    # What was found holds until it is repaired: nothing is published meanwhile.
    assert collection.run(code=4).json["error"]["type"] == "VerificationFailed"
    assert collection.call("publish").code == 4
    path.unlink()
    before = identities(collection.folder)
    collection.run()
    assert collection.tables() == small.collection.tables()
    assert collection.call("verify").code == 0
    assert collection.run().json["changed"] is False
    kept = {
        name: one
        for name, one in before.items()
        if name.startswith(("features", "previews")) and Path(name).stem != path.stem
    }
    assert kept.items() <= identities(collection.folder).items()


def test_a_spoilt_picture_is_found_by_extracting_it_again(small: Done, copy_of: Copy) -> None:
    collection = copy_of(small).collection
    text = (collection.folder / "naturalist.toml").read_text()
    (collection.folder / "naturalist.toml").write_text(f"{text}\n[verify]\nsample_share = 1.0\n")
    assert collection.call("verify").code == 0
    picture = collection.pictures()[0]
    flip_a_byte(picture)
    ran = collection.call("verify", "--json")
    assert ran.code == 4, ran.err
    assert picture.stem in ran.err
    assert "changed_after_ingest" in ran.err


@pytest.mark.parametrize(
    "patterns",
    [
        ("previews/plant/*.parquet", "checks/*/plant/*.parquet", "tables/plant/*_1.csv", "outbox"),
        ("tables/plant/image_df_1.json", "previews/animal/*.json", "tables/plant/*_2.check.json"),
        ("features/*/plant/*.json", "reports/verification.*", "checks/*/animal/*.json"),
    ],
)
def test_files_that_somebody_removed_are_made_again_as_they_were(
    small: Done, copy_of: Copy, patterns: tuple[str, ...]
) -> None:
    collection = copy_of(small).collection
    removed = [min(collection.folder.glob(pattern)) for pattern in patterns]
    kept = {p: p.read_bytes() for p in removed if p.suffix in (".parquet", ".csv", ".md")}
    for path in removed:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    collection.run()
    assert [p for p in removed if not p.exists()] == []
    assert {p: p.read_bytes() for p in kept} == kept
    assert collection.tables() == small.collection.tables()
    assert collection.snapshot() == small.collection.snapshot()
    assert collection.call("verify").code == 0


@pytest.mark.parametrize("name", ["tables/plant/image_df_1.json", "reports/verification.json"])
def test_a_receipt_that_is_no_json_ends_with_a_sentence_that_names_it(
    small: Done, copy_of: Copy, name: str
) -> None:
    collection = copy_of(small).collection
    (collection.folder / name).write_bytes(b'{"fingerprint": "')
    ran = collection.call("run")
    assert ran.code in (0, 4, 5), ran.err
    assert "Traceback" not in ran.err
    assert ran.code == 0 or name in ran.err


@pytest.mark.parametrize("change", ["label", "rows_per_table"])
def test_full_tables_change_only_when_a_person_says_so(
    small: Done, copy_of: Copy, change: str
) -> None:
    collection = copy_of(small).collection
    before = collection.tables()
    if change == "label":
        collection.set('name = "plant"\nlabel = 0', 'name = "plant"\nlabel = 7')
        code, command = 2, ["category", "relabel", "plant", "7"]
    else:
        collection.set("rows_per_table = 25", "rows_per_table = 20")
        code, command = 5, ["tables", "--rebuild"]
    ran = collection.run(code=code)
    assert all(word in ran.err for word in command)
    assert collection.tables() == before
    if change == "label":
        curation.relabel(collection.folder, {"plant": 7})
    else:
        assert collection.call(*command).code == 0
    collection.run()
    status = collection.status()
    assert [one["table_rows"] for one in status.values()] == [50, 50]
    assert collection.call("verify").code == 0
    assert collection.run().json["changed"] is False


@pytest.mark.parametrize("spoil", [flip_a_byte, cut_short, Path.unlink])
@pytest.mark.parametrize("pattern", ["*.parquet", "*.json"])
def test_a_spoilt_ledger_is_named_and_nothing_is_made_from_it(
    small: Done, copy_of: Copy, pattern: str, spoil: Callable[[Path], None]
) -> None:
    """A run that went on would take all pictures in again, under other numbers."""
    collection = copy_of(small).collection
    path = min((collection.folder / "ledger/plant").glob(pattern))
    spoil(path)
    ran = collection.call("verify")
    assert ran.code in (4, 5), ran.err
    assert str(path.relative_to(collection.folder)) in ran.err
    before = identities(collection.folder)
    ran = collection.call("run")
    assert "Traceback" not in ran.err
    if spoil is not flip_a_byte:
        assert ran.code == 5, ran.err
        assert path.name in ran.err
        after = identities(collection.folder)
        assert {n for n in before if before[n] != after.get(n)} <= {"lock"}
        assert "Traceback" not in collection.call("ledger").err
        assert "Traceback" not in collection.call("status").err


def test_spoilt_previews_are_found_and_made_again(small: Done, copy_of: Copy) -> None:
    collection = copy_of(small).collection
    path = min((collection.folder / "previews/plant").glob("*.parquet"))
    kept = path.read_bytes()
    flip_a_byte(path)
    ran = collection.call("verify")
    assert ran.code == 4
    assert str(path.relative_to(collection.folder)) in ran.err
    path.unlink()
    collection.run()
    assert path.read_bytes() == kept
    assert collection.call("verify").code == 0
