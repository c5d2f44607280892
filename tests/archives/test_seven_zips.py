"""`seven_zips.py`: 7z archives, whatever their method, and what is not read of them."""

import stat
import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archives.packing import delivered, measured, walk
from tests.archives.packing_7z import METHODS, Item, number, seven_zip_of, with_header

from naturalist.archives import ArchiveLimits
from naturalist.archives.seven_zip_header import Reader
from naturalist.errors import PictureError

FILES = [
    (b"cats/1.jpg", b"one" * 9000),
    (b"cats/2.jpg", b"two"),
    ("花 ü.jpg".encode(), b"3" * 70_000),
]
READ = [name for name in METHODS if name not in ("ppmd", "aes")]


@pytest.mark.parametrize("method", READ)
@pytest.mark.parametrize("pack_header", [True, False])
def test_every_method_gives_the_files_in_their_order(method, pack_header, tmp_path: Path):
    found, error = walk(seven_zip_of(FILES, method, pack_header=pack_header), tmp_path)
    assert error is None
    assert delivered(found) == FILES


def test_a_real_archive_of_7_zip_is_read(shared: Path, tmp_path: Path):
    found, error = walk((shared / "cases/archives/photos.7z").read_bytes(), tmp_path)
    assert error is None
    assert [member.path for member in found] == [(b"cats/1.jpg",), (b"cats/2.jpg",)]
    assert all(data.startswith(b"\xff\xd8\xff") for _, data in delivered(found))


def test_empty_files_are_files_and_folders_are_none(tmp_path: Path):
    items = [Item(b"a", is_folder=True), Item(b"a/empty"), Item(b"a/full", b"x"), Item(b"b", b"y")]
    found, error = walk(seven_zip_of(items), tmp_path)
    assert error is None
    assert delivered(found) == [(b"a/empty", b""), (b"a/full", b"x"), (b"b", b"y")]


def test_links_and_devices_are_named_and_never_followed(tmp_path: Path):
    items = [
        Item(b"link", b"/etc/passwd", stat.S_IFLNK | 0o777),
        Item(b"pipe", b"", stat.S_IFIFO),
        Item(b"file", b"data", stat.S_IFREG | 0o644),
    ]
    found, _ = walk(seven_zip_of(items), tmp_path)
    assert delivered(found) == [(b"file", b"data")]
    assert [m.refusal.reason for m in found if m.refusal] == ["special_file"] * 2


@pytest.mark.parametrize(
    ("method", "reason"), [("ppmd", "unsupported_archive"), ("aes", "archive_encrypted")]
)
def test_what_is_not_read_is_said_of_every_member(method, reason, tmp_path: Path):
    found, error = walk(seven_zip_of(FILES, method), tmp_path)
    assert error is None
    assert [member.refusal.reason for member in found] == [reason] * 3


def test_a_damaged_member_is_told_by_its_checksum(tmp_path: Path):
    archive = bytearray(seven_zip_of(FILES, "copy"))
    archive[40] ^= 1
    found, _ = walk(bytes(archive), tmp_path)
    assert found[0].refusal.reason == "archive_broken"
    assert delivered(found) == FILES[1:]


def test_an_archive_that_was_cut_short_is_broken(tmp_path: Path):
    found, error = walk(seven_zip_of(FILES)[:-9], tmp_path)
    assert found == []
    assert error.reason == "archive_broken"
    assert "incomplete" in error.detail


def test_a_piece_of_a_split_archive_says_how_to_join_it(tmp_path: Path):
    found, error = walk(seven_zip_of(FILES)[:-9], tmp_path, name=b"photos.7z.001")
    assert found == []
    assert error.reason == "unsupported_archive"
    assert "join the parts" in error.detail


def test_a_self_extracting_archive_is_read(tmp_path: Path):
    program = b"MZ" + bytes(5000) + b"7z\xbc\xaf\x27\x1c is a constant of the program"
    found, error = walk(seven_zip_of(FILES, prefix=program), tmp_path, name=b"photos.exe")
    assert error is None
    assert delivered(found) == FILES


def test_a_solid_archive_inside_an_archive_is_read(tmp_path: Path):
    found, error = walk(seven_zip_of([(b"in.7z", seven_zip_of(FILES)), (b"z", b"z")]), tmp_path)
    assert error is None
    assert [member.path for member in found if member.data] == [
        *((b"in.7z", name) for name, _ in FILES),
        (b"z",),
    ]


def test_zeros_that_unpack_to_much_are_a_bomb(tmp_path: Path):
    path = tmp_path / "bomb.7z"
    path.write_bytes(seven_zip_of([(b"zeros", bytes(128 << 20))], "zstd"))
    count, grown_mb, reasons = measured(path, tmp_path)
    assert (count, reasons) == (1, ["archive_ratio"])
    assert grown_mb < 16


def test_members_of_a_bomb_that_are_small_alone_end_the_walk(tmp_path: Path):
    path = tmp_path / "bomb.7z"
    path.write_bytes(seven_zip_of([(b"%d" % k, bytes(9 << 20)) for k in range(40)], "zstd"))
    _, grown_mb, reasons = measured(path, tmp_path)
    assert reasons[-1] == "end:archive_ratio"
    assert grown_mb < 48


def test_a_header_that_unpacks_to_much_is_a_bomb(tmp_path: Path):
    path = tmp_path / "bomb.7z"
    path.write_bytes(seven_zip_of([(b"n" * (6 << 20), b"data")]))
    _, grown_mb, reasons = measured(path, tmp_path)
    assert reasons == ["end:archive_ratio"]
    assert grown_mb < 16


def test_a_dictionary_that_takes_gigabytes_is_refused(tmp_path: Path):
    archive = seven_zip_of(FILES, pack_header=False).replace(
        b"\x21\x21\x01\x08", b"\x21\x21\x01\x28"
    )
    size = int.from_bytes(archive[20:28], "little")
    found, error = walk(with_header(archive[32:-size], archive[-size:]), tmp_path)
    assert error is None
    assert {member.refusal.reason for member in found} == {"archive_broken"}


def test_too_many_members_end_the_walk(tmp_path: Path):
    limits = ArchiveLimits(max_archive_members=2)
    found, error = walk(seven_zip_of(FILES), tmp_path, limits)
    assert len(found) == 2
    assert error.reason == "archive_too_many_members"


def test_a_header_that_claims_millions_of_files_costs_nothing(tmp_path: Path):
    for claim in (1 << 20, 1 << 40, (1 << 64) - 1):
        _, error = walk(with_header(b"", b"\x01\x05" + number(claim) + b"\x00\x00"), tmp_path)
        assert error.reason == "archive_broken"


@given(st.integers(0, (1 << 64) - 1))
def test_numbers_read_back(value):
    assert Reader(number(value)).number() == value


@given(st.binary(max_size=60))
def test_any_header_gives_members_or_a_picture_error(tmp_path_factory, noise):
    folder = tmp_path_factory.mktemp("noise")
    for header in (b"\x01" + noise, b"\x17" + noise, b"\x01\x04\x06" + noise, b"\x01\x05" + noise):
        walk(with_header(bytes(40), header), folder)


def test_a_first_header_that_was_changed_is_broken(tmp_path: Path):
    archive = bytearray(seven_zip_of(FILES))
    archive[12:32] = struct.pack("<QQL", 0, 1 << 62, zlib.crc32(b""))
    _, error = walk(bytes(archive), tmp_path)
    assert isinstance(error, PictureError)
    assert error.reason == "archive_broken"
