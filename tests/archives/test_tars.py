"""`tars.py`: tars in every dialect, with everything in them that is no plain file."""

import bz2
import gzip
import lzma
import os
import shutil
import struct
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.archives.packing import delivered, special, tar_of, walk

from naturalist.archives import ArchiveLimits
from naturalist.reasons import Reason

FILES = [(b"a.txt", Path(__file__).read_bytes()), (b"empty", b""), (b"b", bytes(9000))]
DIALECTS = [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]


def header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header whose size field holds any bytes."""
    block = bytearray(name.ljust(100, b"\0") + b"0000644\0" + b"0000000\0" * 2)
    block += size.ljust(12, b"\0") + b"00000000000\0" + b" " * 8 + kind
    block = block.ljust(257, b"\0") + b"ustar\x0000"
    block = block.ljust(512, b"\0")
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax(*records: bytes, kind: bytes = b"x") -> bytes:
    """A pax header with `records` as they are."""
    data = b"".join(records)
    return header(b"pax", b"%o" % len(data), kind) + data + bytes(-len(data) % 512)


def record(keyword: bytes, value: bytes) -> bytes:
    """A well-formed pax record."""
    length = len(keyword) + len(value) + 3
    while len(b"%d" % length) + len(keyword) + len(value) + 3 != length:
        length += 1
    return b"%d %b=%b\n" % (length, keyword, value)


END = bytes(1024)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_is_read(dialect, tmp_path: Path):
    files = [(b"n" * 90 + b"/" + b"m" * 90, b"long name"), *FILES]
    found, error = walk(tar_of(files, dialect), tmp_path)
    assert (delivered(found), error) == (files, None)


@given(
    st.lists(st.tuples(st.binary(max_size=30), st.integers(1, 20)), max_size=5),
    st.binary(max_size=30),
)
def test_names_of_any_bytes_come_out_of_gnu_and_pax_tars(tmp_path_factory, parts, data):
    files = [(b"x" + part.replace(b"\0", b"") * times + b".", data) for part, times in parts]
    folder = tmp_path_factory.getbasetemp()
    for dialect in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        found, error = walk(tar_of([(b"first", b""), *files], dialect), folder)
        assert (delivered(found)[1:], error) == (files, None)


def test_an_old_tar_without_magic_is_read(tmp_path: Path):
    block = bytearray(header(b"a", b"5", b"\0"))
    block[257:265] = bytes(8)
    block[148:156] = b"%06o\0 " % (sum(block) - sum(block[148:156]) + 256)
    found, error = walk(bytes(block) + b"bytes".ljust(512, b"\0") + END, tmp_path)
    assert (delivered(found), error) == ([(b"a", b"bytes")], None)


def test_links_devices_and_pipes_are_never_followed(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("not in the tar")
    odd = [
        special("link", tarfile.SYMTYPE, str(secret)),
        special("hard", tarfile.LNKTYPE, "a.txt"),
        special("pipe", tarfile.FIFOTYPE),
        special("disk", tarfile.BLKTYPE),
        special("tty", tarfile.CHRTYPE),
    ]
    found, error = walk(tar_of([FILES[0], *odd, FILES[1]]), tmp_path)
    assert (delivered(found), error) == (FILES[:2], None)
    refused = {m.path[0]: m.refusal for m in found if m.refusal}
    assert {refusal.reason for refusal in refused.values()} == {Reason.SPECIAL_FILE}
    assert str(secret) in refused[b"link"].detail
    assert "a.txt, which has its own entry" in refused[b"hard"].detail


def test_folders_of_every_kind_are_no_files(tmp_path: Path):
    archive = header(b"new/", b"0", b"5") + header(b"old/", b"0", b"\0")
    archive += header(b"dumped/", b"3", b"D") + b"Na\0".ljust(512, b"\0")
    found, error = walk(archive + header(b"a", b"0") + END, tmp_path)
    assert (delivered(found), error) == ([(b"a", b"")], None)


def test_a_kind_that_nobody_knows_is_a_file(tmp_path: Path):
    found, error = walk(header(b"a", b"3", b"Q") + b"abc".ljust(512, b"\0") + END, tmp_path)
    assert (delivered(found), error) == ([(b"a", b"abc")], None)


def test_tars_appended_to_each_other_are_all_read(tmp_path: Path):
    for pack in (bytes, gzip.compress, bz2.compress, lzma.compress):
        archive = pack(tar_of(FILES[:1])) + pack(tar_of(FILES[1:]))
        found, error = walk(archive, tmp_path)
        assert (delivered(found), error) == (FILES, None)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("garbage", [b"\0" * 5000, b"garbage", b"\x1f"])
def test_garbage_behind_packed_data_does_not_matter(pack, garbage, tmp_path: Path):
    found, error = walk(pack(tar_of(FILES)) + garbage, tmp_path)
    assert (delivered(found), error) == (FILES, None)


class TestSparse:
    """Sparse members come out as the files they were."""

    @pytest.mark.parametrize(
        "dialect",
        [
            "--format=gnu",
            "--format=pax --sparse-version=0.0",
            "--format=pax --sparse-version=0.1",
            "--format=pax --sparse-version=1.0",
        ],
    )
    def test_as_gnu_tar_writes_them(self, dialect, tmp_path: Path):
        if shutil.which("tar") is None:
            pytest.skip("no tar program on this machine")
        holes = tmp_path / "holes"
        with holes.open("wb") as file:
            for number in range(80):
                file.seek(number * 50_000)
                file.write(b"%d" % number * 3)
            file.truncate(5_000_000)
        (tmp_path / "plain").write_bytes(b"plain")
        command = ["tar", *dialect.split(), "-Scf", "a.tar", "holes", "plain"]
        if subprocess.run(command, cwd=tmp_path, check=False, capture_output=True).returncode:
            pytest.skip("this tar program does not write that dialect")
        archive = (tmp_path / "a.tar").read_bytes()
        assert len(archive) < 2_000_000, "tar has not seen the holes"
        found, error = walk(archive, tmp_path)
        assert error is None
        assert delivered(found) == [(b"holes", holes.read_bytes()), (b"plain", b"plain")]

    @pytest.mark.parametrize(
        "numbers", [b"0,3,2,3", b"5,3,0,3", b"0,3", b"0,99", b"0,3,4", b"x", b"-1,6", b"0,6,9,0"]
    )
    def test_maps_that_contradict_themselves_refuse_their_member_only(
        self, numbers, tmp_path: Path
    ):
        archive = pax(record(b"GNU.sparse.map", numbers), record(b"GNU.sparse.size", b"8"))
        archive += header(b"a", b"6") + b"abcdef".ljust(512, b"\0") + tar_of([(b"b", b"fine")])
        found, error = walk(archive, tmp_path)
        assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_BROKEN, None)
        assert delivered(found) == [(b"b", b"fine")]

    @pytest.mark.parametrize(
        "text", [b"", b"x\n", b"99999\n", b"2\n0\n", b"999999\n" + b"1" * (2 << 20)]
    )
    def test_maps_before_the_data_that_do_not_end_refuse_their_member_only(
        self, text, tmp_path: Path
    ):
        archive = pax(record(b"GNU.sparse.major", b"1"), record(b"GNU.sparse.realsize", b"8"))
        archive += header(b"a", b"%o" % len(text)) + text + bytes(-len(text) % 512)
        found, error = walk(archive + tar_of([(b"b", b"fine")]), tmp_path)
        assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_BROKEN, None)
        assert delivered(found) == [(b"b", b"fine")]

    def test_an_old_map_that_does_not_end_is_noticed(self, tmp_path: Path):
        block = bytearray(header(b"a", b"0", b"S"))
        block[482], block[148:156] = 1, b" " * 8
        block[148:156] = b"%06o\0 " % sum(block)
        endless = (bytes(504) + b"\1").ljust(512, b"\0") * 3000
        for more in (b"", endless, b"\xff" * 504 + bytes(8)):
            found, _ = walk(bytes(block) + more, tmp_path)
            assert found[0].refusal.reason is Reason.ARCHIVE_BROKEN

    def test_holes_of_terabytes_are_refused(self, tmp_path: Path):
        archive = pax(record(b"GNU.sparse.map", b"0,0"), record(b"GNU.sparse.size", b"9" * 15))
        found, error = walk(archive + header(b"a", b"0") + END, tmp_path)
        assert (found[0].refusal.reason, error) == (Reason.TOO_LARGE, None)
        archive = archive.replace(b"9" * 15, b"000000099999999")
        found, error = walk(archive + header(b"a", b"0") + END, tmp_path)
        assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_RATIO, None)


class TestDamage:
    """What is damaged is named, and what can still be found comes."""

    @pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
    def test_an_archive_cut_short_gives_what_it_has_and_says_so(self, pack, tmp_path: Path):
        noise = [(b"%d" % number, os.urandom(70_000)) for number in range(40)]
        whole = pack(tar_of(noise))
        found, error = walk(whole[: len(whole) // 2], tmp_path)
        assert delivered(found) == noise[: len(delivered(found))]
        assert len(delivered(found)) >= 5
        assert error.reason is Reason.ARCHIVE_BROKEN

    def test_one_cut_between_two_members_is_noticed_too(self, tmp_path: Path):
        found, error = walk(header(b"a", b"1") + b"1".ljust(512, b"\0"), tmp_path)
        assert delivered(found) == [(b"a", b"1")]
        assert "end marker" in error.detail

    def test_behind_a_damaged_header_the_walk_goes_on(self, tmp_path: Path):
        archive = bytearray(tar_of([(b"1", b"one"), (b"2", bytes(2000)), (b"3", b"three")]))
        archive[1024] ^= 1
        found, error = walk(bytes(archive), tmp_path)
        assert delivered(found) == [(b"1", b"one"), (b"3", b"three")]
        assert error.reason is Reason.ARCHIVE_BROKEN

    def test_a_long_name_whose_member_is_lost_is_not_given_to_the_next_one(self, tmp_path: Path):
        archive = pax(record(b"path", b"long")) + b"damaged".ljust(512) + tar_of(FILES)
        found, error = walk(archive, tmp_path)
        assert delivered(found) == FILES
        assert error.reason is Reason.ARCHIVE_BROKEN

    def test_a_flipped_bit_in_packed_data_is_noticed(self, tmp_path: Path):
        archive = bytearray(gzip.compress(tar_of([(b"1", os.urandom(99_999))]), 0))
        archive[50_000] ^= 1
        _, error = walk(bytes(archive), tmp_path)
        assert error.reason is Reason.ARCHIVE_BROKEN

    @pytest.mark.parametrize(
        "size",
        [b"\xff" * 12, b"\xff" * 11 + b"\0", b"\x80" + b"\xff" * 11, b"77777777777", b"-1", b"9"],
    )
    def test_sizes_that_cannot_be_end_in_an_error_and_not_in_a_loop(self, size, tmp_path: Path):
        archive = header(b"a", b"0") + header(b"bad", size) + tar_of(FILES)
        found, error = walk(archive, tmp_path)
        assert found[0].data == b""
        assert error.reason is Reason.ARCHIVE_BROKEN

    @pytest.mark.parametrize("size", [b"-1000", b"9" * 5000, b"1e3", b"", b"9" * 19])
    def test_sizes_in_pax_headers_that_cannot_be_end_in_an_error(self, size, tmp_path: Path):
        archive = pax(record(b"size", size)) + header(b"a", b"0") + tar_of(FILES)
        _, error = walk(archive, tmp_path)
        assert error.reason is Reason.ARCHIVE_BROKEN

    @pytest.mark.parametrize(
        "bad", [b"2 " * 100_000 + b"=", b"0 a=b\n", b"9999 a=b\n", b"x", b"12 a=b"]
    )
    def test_pax_headers_that_cannot_be_read_are_reported(self, bad, tmp_path: Path):
        found, error = walk(pax(bad) + tar_of(FILES), tmp_path)
        assert delivered(found) == FILES
        assert "pax header" in error.detail

    def test_an_extension_header_too_large_is_passed_over(self, tmp_path: Path):
        for kind in (b"x", b"L", b"g"):
            data = b"n" * (2 << 20)
            archive = header(b"", b"%o" % len(data), kind) + data + tar_of(FILES)
            found, error = walk(archive, tmp_path)
            assert delivered(found) == FILES
            assert error is None if kind == b"g" else "larger than 1 MiB" in error.detail

    def test_ten_thousand_extension_headers_in_a_row_are_read(self, tmp_path: Path):
        archive = pax(record(b"path", b"long")) * 10_000 + header(b"short", b"0") + END
        found, error = walk(archive, tmp_path)
        assert (delivered(found), error) == ([(b"long", b"")], None)

    def test_the_rest_of_a_member_from_another_volume_is_refused(self, tmp_path: Path):
        archive = header(b"a", b"3", b"M") + b"abc".ljust(512, b"\0") + tar_of(FILES)
        found, error = walk(archive, tmp_path)
        assert (found[0].refusal.reason, error) == (Reason.ARCHIVE_BROKEN, None)
        assert delivered(found) == FILES


def test_an_xz_that_asks_for_gigabytes_of_memory_is_not_opened(tmp_path: Path):
    archive = bytearray(lzma.compress(tar_of(FILES)))
    length = (archive[12] + 1) * 4
    assert archive[14:16] == b"\x21\x01", "the LZMA2 filter and the length of its properties"
    archive[16] = 40  # 4 GiB, the most that the format knows
    checksum = struct.pack("<L", zlib.crc32(archive[12 : 12 + length - 4]))
    archive[12 + length - 4 : 12 + length] = checksum
    found, error = walk(bytes(archive), tmp_path, ArchiveLimits())
    assert error is None
    assert [member.refusal.reason for member in found] == [Reason.ARCHIVE_BROKEN]
