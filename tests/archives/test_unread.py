"""What is an archive and is not read says so, and what only looks like one is left alone."""

import io
import os
import zipfile
from pathlib import Path

import pytest
from tests.archives.packing import PACKERS, SINGLES, delivered, special, tar_of, walk, zip_of

from naturalist.archives import (
    ArchiveLimits,
    WalkOptions,
    document_kind,
    find_archive,
    is_named_like_archive,
    streams,
)
from naturalist.errors import PictureError

JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 30
PICTURES = WalkOptions(lambda head: head.startswith(b"\xff\xd8"), open_documents=False)


def found_in(data: bytes, name: bytes = b"file") -> str:
    try:
        found = find_archive(io.BytesIO(data), name)
    except PictureError as error:
        return error.reason.value
    return found[0] if found else ""


@pytest.mark.parametrize(
    "start",
    [
        b"Rar!\x1a\x07\x00",
        b"Rar!\x1a\x07\x01\x00",
        b"MSCF\0\0\0\0",
        b"\x60\xea",
        b"\x20\x4a-lh5-",
        b"\x1f\x9d\x90",
        b"LZIP\x01",
        b"070701",
        b"xar!\0",
        b"ALZ\x01",
        b"EGGA",
        b"!<arch>\n",
        b"#!/bin/sh\n# This script was generated using Makeself 2.4.2\n",
    ],
)
def test_an_archive_that_is_not_read_is_told_by_its_first_bytes(start):
    assert found_in(start + bytes(5000)) == "unsupported_archive"


@pytest.mark.parametrize(
    "name",
    [
        "photos.z01", "photos.Z15", "photos.zip.001", "photos.7z.012", "photos.r00",
        "photos.part2.rar", "photos.tar.gz.aa", "photos.tar.partab", "photos.tgz.part2",
        "disk.ISO", "photos.dmg", "photo.jpg.lzma",
    ],
)  # fmt: skip
def test_what_begins_with_no_mark_is_told_by_its_name(name):
    assert found_in(os.urandom(64), name.encode()) == "unsupported_archive"


@pytest.mark.parametrize(
    "name",
    ["notes.txt", "a.001", "labels.csv", "zip", ".zip.txt", "photo.jpg", "README", "x.zipped"],
)
def test_other_names_are_no_pieces(name):
    assert found_in(b"some text", name.encode()) == ""
    assert not is_named_like_archive(name.encode())


@pytest.mark.parametrize("name", ["photos.zip", "A.TAR", "a.tgz", "b.tar.zst", "c.rar", "d.7z"])
def test_names_of_archives_are_known(name):
    assert is_named_like_archive(name.encode())


def split_zip(folder: Path) -> list[bytes]:
    """What zip -s makes: a mark at the start, and numbers of pieces in the end record."""
    whole = b"PK\x07\x08" + zip_of([(b"%d.jpg" % k, JPEG) for k in range(9)], zipfile.ZIP_STORED)
    last = bytearray(whole[40_000:])
    end = last.rindex(b"PK\x05\x06")
    last[end + 4 : end + 8] = b"\x01\x00\x01\x00"
    return [whole[:40_000], bytes(last)]


def test_both_ends_of_a_split_zip_are_pieces_whatever_they_are_called(tmp_path: Path):
    first, last = split_zip(tmp_path)
    for data, name in ((first, b"photos.z01"), (first, b"first"), (last, b"photos.zip")):
        found, error = walk(data, tmp_path, name=name)
        assert (found, error.reason) == ([], "unsupported_archive")
        assert "join the parts" in error.detail


def test_a_self_extracting_zip_is_read(tmp_path: Path):
    data = b"MZ" + bytes(9000) + zip_of([(b"a.jpg", JPEG), (b"b.txt", b"text")])
    found, error = walk(data, tmp_path, options=PICTURES, name=b"setup.exe")
    assert error is None
    assert delivered(found) == [(b"a.jpg", JPEG)]


@pytest.mark.parametrize("outer", [zip_of, tar_of])
@pytest.mark.parametrize(
    ("name", "front"), [(b"setup.exe", b"MZ" + bytes(9000)), (b"d/photos.zip", b"HTTP/1.1 200 OK")]
)
def test_one_inside_an_archive_is_read_as_well(outer, name, front, tmp_path: Path):
    inner = front + zip_of([(b"a.jpg", JPEG), (b"b.txt", b"text")])
    data = outer([(name, inner), (b"run", b"MZ" + os.urandom(999)), (b"c.jpg", JPEG)])
    found, error = walk(data, tmp_path, options=PICTURES, name=b"outer")
    assert error is None
    assert [(m.path, m.kind) for m in found if m.data or m.kind == "archive"] == [
        ((name, b"a.jpg"), "file"),
        ((name,), "archive"),
        ((b"c.jpg",), "file"),
    ]
    assert [m.path for m in found if m.data is None and m.kind == "file"] == [
        (name, b"b.txt"),
        (b"run",),
    ]


def test_a_zip_with_other_bytes_in_front_is_read_where_its_name_says_zip(tmp_path: Path):
    data = b"HTTP/1.1 200 OK\r\n\r\n" + zip_of([(b"a.jpg", JPEG)])
    assert delivered(walk(data, tmp_path, name=b"photos.zip")[0]) == [(b"a.jpg", JPEG)]
    assert found_in(data, b"photos.log") == ""


def test_a_self_extracting_rar_says_that_it_is_not_read():
    assert found_in(b"MZ" + bytes(9000) + b"Rar!\x1a\x07\x00") == "unsupported_archive"


def test_a_program_is_no_archive():
    assert found_in(b"MZ" + os.urandom(90_000), b"setup.exe") == ""
    assert found_in(b"\x7fELF" + bytes(90_000), b"run") == ""


@pytest.mark.parametrize("kind", SINGLES)
def test_a_packed_picture_comes_out_under_its_name_without_the_ending(kind, tmp_path: Path):
    packed = PACKERS[kind](JPEG)
    found, error = walk(packed, tmp_path, options=PICTURES, name=b"cats/photo.jpg." + kind.encode())
    assert error is None
    assert [(m.path, m.data, m.size_bytes) for m in found] == [((b"photo.jpg",), JPEG, len(JPEG))]


@pytest.mark.parametrize("kind", SINGLES)
def test_a_packed_zip_is_walked(kind, tmp_path: Path):
    data = PACKERS[kind](zip_of([(b"a.jpg", JPEG)]))
    found, error = walk(data, tmp_path, options=PICTURES, name=b"photos.zip." + kind.encode())
    assert error is None
    assert [m.path for m in found] == [(b"photos.zip", b"a.jpg"), (b"photos.zip",)]


@pytest.mark.parametrize("kind", SINGLES)
def test_a_packed_file_that_is_cut_short_is_broken(kind, tmp_path: Path):
    data = PACKERS[kind](JPEG + os.urandom(300_000))
    found, _ = walk(data[:-90_000], tmp_path, options=PICTURES, name=b"photo")
    assert [m.refusal.reason for m in found if m.refusal] == ["archive_broken"]


@pytest.mark.parametrize("kind", SINGLES)
def test_a_packed_bomb_is_refused_as_soon_as_it_is_seen(kind, tmp_path: Path):
    data = PACKERS[kind](JPEG + bytes(64 << 20))
    found, _ = walk(data, tmp_path, options=PICTURES, name=b"photo.jpg")
    # lz4 packs at most 250 to 1, which is within twice the limit.
    limits = ArchiveLimits(max_archive_ratio=100)
    found, _ = walk(data, tmp_path, limits, PICTURES, b"photo.jpg")
    assert [m.refusal.reason for m in found] == ["archive_ratio"]


def test_a_packed_file_larger_than_a_member_may_be_is_refused(tmp_path: Path):
    limits = ArchiveLimits(max_member_bytes=1 << 16)
    found, _ = walk(PACKERS["gz"](JPEG + os.urandom(1 << 17)), tmp_path, limits, PICTURES)
    assert [m.refusal.reason for m in found] == ["too_large"]


def test_a_hard_link_is_told_from_one_whose_bytes_are_missing(tmp_path: Path):
    links = [
        special("again", b"1", "./d/there"),
        special("third", b"1", "again"),
        special("lost", b"1", "d/gone"),
    ]
    found, error = walk(tar_of([(b"d/there", b"bytes"), *links]), tmp_path)
    assert error is None
    reasons = {member.path[0]: member.refusal.reason for member in found if member.refusal}
    assert reasons == {b"again": "special_file", b"third": "special_file", b"lost": "broken_link"}


@pytest.mark.parametrize(
    ("first", "name", "what"),
    [
        (b"[Content_Types].xml", b"report", "an Office document"),
        (b"word/document.xml", b"report.docx", "an Office document"),
        (b"x.npy", b"arrays", "numpy arrays"),
        (b"META-INF/MANIFEST.MF", b"program", "a program"),
        (b"a.jpg", b"book.EPUB", "a document or a book"),
        (b"a.jpg", b"photos.zip", ""),
        (b"a.jpg", b"photos", ""),
        (b"docs/a.jpg", b"docx/photos.zip", ""),
    ],
)
def test_documents_are_told_by_their_first_member_or_their_name(first, name, what):
    assert document_kind(zip_of([(first, b"data")]), name) == what


def test_a_book_is_told_by_its_first_member():
    assert document_kind(zip_of([(b"mimetype", b"application/epub+zip")], 0), b"x")


def test_documents_in_archives_are_opened_only_when_asked(tmp_path: Path):
    inner = zip_of([(b"[Content_Types].xml", b"<Types>"), (b"word/media/1.jpg", JPEG)])
    found, error = walk(zip_of([(b"report.docx", inner)]), tmp_path, options=PICTURES)
    assert error is None
    assert [(m.path, m.refusal.reason) for m in found] == [((b"report.docx",), "document")]
    found, _ = walk(zip_of([(b"report.docx", inner)]), tmp_path)
    assert (b"report.docx", b"word/media/1.jpg") in [m.path for m in found]


def test_an_archive_inside_an_archive_that_is_not_read_says_so(tmp_path: Path):
    found, _ = walk(
        zip_of([(b"old.rar", b"Rar!\x1a\x07\x00" + bytes(99))]), tmp_path, None, PICTURES
    )
    assert [m.refusal.reason for m in found] == ["unsupported_archive"]


class _Without:
    def refuse_unopened(self, path: tuple[bytes, ...]) -> PictureError | None:
        from naturalist.reasons import Reason

        return PictureError(Reason.EXCLUDED) if b"mask" in path[-1] else None

    def refuse_file(self, path: tuple[bytes, ...]) -> PictureError | None:
        from naturalist.reasons import Reason

        return None if path[-1].endswith(b".jpg") else PictureError(Reason.EXCLUDED)


def test_members_are_left_out_by_their_names_at_every_depth(tmp_path: Path):
    inner = zip_of([(b"1.jpg", JPEG), (b"mask.jpg", JPEG), (b"2.png", b"png")])
    options = WalkOptions(choice=_Without())
    archive = zip_of([(b"in.zip", inner), (b"masks.zip", inner), (b"3.jpg", JPEG)])
    found, error = walk(archive, tmp_path, None, options)
    assert error is None
    assert [(m.path, m.refusal.reason if m.refusal else m.kind) for m in found] == [
        ((b"in.zip", b"1.jpg"), "file"),
        ((b"in.zip", b"mask.jpg"), "excluded"),
        ((b"in.zip", b"2.png"), "excluded"),
        ((b"in.zip",), "archive"),
        ((b"masks.zip",), "excluded"),
        ((b"3.jpg",), "file"),
    ]


def test_a_zip_that_is_named_so_is_no_document_for_an_array_in_it() -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("annotations/labels.npy", b"x")
        archive.writestr("1.jpg", JPEG)
    head = data.getvalue()[:512]
    assert document_kind(head, b"birds.zip") == ""
    assert document_kind(head, b"birds.npz") == "numpy arrays"


def test_want_of_memory_is_not_taken_for_damage() -> None:
    class Short:
        """An engine on a machine without memory."""

        def decompress(self, data: bytes, most: int) -> bytes:
            raise RuntimeError("Allocation error : not enough memory")

    with pytest.raises(MemoryError):
        streams.unpack(Short(), b"", 1)
