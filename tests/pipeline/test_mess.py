"""The job on hostile and broken files: the 74 entries of mess.tar, and what no tar can carry."""

import io
import os
import shutil
import socket
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.pipeline.collections_of_pictures import (
    Collection,
    Ran,
    digests,
    take,
    tree,
    write_collection,
)
from tests.pipeline.mess_outcomes import ACCEPTED, FAILURES, OUTCOMES

pytestmark = pytest.mark.usefixtures("with_workers")

PEAK_MB = 500
"""Most that any process of a run may hold; pictures of 280 million pixels and 3 GB are among it."""


@dataclass(frozen=True)
class Mess:
    collection: Collection
    source: Path
    ran: Ran
    before: dict[bytes, tuple[Any, ...]]
    """The source tree as it was before the run."""


@pytest.fixture(scope="session")
def alone(mess: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Mess:
    """A run on a category that has nothing but the mess."""
    folder = tmp_path_factory.mktemp("mess-alone")
    for name in ("generated", "real"):
        shutil.copytree(mess / name, folder / "sources/mess" / name, symlinks=True)
    take(photos, "animal", 12, folder / "sources/zoo")
    sources = {
        "plant": {"mess": folder / "sources/mess"},
        "animal": {"zoo": folder / "sources/zoo"},
    }
    collection = write_collection(folder / "collection", sources)
    before = tree(folder / "sources")
    return Mess(collection, folder / "sources", collection.run(code=3, alone=True), before)


def expected(prefix: str = "") -> dict[str, str]:
    return {
        prefix + path: f"duplicate {prefix}{value[10:]}" if value.startswith("dup") else value
        for path, value in OUTCOMES.items()
    }


def endings(collection: Collection, **wanted: str) -> dict[str, str]:
    """For each path how it ended, in the words of `OUTCOMES`."""
    rows = collection.ledger(**wanted)
    paths = {row["pic_id"]: row["path_text"] for row in rows if row["outcome"] == "accepted"}
    words = {
        "accepted": lambda row: ACCEPTED,
        "refused": lambda row: row["reason"],
        "duplicate": lambda row: f"duplicate {paths.get(row['same_as'], row['same_as'])}",
        "unpacked": lambda row: "unpacked",
        "conflict": lambda row: f"conflict {row['same_as']}",
    }
    return {row["path_text"]: words[row["outcome"]](row) for row in rows}


def test_each_entry_ends_as_the_manifest_says(alone: Mess) -> None:
    assert endings(alone.collection, category="plant") == expected()


def test_the_run_fails_on_its_budget_after_finishing_everything_else(alone: Mess) -> None:
    error = alone.ran.json["error"]
    assert error["type"] == "FailureBudgetExceeded"
    assert f"{FAILURES} of " in error["message"]
    status = alone.collection.status()
    accepted = sum(value == ACCEPTED for value in OUTCOMES.values())
    assert status["plant"]["table_rows"] == status["plant"]["accepted"] == accepted
    assert status["animal"]["table_rows"] == 12
    assert not alone.collection.published.exists()
    assert alone.collection.call("verify").code == 0


def test_memory_stays_bounded_on_bombs(alone: Mess) -> None:
    assert alone.ran.peak_mb < PEAK_MB


def test_sources_stay_as_they_were_and_nothing_else_is_written(alone: Mess) -> None:
    assert tree(alone.source) == alone.before
    assert {p.name for p in alone.source.parent.iterdir()} == {"sources", "collection"}
    assert alone.collection.leftovers() == []


def test_decoders_do_not_write_on_the_terminal(alone: Mess) -> None:
    lines = alone.ran.err.splitlines()
    assert [line for line in lines if not line.startswith(STAGE_LINES)] == []


STAGE_LINES = (
    "ingest: ",
    "place: ",
    "extract: ",
    "verify-features: ",
    "tables: ",
    "verify-tables: ",
    "publish: ",
    "naturalist: ",
)


def test_hostile_names_come_back_exactly_from_json_and_harmless_from_text(alone: Mess) -> None:
    rows = alone.collection.call("ledger", "--json").json["rows"]
    assert {r["path_text"] for r in rows if r["category"] == "plant"} == set(OUTCOMES)
    said = alone.collection.call("ledger", "--limit=0").out
    assert [c for c in said if not c.isprintable() and c != "\n"] == []
    # Tables wrap long names between words.
    assert "<img src=x" in said
    assert "onerror=alert(1)>.jpg" in said
    refused = alone.collection.call("ledger", "--refused", "--json").json["rows"]
    assert {r["outcome"] for r in refused} == {"refused"}
    assert len(refused) == len([1 for v in OUTCOMES.values() if v != ACCEPTED]) - 2


def test_a_second_run_changes_no_outcome(alone: Mess) -> None:
    before = alone.collection.outcomes()
    ran = alone.collection.run(code=3)
    assert "FailureBudgetExceeded" in ran.out
    assert alone.collection.outcomes() == before


def test_mixed_into_good_photos_and_within_the_budget_it_is_published(
    mess: Path, photos: Path, tmp_path: Path
) -> None:
    plants = take(photos, "plant", 30, tmp_path / "plants")
    for name in ("generated", "real"):
        shutil.copytree(mess / name, plants / "sub/folder" / name, symlinks=True)
    sources = {
        "plant": {"garden": plants},
        "animal": {"zoo": take(photos, "animal", 5, tmp_path / "zoo")},
    }
    collection = write_collection(tmp_path / "collection", sources, failure_budget=0.2)
    report = collection.run().json
    assert report["stages"]["publish"]["changed"] is True
    found = endings(collection, category="plant")
    assert expected("sub/folder/").items() <= found.items()
    assert list(found.values()).count(ACCEPTED) == 30 + list(OUTCOMES.values()).count(ACCEPTED)
    assert collection.run().json["changed"] is False
    assert collection.snapshot()["tables/plant/image_df_1.csv"] in collection.tables().values()


def add(names: list[str], mess: Path, write: Callable[[str, Path], None]) -> None:
    for name in names:
        if not (mess / name).is_symlink():
            write(name, mess / name)


def as_zip(names: list[str], mess: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as archive:
        add(names, mess, lambda name, path: archive.writestr(name, path.read_bytes()))
    return made.getvalue()


def as_tar_gz(names: list[str], mess: Path) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        add(names, mess, lambda name, path: archive.add(path, name))
    return made.getvalue()


def as_tar_in_zip(names: list[str], mess: Path) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/inner.tar.gz", as_tar_gz(names, mess))
    return made.getvalue()


@pytest.mark.parametrize(
    ("pack", "name", "inside"),
    [
        (as_zip, "mess.zip", "mess.zip!/"),
        (as_tar_gz, "mess.tar.gz", "mess.tar.gz!/"),
        (as_tar_in_zip, "nested.bin", "nested.bin!/deep/inner.tar.gz!/"),
    ],
)
def test_members_of_archives_end_as_the_files_do(
    mess: Path,
    photos: Path,
    tmp_path: Path,
    pack: Callable[[list[str], Path], bytes],
    name: str,
    inside: str,
) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    (archives / name).write_bytes(pack(sorted(OUTCOMES), mess))
    sources = {
        "plant": {"archives": archives},
        "animal": {"zoo": take(photos, "animal", 3, tmp_path / "zoo")},
    }
    collection = write_collection(tmp_path / "collection", sources, failure_budget=0.9)
    ran = collection.run(alone=True)
    found = endings(collection, category="plant")
    wanted = expected(inside)
    del wanted[f"{inside}generated/broken-link.jpg"]
    opened = {name: "unpacked"}
    if name == "nested.bin":
        opened["nested.bin!/deep/inner.tar.gz"] = "unpacked"
    assert found == wanted | opened
    assert ran.peak_mb < PEAK_MB
    status = collection.status()["plant"]
    assert status["seen"] == len(OUTCOMES) - 1
    placed = {p.stem.rpartition("_")[2]: p for p in collection.pictures() if "plant" in p.name}
    assert len(placed) == status["accepted"] + sum(
        v in ("truncated", "damaged") for v in OUTCOMES.values()
    )
    assert collection.leftovers() == []
    assert collection.run().json["changed"] is False


def test_special_files_are_never_opened_and_locked_ones_are_named(
    mess: Path, photos: Path, tmp_path: Path, unprivileged: list[str]
) -> None:
    """What make_special.sh makes, and a socket and a loop of links besides."""
    source = take(photos, "plant", 4, tmp_path / "special")
    photo = mess / "generated/progressive.jpg"
    os.mkfifo(source / "pipe.jpg")
    shutil.copyfile(photo, source / "locked.jpg")
    (source / "locked_dir").mkdir()
    shutil.copyfile(photo, source / "locked_dir/inside.jpg")
    with (source / "sparse_3GB.jpg").open("wb") as sparse:
        sparse.truncate(3 * 2**30)
    with (source / "sparse_3GB_with_a_head.jpg").open("wb") as sparse:
        sparse.write(photo.read_bytes())
        sparse.truncate(3 * 2**30)
    with socket.socket(socket.AF_UNIX) as listener:
        # The address of a socket may have 107 bytes: less than some folders of tests.
        here = Path.cwd()
        os.chdir(source)
        listener.bind("socket.jpg")
        os.chdir(here)
    (source / "locked.jpg").chmod(0)
    (source / "locked_dir").chmod(0)
    sources = {
        "plant": {"special": source},
        "animal": {"zoo": take(photos, "animal", 3, tmp_path / "zoo")},
    }
    collection = write_collection(tmp_path / "collection", sources, failure_budget=0.9)
    before = tree(source)
    try:
        ran = collection.run(wrapper=unprivileged)
        found = endings(collection, category="plant")
        assert {name: found[name] for name in found if found[name] != ACCEPTED} == {
            "pipe.jpg": "special_file",
            "socket.jpg": "special_file",
            "locked.jpg": "permission_denied",
            "locked_dir": "permission_denied",
            "sparse_3GB.jpg": "misnamed",
            "sparse_3GB_with_a_head.jpg": "too_large",
        }
        assert ran.peak_mb < PEAK_MB
        assert tree(source) == before
    finally:
        (source / "locked_dir").chmod(0o755)


def test_links_are_followed_only_to_files_inside_the_source(photos: Path, tmp_path: Path) -> None:
    source = take(photos, "plant", 3, tmp_path / "links")
    outside = take(photos, "plant", 1, tmp_path / "outside", skip=3)
    picture = next(p for p in outside.rglob("*.*") if p.is_file())
    inside = min(p for p in source.rglob("*.*") if p.is_file())
    (source / "to-inside.jpg").symlink_to(inside)
    (source / "to-outside.jpg").symlink_to(picture)
    (source / "to-outside-by-dots.jpg").symlink_to(Path("..") / picture.relative_to(tmp_path))
    (source / "to-folder").symlink_to(outside)
    (source / "to-itself").symlink_to(source)
    (source / "to-parent").symlink_to("..")
    (source / "loop-a").symlink_to("loop-b")
    (source / "loop-b").symlink_to("loop-a")
    (source / "device.jpg").symlink_to("/dev/zero")
    (tmp_path / "links-beside").mkdir()
    shutil.copyfile(picture, tmp_path / "links-beside/a.jpg")
    # Its path begins with the source's own, and it is outside all the same.
    (source / "to-beside.jpg").symlink_to(tmp_path / "links-beside/a.jpg")
    sources = {
        "plant": {"links": source},
        "animal": {"zoo": take(photos, "animal", 3, tmp_path / "zoo")},
    }
    collection = write_collection(tmp_path / "collection", sources, failure_budget=0.9)
    collection.run()
    found = endings(collection, category="plant")
    assert {name: found[name] for name in found if found[name] != ACCEPTED} == {
        "to-inside.jpg": f"duplicate {inside.relative_to(source)}",
        "to-outside.jpg": "link_leaves_source",
        "to-outside-by-dots.jpg": "link_leaves_source",
        "to-beside.jpg": "link_leaves_source",
        "to-folder": "link_leaves_source",
        "to-itself": "link_to_folder",
        "to-parent": "link_leaves_source",
        "loop-a": "broken_link",
        "loop-b": "broken_link",
        "device.jpg": "link_leaves_source",
    }
    assert len(found) == 3 + 10


def test_archives_cannot_write_outside_of_the_workspace(photos: Path, tmp_path: Path) -> None:
    """Members named by absolute paths and by '..', and links that lead members astray."""
    picture = next(p for p in take(photos, "plant", 1, tmp_path / "one").rglob("*") if p.is_file())
    data = picture.read_bytes()
    archives = tmp_path / "archives"
    archives.mkdir()
    names = ["../../evil.jpg", f"{tmp_path}/evil.jpg", "a/../../evil.jpg", "..\\evil.jpg"]
    with zipfile.ZipFile(archives / "slip.zip", "w") as packed:
        for k, name in enumerate(names):
            packed.writestr(name, data + b"%d" % k)
    with tarfile.open(archives / "slip.tar", "w") as tar:
        link = tarfile.TarInfo("down")
        link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
        tar.addfile(link)
        for k, name in enumerate([*names, "down/evil.jpg"]):
            member = tarfile.TarInfo(name)
            member.size = len(data) + 2
            tar.addfile(member, io.BytesIO(data + b"t%d" % k))
    sources = {
        "plant": {"archives": archives},
        "animal": {"zoo": take(photos, "animal", 3, tmp_path / "zoo")},
    }
    before = tree(tmp_path)
    collection = write_collection(tmp_path / "collection", sources, failure_budget=0.9)
    collection.run()
    found = endings(collection, category="plant")
    assert list(found.values()).count(ACCEPTED) == 9
    assert found["slip.tar!/down"] == "special_file"
    collection_made = {b"collection", b"published"}
    after = tree(tmp_path)
    others = {n: s for n, s in after.items() if n.split(b"/")[0] not in collection_made}
    assert others == before


def test_names_that_differ_only_in_case_or_in_unicode_form_are_two_pictures(
    photos: Path, tmp_path: Path
) -> None:
    source = tmp_path / "names"
    some = sorted(p for p in take(photos, "plant", 5, tmp_path / "five").rglob("*") if p.is_file())
    source.mkdir()
    names = [
        b"Cat.jpg",
        b"cat.jpg",
        "\u00e9.jpg".encode(),
        "e\u0301.jpg".encode(),
        b"\xe9.jpg",
    ]
    for path, name in zip(some, names, strict=True):
        shutil.copyfile(path, source / os.fsdecode(name))
    sources = {
        "plant": {"names": source},
        "animal": {"zoo": take(photos, "animal", 3, tmp_path / "zoo")},
    }
    collection = write_collection(tmp_path / "collection", sources)
    collection.run()
    found = endings(collection, category="plant")
    texts = {name.decode("utf-8", "backslashreplace") for name in names}
    assert found == dict.fromkeys(texts, ACCEPTED)
    placed = {d for n, d in digests(collection.folder / "images").items() if "plant" in n}
    assert placed == set(digests(source).values())
