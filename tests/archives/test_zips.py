"""`zips.py`: zips as programs write them, and zips that lie."""

import io
import random
import stat
import struct
import zipfile
import zlib
from pathlib import Path

import pytest
from tests.archives.packing import PACKERS, RawInfo, as_deflate64, delivered, measured, walk, zip_of

from naturalist.reasons import Reason

METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
FILES = [(b"a.txt", Path(__file__).read_bytes()), (b"empty", b""), (b"b", bytes(9000))]


def patched(archive: bytes, record: int, offset: int, value: bytes) -> bytes:
    """`archive` with bytes of one record of its central directory changed."""
    at = -1
    for _ in range(record + 1):
        at = archive.index(b"PK\x01\x02", at + 1)
    at += offset
    return archive[:at] + value + archive[at + len(value) :]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_of_the_standard_library_is_read(method, tmp_path: Path):
    found, error = walk(zip_of(FILES, method), tmp_path)
    assert (delivered(found), error) == (FILES, None)


NOISE = [(b"%d.jpg" % k, random.Random(k).randbytes(200_000 * k + 1)) for k in range(3)]


def test_deflate64_is_read(tmp_path: Path):
    found, error = walk(as_deflate64(zip_of(NOISE)), tmp_path)
    assert (delivered(found), error) == (NOISE, None)


def test_what_real_programs_pack_with_deflate64_and_zstandard_is_read(shared: Path, tmp_path: Path):
    found, error = walk((shared / "cases/archives/deflate64.zip").read_bytes(), tmp_path)
    assert error is None
    assert [data[:3] for _, data in delivered(found)] == [b"\xff\xd8\xff"] * 3


def test_a_damaged_deflate64_member_is_broken(tmp_path: Path):
    archive = bytearray(as_deflate64(zip_of([(b"a", b"words and words " * 900), (b"b", b"b")])))
    archive[60:70] = bytes(10)
    found, error = walk(bytes(archive), tmp_path)
    assert error is None
    assert found[0].refusal.reason is Reason.ARCHIVE_BROKEN
    assert delivered(found) == [(b"b", b"b")]


@pytest.mark.parametrize(("method", "packing"), [(93, "zst"), (20, "zst"), (95, "xz")])
def test_the_newer_methods_are_read(method: int, packing: str, tmp_path: Path):
    data = b"photo" * 9000
    archive = bytearray(zip_of([(b"a.jpg", PACKERS[packing](data))], zipfile.ZIP_STORED))
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = archive.index(signature) + offset
        archive[at : at + 2] = method.to_bytes(2, "little")
        struct.pack_into("<L", archive, at + 6, zlib.crc32(data))
        struct.pack_into("<L", archive, at + 14, len(data))
    found, error = walk(bytes(archive), tmp_path)
    assert (delivered(found), error) == ([(b"a.jpg", data)], None)


def test_a_method_that_is_not_read_refuses_its_member_only(tmp_path: Path):
    found, error = walk(patched(zip_of(FILES), 0, 10, b"\x62\x00"), tmp_path)
    assert error is None
    assert found[0].refusal.reason is Reason.UNSUPPORTED_ARCHIVE
    assert "method 98 (PPMd)" in found[0].refusal.detail
    assert delivered(found) == FILES[1:]


def test_an_encrypted_member_is_refused_and_the_others_come(tmp_path: Path):
    found, error = walk(patched(zip_of(FILES), 0, 8, b"\x01"), tmp_path)
    assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_ENCRYPTED, None)
    assert delivered(found) == FILES[1:]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_special_files_are_not_followed(kind, tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        info = zipfile.ZipInfo("link.jpg")
        info.create_system, info.external_attr = 3, (kind | 0o777) << 16
        packed.writestr(info, "/etc/passwd")
    [member], error = walk(buffer.getvalue(), tmp_path)
    assert (member.refusal.reason, error) == (Reason.SPECIAL_FILE, None)


def test_names_come_out_as_the_bytes_that_they_are(tmp_path: Path):
    names = ["ä/ü.jpg".encode(), "ä.jpg".encode("cp437"), b"\xff\xfe.jpg", b"../../x", b"C:\\x"]
    broken_utf8 = zip_of([(name, b"1") for name in names])
    for record in range(len(names)):
        broken_utf8 = patched(broken_utf8, record, 8, b"\x00\x08")
    found, error = walk(broken_utf8, tmp_path)
    assert ([m.path[0] for m in found], error) == (names, None)


def test_a_name_ends_at_its_first_nul(tmp_path: Path):
    found, _ = walk(zip_of([(b"a.jpg", b"1")]).replace(b"a.jpg", b"a\0jpg"), tmp_path)
    assert found[0].path == (b"a",)


def test_a_folder_marked_by_windows_is_no_file(tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        info = RawInfo(b"folder\\")
        info.external_attr = 0x10
        packed.writestr(info, b"")
    assert walk(buffer.getvalue(), tmp_path) == ([], None)


def test_a_name_in_the_local_header_that_differs_is_no_reason_to_lose_the_file(tmp_path: Path):
    archive = zip_of(FILES).replace(b"a.txt", b"A.TXT", 1)
    found, error = walk(archive, tmp_path)
    assert (delivered(found), error) == (FILES, None)


def test_bytes_before_and_a_comment_behind_do_not_matter(tmp_path: Path):
    buffer = io.BytesIO(zip_of(FILES))
    with zipfile.ZipFile(buffer, "a") as packed:
        packed.comment = b"x" * 60_000
    archive = b"PK\x03\x04 a stub that unpacks itself " + buffer.getvalue()
    found, error = walk(archive, tmp_path)
    assert (delivered(found), error) == (FILES, None)


def test_sizes_written_behind_the_data_are_read(tmp_path: Path):
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = b""

        def write(self, data: bytes) -> int:
            self.written += bytes(data)
            return len(data)

        def writable(self) -> bool:
            return True

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in FILES:
            packed.writestr(name.decode(), data)
    found, error = walk(pipe.written, tmp_path)
    assert (delivered(found), error) == (FILES, None)


def test_sizes_in_zip64_fields_are_read(tmp_path: Path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        with packed.open("a", "w", force_zip64=True) as member:
            member.write(b"bytes")
        packed.filelist[0].extra = b""
    archive = buffer.getvalue()
    at = archive.index(b"PK\x01\x02")
    record = bytearray(archive[at : at + 47])
    record[20:28] = b"\xff" * 8
    extra = struct.pack("<2H2Q", 1, 16, 5, 5)
    record[30:32] = struct.pack("<H", len(extra))
    end = bytearray(archive[archive.index(b"PK\x05\x06") :])
    end[12:16] = struct.pack("<L", len(record) + len(extra))
    found, error = walk(archive[:at] + record + extra + end, tmp_path)
    assert (delivered(found), error) == ([(b"a", b"bytes")], None)


def test_seventy_thousand_members_come_out_in_little_memory(tmp_path: Path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as packed:
        for number in range(70_000):
            packed.writestr(zipfile.ZipInfo(f"{number}.jpg"), b"")
    count, grown_mb, reasons = measured(path, tmp_path)
    assert reasons == []
    assert count == 70_000
    assert grown_mb < 16


class TestDamage:
    """What is damaged is named, and everything else comes."""

    def test_a_wrong_checksum_refuses_its_member_only(self, tmp_path: Path):
        archive = zip_of(FILES, zipfile.ZIP_STORED).replace(b"zips", b"zipz", 1)
        found, error = walk(archive, tmp_path)
        assert error is None
        assert "CRC-32" in found[0].refusal.detail
        assert delivered(found) == FILES[1:]

    @pytest.mark.parametrize("method", METHODS[1:])
    def test_damaged_packed_data_refuses_its_member_only(self, method, tmp_path: Path):
        archive = bytearray(zip_of(FILES, method))
        archive[60:90] = bytes(30)
        found, error = walk(bytes(archive), tmp_path)
        assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_BROKEN, None)
        assert delivered(found) == FILES[1:]

    @pytest.mark.parametrize(
        ("at", "value", "detail"),
        [
            (2, b"\x06", "LZMA header"),
            (4, b"\xff", "LZMA header"),
            (4, b"\x2c", "LZMA header"),
            (5, b"\xff\xff\xff\xff", "4,294,967,295 bytes of memory"),
        ],
    )
    def test_a_bad_lzma_header_refuses_its_member_only(self, at, value, detail, tmp_path: Path):
        archive = bytearray(zip_of(FILES, zipfile.ZIP_LZMA))
        at += 30 + len(FILES[0][0])
        archive[at : at + len(value)] = value
        found, error = walk(bytes(archive), tmp_path)
        assert error is None
        assert detail in found[0].refusal.detail
        assert delivered(found) == FILES[1:]

    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("stated", [0, 10, 8999, 9001, 1 << 30])
    def test_a_stated_size_that_is_wrong_refuses_its_member_only(
        self, method, stated, tmp_path: Path
    ):
        archive = patched(zip_of(FILES, method), 2, 24, struct.pack("<L", stated))
        found, error = walk(archive, tmp_path)
        assert error is None
        assert found[2].refusal.reason in (
            Reason.ARCHIVE_BROKEN,
            Reason.ARCHIVE_RATIO,
            Reason.TOO_LARGE,
        )
        assert delivered(found) == FILES[:2]

    def test_a_stated_place_that_is_wrong_refuses_its_member_only(self, tmp_path: Path):
        for offset in (1, 0xFFFFFFF0):
            archive = patched(zip_of(FILES), 0, 42, struct.pack("<L", offset))
            found, error = walk(archive, tmp_path)
            assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_BROKEN, None)
            assert delivered(found) == FILES[1:]

    def test_a_download_that_was_cut_short_says_so(self, tmp_path: Path):
        found, error = walk(zip_of(FILES)[:-30], tmp_path)
        assert (found, error.reason) == ([], Reason.ARCHIVE_BROKEN)
        assert "incomplete" in error.detail

    def test_a_directory_damaged_in_the_middle_ends_the_walk_after_what_could_be_read(
        self, tmp_path: Path
    ):
        found, error = walk(patched(zip_of(FILES), 2, 0, b"XX"), tmp_path)
        assert delivered(found) == FILES[:2]
        assert error.reason is Reason.ARCHIVE_BROKEN

    def test_a_count_that_does_not_fit_is_reported(self, tmp_path: Path):
        archive = bytearray(zip_of(FILES))
        archive[-12] = 9
        found, error = walk(bytes(archive), tmp_path)
        assert delivered(found) == FILES
        assert "lists 3 members but announces 9" in error.detail

    def test_a_directory_larger_than_the_zip_is_no_directory(self, tmp_path: Path):
        archive = bytearray(zip_of(FILES))
        archive[-7] = 0x7F
        _, error = walk(bytes(archive), tmp_path)
        assert "larger than the zip" in error.detail

    def test_the_last_volume_of_several_says_so(self, tmp_path: Path):
        archive = bytearray(zip_of(FILES))
        archive[-18] = 3
        _, error = walk(bytes(archive), tmp_path)
        assert error.reason is Reason.UNSUPPORTED_ARCHIVE
        assert "join the parts" in error.detail


def overlapping(count: int) -> bytes:
    """A zip whose members all share one packed megabyte (the idea of Fifield's zip bomb)."""
    archive = zip_of([(b"kernel", bytes(1 << 20))])
    start = archive.index(b"PK\x01\x02")
    end = archive.index(b"PK\x05\x06")
    directory = archive[start:end] * count
    counts = struct.pack("<2H2L", count & 0xFFFF, count & 0xFFFF, len(directory), start)
    return archive[:start] + directory + archive[end : end + 8] + counts + b"\0\0"


def test_members_that_share_their_bytes_are_found_out(tmp_path: Path):
    found, error = walk(overlapping(10_000), tmp_path)
    assert "overlap" in error.detail
    assert len(found) < 3
