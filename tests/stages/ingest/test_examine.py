"""What examining finds out about a file: every kind of trouble has a row and a reason."""

import hashlib
import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from naturalist.archives import ArchiveLimits
from naturalist.images import PictureLimits
from naturalist.layout import Layout
from naturalist.reasons import Reason
from naturalist.schemas import FINDINGS
from naturalist.stages.ingest.examine import ExamineTask, examine
from naturalist.stages.ingest.file_names import is_system_file
from naturalist.stages.ingest.listing import list_source
from naturalist.stages.ingest.options import FileLimits, Source
from tiny import Row, in_memory, picture


@dataclass(frozen=True)
class Place:
    """A source and a workspace."""

    root: Path

    @property
    def source(self) -> Source:
        return Source("plant", "s", self.root / "source")

    @property
    def layout(self) -> Layout:
        return Layout(self.root / "work")

    def put(self, name: str, data: bytes) -> Path:
        path = self.source.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def task(self, limits: FileLimits | None = None) -> ExamineTask:
        self.source.path.mkdir(parents=True, exist_ok=True)
        entries = tuple(list_source(self.source))
        return ExamineTask(self.layout.root, self.source, entries, limits or FileLimits())

    def examine(self, limits: FileLimits | None = None) -> list[Row]:
        return findings(self.task(limits))

    def one(self, name: str, data: bytes, limits: FileLimits | None = None) -> Row:
        self.put(name, data)
        (row,) = self.examine(limits)
        return row


def findings(task: ExamineTask) -> list[Row]:
    examine(task)
    table = pq.read_table(task.findings, partitioning=None)
    assert table.schema.equals(FINDINGS)
    rows: list[Row] = table.to_pylist()
    return rows


@pytest.fixture
def place() -> Iterator[Place]:
    with in_memory() as root:
        yield Place(root)


def zipped(members: dict[str, bytes] | list[tuple[str, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in members.items() if isinstance(members, dict) else members:
            archive.writestr(name, data)
    return buffer.getvalue()


def test_a_picture_is_described(place: Place) -> None:
    data = picture(1)
    row = place.one("a.jpg", data)
    entry = next(list_source(place.source))
    assert row == dict.fromkeys(FINDINGS.names) | {
        "source": "s",
        "path": b"a.jpg",
        "occurrence": 0,
        "kind": "picture",
        "size_bytes": len(data),
        "mtime_ns": entry.mtime_ns,
        "sha256": hashlib.sha256(data).digest(),
        "format": "png",
        "width": 8,
        "height": 8,
        "seen_key": entry.seen_key("s"),
        "staged": False,
    }


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_a_picture_is_known_by_its_content_and_not_by_its_name(
    place: Place, format_name: str
) -> None:
    row = place.one("wrong.txt", picture(1, format_name))
    assert (row["kind"], row["format"]) == ("picture", format_name.lower())


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.jpg", b"", Reason.EMPTY_FILE),
        ("a.jpg", b"hello", Reason.MISNAMED),
        ("a.txt", b"hello", Reason.NOT_A_PICTURE),
        ("a.jpg", b"\0" * 5000, Reason.MISNAMED),
        (".DS_Store", b"\0\0\0\1Bud1", Reason.SYSTEM_FILE),
        ("Thumbs.db", b"\xd0\xcf\x11\xe0", Reason.SYSTEM_FILE),
        ("._a.jpg", b"\0\5\x16\7", Reason.SYSTEM_FILE),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", Reason.UNSUPPORTED_FORMAT),
        ("a.psd", b"8BPS\0\1" + b"\0" * 50, Reason.UNSUPPORTED_FORMAT),
        (
            "a.jpg",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
            Reason.GIT_LFS_POINTER,
        ),
    ],
)
def test_a_file_that_is_no_picture_is_refused_for_what_it_is(
    place: Place, name: str, data: bytes, reason: Reason
) -> None:
    row = place.one(name, data)
    assert (row["kind"], row["reason"]) == ("refused", reason.value)


def test_a_picture_that_a_system_left_is_a_picture(place: Place) -> None:
    assert place.one("._a.png", picture(1))["kind"] == "picture"


def test_a_broken_picture_is_refused_with_the_hash_of_its_bytes(place: Place) -> None:
    data = picture(1)[:30]
    row = place.one("a.png", data)
    assert Reason(row["reason"]).is_failure
    assert row["sha256"] == hashlib.sha256(data).digest()


@given(st.binary(max_size=300), st.integers(0, 60))
@settings(max_examples=60)
def test_any_bytes_end_as_one_row_with_a_documented_reason(data: bytes, kept: int) -> None:
    with in_memory() as root:
        for start in (b"", picture(1)[:kept], picture(1, "JPEG")[:kept], picture(1, "GIF")[:kept]):
            place = Place(root / str(len(list(root.iterdir()))))
            row = place.one("a", start + data)
            assert row["kind"] in ("picture", "refused", "unpacked")
            assert (row["kind"] == "refused") == (row["reason"] is not None)
            if row["reason"]:
                assert Reason(row["reason"])


LIMITS: list[tuple[FileLimits, Reason, str]] = [
    (FileLimits(max_file_bytes=100), Reason.TOO_LARGE, "limits.max_file_bytes is 100"),
    (
        FileLimits(pictures=PictureLimits(max_pixels=63)),
        Reason.TOO_MANY_PIXELS,
        "8 x 8 pixels; max_pixels allows 63",
    ),
    (
        FileLimits(pictures=PictureLimits(max_whole_pixels=63)),
        Reason.TOO_MANY_PIXELS,
        "8 x 8 pixels; max_whole_pixels allows 63",
    ),
]


@pytest.mark.parametrize(("limits", "reason", "said"), LIMITS)
def test_a_limit_is_named_in_the_refusal(
    place: Place, limits: FileLimits, reason: Reason, said: str
) -> None:
    row = place.one("a.png", picture(1), limits)
    assert row["reason"] == reason.value
    assert said in row["detail"]


@pytest.mark.parametrize(("limits", "reason", "said"), LIMITS)
def test_a_limit_holds_for_members_of_archives_too(
    place: Place, limits: FileLimits, reason: Reason, said: str
) -> None:
    place.put("a.zip", zipped({"a.png": picture(1)}))
    member, archive = sorted(place.examine(limits), key=lambda row: -len(row["path"]))
    assert member["reason"] == reason.value
    assert said in member["detail"]
    assert archive["kind"] == "unpacked"


def test_what_may_change_by_itself_is_looked_at_again(place: Place) -> None:
    """A file is known by its key: none is written for reasons that may pass."""
    small = FileLimits(max_file_bytes=100)
    assert place.one("a.png", picture(1), small)["seen_key"] is None
    place.put("b.txt", b"text")
    by_path = {row["path"]: row for row in place.examine(small)}
    assert by_path[b"b.txt"]["seen_key"] is not None


def test_a_file_that_was_only_listed_is_refused_by_its_kind(place: Place) -> None:
    place.source.path.mkdir()
    os.mkfifo(place.source.path / "pipe")
    (place.source.path / "link").symlink_to("nothing")
    by_path = {row["path"]: row for row in place.examine()}
    assert by_path[b"pipe"]["reason"] == "special_file"
    assert by_path[b"link"]["reason"] == "broken_link"
    assert by_path[b"link"]["detail"] == "points to nothing"
    assert by_path[b"link"]["sha256"] is None


def test_a_file_that_vanished_or_became_a_pipe_since_it_was_listed_hangs_nothing(
    place: Place,
) -> None:
    gone, pipe, folder = (place.put(name, picture(1)) for name in ("gone", "pipe", "then-folder"))
    task = place.task()
    for path in (gone, pipe, folder):
        path.unlink()
    os.mkfifo(pipe)
    folder.mkdir()
    by_path = {row["path"]: row["reason"] for row in findings(task)}
    assert by_path[b"gone"] == "vanished"
    assert by_path[b"pipe"] == "special_file"
    assert Reason(by_path[b"then-folder"]).is_failure or by_path[b"then-folder"] == "special_file"


# archives


def test_members_have_rows_and_their_pictures_are_staged(place: Place) -> None:
    place.put("deep/a.zip", zipped({"x/one.png": picture(1), "note.txt": b"hi"}))
    rows = {row["path"]: row for row in place.examine()}
    assert {path: row["kind"] for path, row in rows.items()} == {
        b"deep/a.zip": "unpacked",
        b"deep/a.zip\0x/one.png": "picture",
        b"deep/a.zip\0note.txt": "refused",
    }
    member = rows[b"deep/a.zip\0x/one.png"]
    assert (member["staged"], member["seen_key"], member["format"]) == (True, None, "png")
    assert member["size_bytes"] == len(picture(1))
    staged = place.layout.staging / member["sha256"].hex()
    assert staged.read_bytes() == picture(1)
    assert rows[b"deep/a.zip"]["seen_key"] is not None


def test_archives_in_archives_are_opened_to_a_depth(place: Place) -> None:
    inner = zipped({"one.png": picture(1)})
    place.put("a.zip", zipped({"b.zip": zipped({"c.zip": inner})}))
    rows = {row["path"]: row for row in place.examine()}
    assert rows[b"a.zip\0b.zip\0c.zip\0one.png"]["kind"] == "picture"
    shallow = FileLimits(archives=ArchiveLimits(max_archive_depth=2))
    rows = {row["path"]: row for row in place.examine(shallow)}
    deep = rows[b"a.zip\0b.zip\0c.zip"]
    assert (deep["kind"], deep["reason"]) == ("refused", "archive_too_deep")
    assert "max_archive_depth" in deep["detail"]


def test_equal_members_are_staged_once_and_members_of_one_name_told_apart(place: Place) -> None:
    place.put("a.zip", zipped([("same.png", picture(seed)) for seed in (1, 2, 1)]))
    members = [row for row in place.examine() if row["kind"] == "picture"]
    assert sorted(row["occurrence"] for row in members) == [0, 1, 2]
    assert len(list(place.layout.staging.iterdir())) == 2


@pytest.mark.parametrize("torn", [b"", picture(1)[:20], b"\0" * len(picture(1))])
def test_a_staged_picture_is_not_believed_by_its_name(place: Place, torn: bytes) -> None:
    """A power cut leaves names whose bytes never reached the disk."""
    place.put("a.zip", zipped({"one.png": picture(1)}))
    staged = place.layout.staging / hashlib.sha256(picture(1)).hexdigest()
    staged.parent.mkdir(parents=True)
    staged.write_bytes(torn)
    place.examine()
    assert staged.read_bytes() == picture(1)


def test_a_broken_archive_gives_what_could_be_read(place: Place) -> None:
    whole = zipped({f"{n}.png": picture(n) for n in range(5)})
    place.put("a.zip", whole[: len(whole) // 2])
    rows = place.examine()
    (archive,) = (row for row in rows if row["path"] == b"a.zip")
    assert archive["reason"] == "archive_broken"


def test_a_source_may_be_one_archive(place: Place) -> None:
    path = place.put("a.zip", zipped({"one.png": picture(1)}))
    source = Source("plant", "s", path)
    entries = tuple(list_source(source))
    rows = findings(ExamineTask(place.layout.root, source, entries, FileLimits()))
    assert {row["path"] for row in rows} == {b"a.zip", b"a.zip\0one.png"}


# tasks


def test_findings_that_are_there_are_not_made_again(place: Place) -> None:
    place.put("a.png", picture(1))
    task = place.task()
    examine(task)
    before = task.findings.stat()
    (place.source.path / "a.png").unlink()
    result = examine(task)
    assert (result.files, result.size_bytes) == (1, len(picture(1)))
    assert task.findings.stat().st_mtime_ns == before.st_mtime_ns


changes: list[Callable[[ExamineTask], Any]] = [
    lambda task: replace(task, entries=()),
    lambda task: replace(task, entries=(task.entries[0]._replace(size_bytes=1),)),
    lambda task: replace(task, entries=(task.entries[0]._replace(mtime_ns=1),)),
    lambda task: replace(task, entries=(task.entries[0]._replace(path=b"b"),)),
    lambda task: replace(task, entries=(task.entries[0]._replace(reason=Reason.SPECIAL_FILE),)),
    lambda task: replace(task, limits=FileLimits(max_file_bytes=5)),
    lambda task: replace(task, limits=FileLimits(pictures=PictureLimits(max_pixels=5))),
    lambda task: replace(task, source=replace(task.source, category="animal")),
    lambda task: replace(task, source=replace(task.source, name="other")),
    lambda task: replace(task, source=replace(task.source, path=Path("/elsewhere"))),
]


def test_findings_are_those_of_exactly_their_task(place: Place) -> None:
    place.put("a.png", picture(1))
    task = place.task()
    keys = {task.key, *(change(task).key for change in changes)}
    assert len(keys) == 1 + len(changes)


def test_a_blamed_entry_is_refused_unopened_and_the_others_are_examined(place: Place) -> None:
    for name in ("a.png", "b.png", "c.png"):
        place.put(name, picture(ord(name[0])))
    task = place.task().suspect(1, Reason.DECODER_CRASHED)
    (place.source.path / "b.png").unlink()
    rows = findings(task)
    assert [(row["path"], row["reason"]) for row in rows] == [
        (b"a.png", None),
        (b"b.png", "decoder_crashed"),
        (b"c.png", None),
    ]


def test_nothing_is_left_but_findings_and_staged_pictures(place: Place) -> None:
    place.put("a.png", picture(1))
    place.put("b.zip", zipped({"one.png": picture(2)}))
    task = place.task()
    examine(task)
    left = {path for path in place.layout.root.rglob("*") if path.is_file()}
    digest = hashlib.sha256(picture(2)).hexdigest()
    assert left == {task.findings, place.layout.staging / digest}


def test_a_picture_is_measured_upright(place: Place) -> None:
    image = Image.new("RGB", (20, 10))
    exif = image.getexif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", exif=exif)
    row = place.one("a.jpg", buffer.getvalue())
    assert (row["width"], row["height"]) == (10, 20)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b".DS_Store", True),
        (b"THUMBS.DB", True),
        (b"desktop.ini", True),
        (b"._photo.jpg", True),
        (b"photo.jpg", False),
        (b"thumbs.db.jpg", False),
        (b".hidden.jpg", False),
    ],
)
def test_files_of_operating_systems_are_known_by_name(name: bytes, expected: bool) -> None:
    assert is_system_file(name) is expected
