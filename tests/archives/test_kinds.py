"""`kinds.py`: archives are told by content."""

import gzip
import io
import random
import tarfile
from pathlib import Path

import pytest
from tests.archives.packing import KINDS, PACKERS, SINGLES, pack, tar_of, zip_of

from naturalist.archives import HEAD_BYTES, archive_kind, kind_from

NOISE = random.Random(7).randbytes(3_000_000)


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_archive_is_known_by_its_first_bytes(kind):
    assert archive_kind(pack(kind, [(b"a.jpg", b"bytes")])[:HEAD_BYTES]) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_large_archive_is_known_after_reading_on_where_needed(kind):
    file = io.BytesIO(pack(kind, [(b"a.jpg", NOISE)]))
    head = file.read(HEAD_BYTES)
    found, seen = kind_from(head, file.read)
    assert found == kind
    assert seen + file.read() == file.getvalue()
    assert len(seen) < 5 << 20


@pytest.mark.parametrize("dialect", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_dialect_of_tar_is_known(dialect):
    assert archive_kind(tar_of([(b"n" * 90, b"")], dialect)) == "tar"


def test_an_empty_zip_is_a_zip():
    assert archive_kind(zip_of([])) == "zip"


@pytest.mark.parametrize(
    "head",
    [b"", b"P", b"PK", bytes(4096), b"BZh", b"\x1f\x8b\x08", NOISE[:4096], b"BZh" + NOISE[:4093]],
)
def test_other_bytes_are_no_archive(head):
    assert archive_kind(head) is None


@pytest.mark.parametrize("kind", SINGLES)
def test_a_packed_file_that_is_no_tar_is_an_archive_of_one_file(kind):
    assert archive_kind(PACKERS[kind](b"a picture, say" * 1000)) == kind


def test_what_the_old_lzma_program_packs_is_known_by_a_tar_inside_alone():
    assert archive_kind(PACKERS["lzma"](b"a picture, say" * 1000)) is None


@pytest.mark.parametrize("kind", ["tar.zst", "tar.lz4"])
def test_frames_without_data_may_come_first(kind):
    frame = b"\x50\x2a\x4d\x18" + b"\x04\0\0\0" + b"size"
    assert archive_kind(frame + pack(kind, [(b"a.jpg", b"bytes")])) == kind


def test_a_tar_whose_header_has_a_wrong_checksum_is_no_tar():
    tar = bytearray(tar_of([(b"a.jpg", b"bytes")]))
    tar[0] ^= 1
    assert archive_kind(bytes(tar)) is None


def test_a_header_summed_as_signed_bytes_is_a_tar_too():
    block = bytearray(tar_of([("é.jpg".encode(), b"")], tarfile.GNU_FORMAT)[:512])
    signed = sum(byte - 256 * (byte > 127) for byte in block[:148] + block[156:]) + 8 * 32
    block[148:156] = b"%06o\0 " % signed
    assert archive_kind(bytes(block)) == "tar"


def test_a_head_that_unpacks_to_gigabytes_costs_one_block():
    assert archive_kind(gzip.compress(bytes(1 << 26))[:HEAD_BYTES]) == "gz"


def test_a_photo_with_a_zip_behind_it_is_no_archive(mess: Path):
    assert archive_kind((mess / "generated" / "trailing-zip.jpg").read_bytes()) is None
