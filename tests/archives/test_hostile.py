"""Bombs cost little memory and nothing outside; damaged archives give members or `PictureError`."""

import gzip
import struct
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archives.packing import KINDS, delivered, measured, pack, tar_of, walk, zip_of
from tests.archives.test_tars import END, header, record
from tests.archives.test_zips import overlapping

MIB = 1 << 20
ZEROS = gzip.compress(bytes(32 * MIB))
"""32 MiB of zeros as one gzip stream, which may be repeated at will."""


def blown_up(bomb: bytes, folder: Path) -> tuple[int, list[str]]:
    """Growth of memory in MiB and reasons; nothing may be left in `folder`."""
    path, scratch = folder / "bomb", folder / "scratch"
    path.write_bytes(bomb)
    scratch.mkdir()
    _, grown_mb, reasons = measured(path, scratch)
    assert sorted(folder.iterdir()) == [path, scratch]
    assert list(scratch.iterdir()) == []
    return grown_mb, reasons


def zeros_in_a_tar_gz() -> bytes:
    return gzip.compress(header(b"zeros", b"%o" % (1 << 32))) + ZEROS * 128


def zeros_as_a_pax_header() -> bytes:
    start = header(b"fine", b"0") + header(b"pax", b"%o" % (1 << 32), b"x")
    return gzip.compress(start) + ZEROS * 128


def zeros_as_a_long_name_of_allowed_length() -> bytes:
    return gzip.compress((header(b"x", b"%o" % MIB, b"L") + b"n" * MIB + header(b"a", b"0")) * 99)


def many_pax_keywords() -> bytes:
    headers = b""
    for first in range(0, 500_000, 50_000):
        records = b"".join(record(b"%d" % number, b"") for number in range(first, first + 50_000))
        headers += header(b"pax", b"%o" % len(records), b"x")
        headers += records + bytes(-len(records) % 512)
    return gzip.compress(headers + header(b"a", b"0") + END)


def sparse_map_without_end() -> bytes:
    start = record(b"GNU.sparse.major", b"1") + record(b"GNU.sparse.realsize", b"9")
    start = header(b"pax", b"%o" % len(start), b"x") + start.ljust(512, b"\0")
    return gzip.compress(start + header(b"a", b"%o" % (64 * MIB)) + b"1\n" * (32 * MIB) + END)


def zeros_in_a_zip(method: int = zipfile.ZIP_DEFLATED) -> bytes:
    return zip_of([(b"zeros", bytes(255 * MIB))], method)


def zeros_said_to_be_small() -> bytes:
    archive = bytearray(zeros_in_a_zip())
    at = archive.index(b"PK\x01\x02") + 24
    archive[at : at + 4] = struct.pack("<L", 5 * MIB)
    return bytes(archive)


def zips_in_zips() -> bytes:
    """The idea of 42.zip: sixteen zips in each of sixteen zips, and a large file in each."""
    inner = zip_of([(b"leaf", bytes(9 * MIB))])
    for _ in range(2):
        inner = zip_of([(b"%d.zip" % number, inner) for number in range(16)])
    return inner


def a_large_zip_in_a_tar() -> bytes:
    return tar_of([(b"in.zip", zip_of([(b"%d" % n, bytes(MIB)) for n in range(200)], 0))])


@pytest.mark.parametrize(
    ("bomb", "grown_mb_at_most", "reason"),
    [
        (zeros_in_a_tar_gz, 8, "end:archive_ratio"),
        (zeros_as_a_pax_header, 8, "end:archive_ratio"),
        (zeros_as_a_long_name_of_allowed_length, 32, "end:archive_broken"),
        (many_pax_keywords, 32, None),
        (sparse_map_without_end, 16, "archive_broken"),
        (zeros_in_a_zip, 8, "archive_ratio"),
        (zeros_said_to_be_small, 32, "archive_broken"),
        (zips_in_zips, 64, "end:archive_ratio"),
        (a_large_zip_in_a_tar, 48, None),
        (lambda: overlapping(60_000), 16, "end:archive_broken"),
    ],
)
def test_a_bomb_costs_little_memory_and_no_disk(
    bomb: Callable[[], bytes], grown_mb_at_most: int, reason: str | None, tmp_path: Path
):
    grown_mb, reasons = blown_up(bomb(), tmp_path)
    assert reasons[-1:] == ([reason] if reason else [])
    assert grown_mb <= grown_mb_at_most


def test_the_largest_member_allowed_costs_about_twice_its_size(tmp_path: Path):
    chunk = Path(__file__).read_bytes() * 40
    archive = zip_of([(b"large", (chunk * (250 * MIB // len(chunk))))], zipfile.ZIP_DEFLATED)
    grown_mb, reasons = blown_up(archive, tmp_path)
    assert reasons == []
    assert grown_mb < 2 * 250 + 30


FILES = [(b"%d.jpg" % number, bytes([number]) * number * 97) for number in range(12)]
damage = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(max_size=6)), max_size=5)


def damaged(archive: bytes, changes: list[tuple[float, bytes]], cut: float) -> bytes:
    """`archive` with some bytes changed and its end cut off."""
    changed = bytearray(archive)
    for place, data in changes:
        at = int(place * len(archive))
        changed[at : at + len(data)] = data
    return bytes(changed[: len(archive) - int(cut * len(archive))])


@given(st.sampled_from(KINDS), damage, st.sampled_from([0.0, 0.0, 0.01, 0.4]))
@settings(max_examples=300)
def test_a_damaged_archive_gives_members_or_a_picture_error(kind, changes, cut):
    inner = [(b"in", pack("zip", FILES[:3])), (b"in2", pack("tar.gz", FILES[:3]))]
    with tempfile.TemporaryDirectory() as folder:
        found, _ = walk(damaged(pack(kind, FILES + inner), changes, cut), Path(folder))
        assert len(list(Path(folder).iterdir())) == 1
    assert all(
        member.refusal is not None or member.kind == "archive" or member.data is not None
        for member in found
    )


@given(damage, st.sampled_from([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
@settings(max_examples=200)
def test_bytes_out_of_a_damaged_zip_are_bytes_that_were_packed(changes, method):
    with tempfile.TemporaryDirectory() as folder:
        found, _ = walk(damaged(zip_of(FILES, method), changes, 0), Path(folder))
    packed = {data for _, data in FILES}
    assert {data for _, data in delivered(found)} <= packed


@given(
    st.binary(max_size=3000), st.sampled_from([b"PK\x03\x04", b"PK\x05\x06", header(b"a", b"9")])
)
def test_noise_behind_a_signature_gives_members_or_a_picture_error(noise, start):
    with tempfile.TemporaryDirectory() as folder:
        walk(start + noise, Path(folder))


@given(st.integers(0, 1), damage)
@settings(max_examples=150)
def test_every_field_of_a_directory_may_be_damaged(record_number, changes):
    archive = zip_of(FILES[:2])
    start = archive.index(b"PK\x01\x02")
    with tempfile.TemporaryDirectory() as folder:
        walk(archive[:start] + damaged(archive[start:], changes, 0), Path(folder))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "name", [b"../../../outside", b"/outside", b"C:\\outside", b"..\\outside", b"a/../../outside"]
)
def test_names_that_point_outside_write_nothing(kind, name, tmp_path: Path):
    scratch = tmp_path / "a" / "b" / "c"
    scratch.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    inner = zip_of([(name, b"inner")])
    found, error = walk(pack(kind, [(name, b"data"), (name, inner)]), scratch)
    assert error is None
    assert [member.path for member in found] == [(name,), (name, name), (name,)]
    (scratch / "archive").unlink()
    assert sorted(tmp_path.rglob("*")) == before
    assert not Path("/outside").exists()
