"""The whole job on all photos: thousands of files, groups of equal bytes, names used again."""

import hashlib
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from tests.pipeline.collections_of_pictures import (
    Collection,
    command,
    digests,
    identities,
    take,
    write_collection,
)
from tests.pipeline.conftest import SIZES, Done

pytestmark = pytest.mark.usefixtures("with_workers")

EXTENSION_OF = {"JPEG": ".jpg", "PNG": ".png", "GIF": ".gif"}
ROWS = SIZES["rows_per_table"]


def files_of(sources: dict[str, Path]) -> list[Path]:
    return [p for path in sources.values() for p in path.rglob("*") if p.is_file()]


def test_every_file_has_one_ledger_row_and_outcomes_sum_to_seen_in_every_source(
    all_photos: Done,
) -> None:
    rows = all_photos.collection.ledger()
    seen = {(r["category"], r["source"], r["path_text"]) for r in rows}
    on_disk = {
        (category, source, str(p.relative_to(path)))
        for category, sources in all_photos.sources.items()
        for source, path in sources.items()
        for p in path.rglob("*")
        if p.is_file()
    }
    assert seen == on_disk
    assert len(rows) == len(on_disk) >= 720
    for category, one in all_photos.collection.status().items():
        for name, counts in (one["sources"] | {"all": one}).items():
            outcomes = sum(counts[k] for k in ("accepted", "duplicates", "conflicts"))
            assert outcomes + sum(counts["refused"].values()) == counts["seen"], (category, name)
        assert one["seen"] == len(files_of(all_photos.sources[category]))


def test_equal_bytes_are_one_picture_and_the_others_name_it(all_photos: Done) -> None:
    by_bytes: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in all_photos.collection.ledger():
        by_bytes.setdefault((row["category"], row["sha256"]), []).append(row)
    groups = [rows for rows in by_bytes.values() if len(rows) > 1]
    on_disk = Counter(
        (category, hashlib.sha256(path.read_bytes()).hexdigest())
        for category, sources in all_photos.sources.items()
        for path in files_of(sources)
    )
    assert len(groups) == sum(count > 1 for count in on_disk.values()) >= 48
    for rows in groups:
        accepted, *others = sorted(rows, key=lambda row: row["outcome"])
        assert accepted["outcome"] == "accepted"
        assert {r["outcome"] for r in others} == {"duplicate"}
        assert {r["same_as"] for r in others} == {accepted["pic_id"]}


def test_ids_count_from_one_without_gaps_and_name_files_by_their_true_format(
    all_photos: Done,
) -> None:
    images = all_photos.collection.folder / "images"
    for category, one in all_photos.collection.status().items():
        placed = [p for p in (images / category).rglob("*") if p.is_file()]
        wanted = {f"{category}_id_{n}" for n in range(1, one["accepted"] + 1)}
        assert {p.stem for p in placed} == wanted
        assert len(placed) == len(wanted)
        for path in placed:
            with Image.open(path) as picture:
                assert path.suffix == EXTENSION_OF[str(picture.format)]


def test_every_placed_picture_has_the_bytes_of_the_file_that_the_ledger_names(
    all_photos: Done,
) -> None:
    placed = {Path(n).stem: d for n, d in digests(all_photos.collection.folder / "images").items()}
    for row in all_photos.collection.ledger(outcome="accepted"):
        source = all_photos.sources[row["category"]][row["source"]] / row["path_text"]
        assert placed[row["pic_id"]] == row["sha256"]
        assert hashlib.sha256(source.read_bytes()).hexdigest() == row["sha256"]


def test_tables_keep_their_contract(all_photos: Done) -> None:
    label_of = {"plant": 0, "animal": 1, "human": 2}
    sources = {r["pic_id"]: r["source"] for r in all_photos.collection.ledger()}
    for category, one in all_photos.collection.status().items():
        folder = all_photos.collection.folder / "tables" / category
        count = -(-one["accepted"] // ROWS)
        assert one["tables"] == count
        assert len(list(folder.glob("*.csv"))) == len(list(folder.glob("*.parquet"))) == count
        names: list[str] = []
        for k in range(1, count + 1):
            table = pq.read_table(folder / f"image_df_{k}.parquet", partitioning=None)
            assert table.num_rows == (ROWS if k < count else one["accepted"] - ROWS * (count - 1))
            assert table.schema.field("features").type == pa.list_(pa.float32(), 512)
            assert set(table["category_label"].to_pylist()) == {label_of[category]}
            assert table["source"].to_pylist() == [sources[p] for p in table["picID"].to_pylist()]
            assert_csv_equals(folder / f"image_df_{k}.csv", table)
            names += table["picID"].to_pylist()
        assert names == [f"{category}_id_{n}" for n in range(1, one["accepted"] + 1)]


def assert_csv_equals(path: Path, table: pa.Table) -> None:
    """Read the file as a stranger would: split at semicolons, numbers by their text."""
    head, *lines = path.read_text("ascii").splitlines()
    names = [f"img_feature_{i}" for i in range(1, 513)]
    assert head.split(";") == ["picID", *names, "category_label"]
    cells = [line.split(";") for line in lines]
    assert [row[0] for row in cells] == table["picID"].to_pylist()
    assert [int(row[-1]) for row in cells] == table["category_label"].to_pylist()
    values = np.array([row[1:-1] for row in cells]).astype(np.float32)
    stored = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, 512)
    assert (values.view(np.uint32) == stored.view(np.uint32)).all()


def test_the_published_snapshot_holds_tables_ledger_and_reports_with_their_checksums(
    all_photos: Done,
) -> None:
    published = all_photos.collection.snapshot()
    tables = {f"tables/{name}": d for name, d in all_photos.collection.tables().items()}
    assert tables.items() <= published.items()
    assert {"data_dictionary.md", "reports/verification.json"} <= published.keys()
    assert sum(name.startswith("ledger/") for name in published) >= 5


def test_a_second_run_does_nothing_and_says_so(all_photos: Done) -> None:
    folder = all_photos.collection.folder
    before, published = identities(folder), identities(all_photos.collection.published)
    report = all_photos.collection.run(alone=True).json
    assert report["changed"] is False
    stages = report["stages"]
    assert stages["ingest"]["batches"] == []
    assert stages["extract"]["shards"] == stages["tables"]["written"] == 0
    assert stages["verify-features"]["checked"] == stages["verify-tables"]["checked"] == 0
    assert stages["publish"]["changed"] is False
    assert stages["publish"]["sent_files"] == 0
    after = identities(folder)
    for one in (before, after):
        one.pop("lock")
    assert after == before
    assert identities(all_photos.collection.published) == published
    said = all_photos.collection.call("run").out
    assert "nothing new" in said


def test_added_files_cost_only_themselves(
    all_photos: Done, copy_of: Callable[[Done], Done], photos: Path
) -> None:
    done = copy_of(all_photos)
    folder = done.collection.folder
    before = identities(folder)
    old_tables = done.collection.tables()
    last = f"plant/image_df_{done.collection.status()['plant']['tables']}"
    added = sorted((photos / "human").rglob("*.jpg"))[:7]
    for k, path in enumerate(added):
        target = next(iter(done.sources["plant"].values())) / f"added/{k}.jpg"
        target.parent.mkdir(exist_ok=True)
        # The same picture as another file: a byte after the end of a JPEG is no part of it.
        target.write_bytes(path.read_bytes() + b"%d" % k)
    report = done.collection.run().json
    assert report["stages"]["ingest"]["added"]["plant"]["accepted"] == 7
    assert report["stages"]["extract"] | {"duration_s": 0} == {
        "shards": 1,
        "pictures": 7,
        "refused": 0,
        "duration_s": 0,
    }
    assert report["stages"]["tables"]["written"] == 1
    assert report["stages"]["verify-features"]["checked"] == 1
    after = identities(folder)
    rewritten = {name for name in before if after.get(name) != before[name]}
    of_all_features = {name for name in rewritten if name.endswith("/collection.json")}
    assert len(of_all_features) == 1
    rewritten -= of_all_features
    assert {name for name in rewritten if not name.startswith("reports/")} == {
        "lock",
        *(f"tables/{last}.{end}" for end in ("csv", "parquet", "json", "check.json")),
        # Which say how many pictures there are.
        *(f"outbox/{name}" for name in ("README.md", "croissant.json")),
    }
    new_tables = done.collection.tables()
    changed = {name for name in old_tables if new_tables[name] != old_tables[name]}
    assert changed == {f"{last}.csv", f"{last}.parquet"}


def test_the_default_backbone_goes_through_the_whole_job(photos: Path, tmp_path: Path) -> None:
    sources = {
        "plant": {"garden": take(photos, "plant", 120, tmp_path / "plants")},
        "animal": {"zoo": take(photos, "animal", 120, tmp_path / "animals")},
    }
    sizes = {
        "files_per_batch": 200,
        "files_per_task": 50,
        "shard_size": 60,
        "rows_per_table": 100,
        "workers": 2,
    }
    collection = write_collection(
        tmp_path / "collection", sources, backbone="efficientnet_lite0", sizes=sizes
    )
    report = collection.run().json
    assert report["stages"]["extract"]["pictures"] == 240
    assert collection.run().json["changed"] is False
    checked = collection.call("verify", "--json")
    assert checked.code == 0, checked.err
    assert checked.json["errors"] == []
    rows = [
        row
        for path in sorted((collection.folder / "tables").rglob("*.parquet"))
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]
    assert Counter(row["category_label"] for row in rows) == {0: 120, 1: 120}
    assert_neighbours_share_their_category(
        np.array([row["features"] for row in rows]), np.array([r["category_label"] for r in rows])
    )


def assert_neighbours_share_their_category(vectors: np.ndarray, labels: np.ndarray) -> None:
    """Of two hundred photos the nearest other one is mostly of the same category."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    similar = unit @ unit.T
    np.fill_diagonal(similar, -1)
    assert (labels[similar.argmax(axis=1)] == labels).mean() > 0.9


@pytest.mark.parametrize("mode", ["copy", "reference"])
def test_other_modes_give_the_same_tables(small: Done, tmp_path: Path, mode: str) -> None:
    other = write_collection(tmp_path / "collection", small.sources, mode=mode)
    other.run()
    assert other.tables() == small.collection.tables()
    assert other.outcomes() == small.collection.outcomes()
    placed = {p.stem for p in other.pictures() if p.stem != ".naturalist-root"}
    assert len(placed) == (0 if mode == "reference" else 100)


def test_moving_takes_every_accepted_picture_out_of_its_source(
    small: Done, copy_of: Callable[[Done], Done]
) -> None:
    done = copy_of(small)
    shutil.rmtree(done.collection.folder)
    shutil.rmtree(done.collection.published)
    moved = write_collection(done.collection.folder, done.sources, mode="move")
    moved.run()
    assert moved.tables() == small.collection.tables()
    assert files_of(done.sources["plant"]) == files_of(done.sources["animal"]) == []
    assert moved.run().json["changed"] is False


def test_status_and_ledger_print_the_same_as_json(small: Done) -> None:
    status = small.collection.call("status", "--json", alone=True).json
    assert status["categories"] == small.collection.status()
    assert status["running"] is False
    rows = small.collection.call("ledger", "--json").json["rows"]
    assert rows == [row | {"path": row["path_text"]} for row in small.collection.ledger()]
    said = small.collection.call("ledger", "--category=plant", "--limit=3").out
    assert "3 of 50 rows" in said


def test_init_writes_a_configuration_that_runs(small: Done, tmp_path: Path) -> None:
    folder = Collection(tmp_path / "collection")
    plants, animals = small.sources["plant"], small.sources["animal"]
    arguments = [
        "init",
        str(folder.folder),
        "--json",
        "--backbone=colour_histogram",
        f"--category=plant=0:{','.join(str(p) for p in plants.values())}",
        f"--category=animal=1:{animals['zoo']}",
        f"--publish={folder.published}",
    ]
    ran = command(arguments)
    assert ran.code == 0, ran.err
    assert ran.json["config"] == str(folder.folder / "naturalist.toml")
    folder.run()
    status = folder.status()
    assert (status["plant"]["accepted"], status["animal"]["accepted"]) == (50, 50)
    assert folder.snapshot().keys() >= {"tables/plant/image_df_1.csv"}
