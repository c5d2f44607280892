"""Pulling: whole, again, after changes, after kills, in part, and from somebody who means ill."""

import hashlib
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from naturalist import artifacts, consume, snapshots
from naturalist.consume.folder import MANIFEST, staging
from naturalist.errors import ConfigError, NotFound, StoreError, WorkspaceLocked
from naturalist.stages.cards import CROISSANT
from naturalist.stores import open_store
from published import PublishedCollection

HIDDEN = ".naturalist"


def tree(folder: Path) -> dict[str, bytes]:
    """Every visible file below a folder."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and HIDDEN not in path.parts
    }


def published_files(
    collection: PublishedCollection, chosen: Callable[[str], bool] = lambda name: True
) -> dict[str, bytes]:
    """What the newest snapshot names."""
    files = snapshots.read(collection.store).files
    return {f.name: collection.store.get_bytes(f.key)[0] for f in files if chosen(f.name)}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """By which a file that was left alone is recognised."""
    paths = [p for p in folder.rglob("*") if p.is_file() and HIDDEN not in p.parts]
    return {str(p.relative_to(folder)): (p.stat().st_ino, p.stat().st_mtime_ns) for p in paths}


def test_a_pulled_folder_holds_the_published_bytes_under_plain_names(
    collection: PublishedCollection, here: Path
) -> None:
    pulled = collection.pull(here, formats=("parquet", "csv"))
    held = tree(here)
    for made_here in (MANIFEST, CROISSANT):
        del held[made_here]
    wanted = published_files(collection, lambda name: not name.startswith("previews/"))
    del wanted[CROISSANT]
    assert held == wanted
    assert "tables/plant/image_df_1.parquet" in held
    assert (pulled.files, pulled.fetched_files) == (len(held), len(held))
    assert pulled.fetched_bytes == sum(map(len, held.values()))


def test_pulling_again_fetches_nothing_and_touches_nothing(
    collection: PublishedCollection, here: Path
) -> None:
    collection.pull(here)
    before = stamps(here)
    again = collection.pull(here)
    assert (again.fetched_files, again.removed_files, again.changed) == (0, 0, False)
    assert stamps(here) == before


def test_what_a_killed_pull_was_writing_is_removed_by_the_next_one(
    collection: PublishedCollection, here: Path
) -> None:
    collection.pull(here)
    before = tree(here)
    for name in (MANIFEST, CROISSANT):
        with artifacts.atomic(here / name) as temporary:
            temporary.write_bytes(before[name])
        temporary.write_bytes(b"half of it")
    own = here / ".notes.tmp"
    own.write_text("not of naturalist")
    collection.pull(here)
    assert tree(here) == before | {own.name: b"not of naturalist"}


def test_a_newer_snapshot_replaces_only_what_changed(
    collection: PublishedCollection, here: Path
) -> None:
    collection.pull(here)
    before = stamps(here)
    collection.add("plant", range(20, 25))
    pulled = collection.pull(here)
    after = stamps(here)
    same = {name for name in before if after.get(name) == before[name]}
    assert pulled.snapshot == "000002"
    assert {"tables/plant/image_df_1.parquet", "tables/animal/image_df_1.parquet"} <= same
    assert after["tables/plant/image_df_2.parquet"] != before["tables/plant/image_df_2.parquet"]
    made_here = {MANIFEST, CROISSANT}
    assert pulled.fetched_files == len(after.keys() - same - made_here)
    assert here.joinpath("tables/plant/image_df_3.parquet").exists()


def test_files_that_the_snapshot_no_longer_names_are_removed_and_others_are_left(
    collection: PublishedCollection, here: Path
) -> None:
    collection.add("plant", range(20, 25))
    collection.pull(here)
    (here / "tables/plant/mine.txt").write_text("keep")
    pulled = collection.pull(here, "000001")
    assert pulled.removed_files > 0
    assert not here.joinpath("tables/plant/image_df_3.parquet").exists()
    assert here.joinpath("tables/plant/mine.txt").exists()
    assert not any(path.is_dir() and not any(path.iterdir()) for path in here.rglob("*"))


@pytest.mark.parametrize("damage", [b"", b"x" * 10, None], ids=["emptied", "changed", "gone"])
def test_a_file_that_was_changed_here_is_mended(
    local: PublishedCollection, here: Path, damage: bytes | None
) -> None:
    local.pull(here)
    table = here / "tables/plant/image_df_1.parquet"
    good = table.read_bytes()
    table.unlink()
    if damage is not None:
        table.write_bytes(damage + good[len(damage) :] if damage else b"")
    pulled = local.pull(here)
    assert pulled.fetched_files == 1
    assert table.read_bytes() == good


def test_files_that_are_here_already_are_not_fetched_when_the_manifest_is_lost(
    local: PublishedCollection, here: Path
) -> None:
    local.pull(here)
    (here / MANIFEST).unlink()
    assert local.pull(here).fetched_files == 0
    assert consume.check_pulled(here).passed


def test_one_category_and_one_format_can_be_chosen(
    collection: PublishedCollection, here: Path
) -> None:
    collection.pull(here, categories=("plant",), formats=("csv",), parts=("tables",))
    names = set(tree(here)) - {MANIFEST}
    tables = {name for name in names if "/" in name}
    assert tables == {"tables/plant/image_df_1.csv", "tables/plant/image_df_2.csv"}
    assert "data_dictionary.md" in names


def test_choosing_less_later_removes_the_rest(local: PublishedCollection, here: Path) -> None:
    local.pull(here, formats=("parquet", "csv"))
    local.pull(here, categories=("animal",))
    names = tree(here)
    assert not any("plant" in name or name.endswith(".csv") for name in names)


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"categories": ("tree",)}, "choose one of animal, plant"),
        ({"formats": ("arrow",)}, "choose one of csv, parquet"),
        ({"formats": ()}, "no format"),
        ({"parts": ("maps",)}, "choose one of ledger"),
    ],
)
def test_what_there_is_not_cannot_be_chosen(
    local: PublishedCollection, here: Path, chosen: dict[str, tuple[str, ...]], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        local.pull(here, **chosen)


def test_a_pull_that_was_stopped_goes_on_and_fetches_no_file_twice(
    collection: PublishedCollection, here: Path
) -> None:
    fetched: list[int] = []

    def stop_after_three(size_bytes: int) -> None:
        fetched.append(size_bytes)
        if len(fetched) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume.pull(collection.store, here, consume.Selection(), jobs=1, on_bytes=stop_after_three)
    staged = {p.name: p.stat().st_ino for p in staging(here).iterdir()}
    assert len(staged) >= 3
    assert tree(here) == {}
    collection.pull(here)
    assert set(staged.values()) <= {p.stat().st_ino for p in here.rglob("*")}
    assert consume.check_pulled(here).passed


def test_a_damaged_object_is_refused_and_the_folder_stays_as_it_was(
    local: PublishedCollection, here: Path
) -> None:
    local.pull(here)
    before = tree(here)
    local.add("plant", range(20, 25))
    new = next(f for f in snapshots.read(local.store).files if "plant/image_df_3.p" in f.name)
    path = Path(local.url) / new.key
    path.write_bytes(b"x" * new.size_bytes)
    with pytest.raises(StoreError, match="corrupted"):
        local.pull(here)
    assert tree(here) == before
    assert consume.check_pulled(here).passed


def test_two_pulls_into_one_folder_do_not_mix(local: PublishedCollection, here: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def wait(_: int) -> None:
        begun.set()
        assert go_on.wait(60)

    first = threading.Thread(
        target=lambda: consume.pull(local.store, here, consume.Selection(), on_begin=wait)
    )
    first.start()
    assert begun.wait(60)
    with pytest.raises(WorkspaceLocked, match="is running"):
        local.pull(here)
    go_on.set()
    first.join()
    assert consume.check_pulled(here).passed


@pytest.mark.parametrize("place", ["work", "published"])
def test_nothing_is_pulled_into_a_workspace_or_a_store(
    local: PublishedCollection, place: str
) -> None:
    with pytest.raises(ConfigError, match="pull into another folder"):
        local.pull(local.folder / place)


def test_another_collection_is_not_pulled_over_the_first(
    local: PublishedCollection, here: Path
) -> None:
    local.pull(here)
    manifest = here / MANIFEST
    manifest.write_text(manifest.read_text().replace('"tiny"', '"huge"'))
    with pytest.raises(ConfigError, match="'huge', not 'tiny'"):
        local.pull(here)


def test_an_address_without_a_collection_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no collection is published"):
        consume.pull(open_store(str(tmp_path / "nothing")), tmp_path / "x", consume.Selection())


def test_a_snapshot_that_is_not_there_says_so(local: PublishedCollection, tmp_path: Path) -> None:
    message = f"has no snapshot 000009: see `naturalist snapshots list --url {local.store.url}`"
    with pytest.raises(NotFound, match=re.escape(message)):
        local.pull(tmp_path / "x", "000009")


@pytest.mark.parametrize("snapshot", ["../latest", "1"])
def test_what_is_no_id_of_a_snapshot_is_a_wrong_argument(
    local: PublishedCollection, tmp_path: Path, snapshot: str
) -> None:
    with pytest.raises(ConfigError, match="ids look like 000012"):
        local.pull(tmp_path / "x", snapshot)


def rewrite_snapshot(
    local: PublishedCollection, change: Callable[[dict[str, object]], None]
) -> None:
    """Publish a snapshot as somebody else might have written it."""
    folder = Path(local.url)
    pointer = json.loads((folder / "latest.json").read_text())
    body = json.loads((folder / pointer["key"]).read_text())
    change(body)
    data = json.dumps(body).encode()
    (folder / pointer["key"]).write_bytes(data)
    pointer["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / "latest.json").write_text(json.dumps(pointer))


@pytest.mark.parametrize(
    "name",
    ["../outside", "/etc/passwd", "a/../../b", ".naturalist/lock", "a\\b", "", MANIFEST, CROISSANT],
)
def test_a_snapshot_cannot_write_outside_the_folder(
    local: PublishedCollection, here: Path, tmp_path: Path, name: str
) -> None:
    def rename(body: dict[str, object]) -> None:
        body["files"][0]["name"] = name  # type: ignore[index]

    rewrite_snapshot(local, rename)
    before = tree(tmp_path)
    with pytest.raises(StoreError):
        local.pull(here)
    assert tree(tmp_path) == before
