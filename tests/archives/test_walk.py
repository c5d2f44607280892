"""`walk.py`: what goes into an archive comes out of it, within limits, and nothing else happens."""

import errno
import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.archives.packing import KINDS, delivered, pack, tar_of, walk, zip_of

from naturalist.archives import ArchiveLimits, Kind, WalkOptions, archive_kind, members
from naturalist.errors import PictureError, StorageFull, WorkspaceError
from naturalist.reasons import Reason

NAMES = (
    b"a.jpg",
    b"../../outside.jpg",
    b"/etc/passwd",
    b"C:\\Windows\\x.jpg",
    "grün/ä.jpg".encode(),
    "grün/ä.jpg".encode("cp437"),
    b"new\nline.jpg",
    b"./dot.jpg",
    b" ",
    b"n" * 300,
)
names = st.sampled_from(NAMES) | st.binary(min_size=1, max_size=30).filter(
    lambda name: b"\0" not in name and not name.endswith(b"/")
)
short = st.binary(max_size=30)
long = st.tuples(st.binary(min_size=1, max_size=9), st.integers(4090, 4100)).map(
    lambda made: (made[0] * made[1])[: made[1]]
)
contents = short | long
files = st.tuples(names, contents.filter(lambda data: archive_kind(data) is None))
Tree = tuple[Any, ...]
"""A file (name, bytes), or an archive (name, kind, [tree, ...])."""
trees = st.recursive(
    files,
    lambda inner: st.tuples(names, st.sampled_from(KINDS), st.lists(inner, min_size=1, max_size=4)),
    max_leaves=6,
)


def named(kind: Kind, name: bytes) -> bytes:
    """What a kind of archive makes of a name: 7z holds text."""
    return name.decode("utf-8", "replace").encode() if kind == "7z" else name


def packed(kind: Kind, children: list[Tree]) -> bytes:
    return pack(
        kind,
        [
            (named(kind, tree[0]), tree[1] if len(tree) == 2 else packed(*tree[1:]))
            for tree in children
        ],
    )


def expected(
    kind: Kind, children: list[Tree], inside: tuple[bytes, ...] = ()
) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for tree in children:
        path = (*inside, named(kind, tree[0]))
        if len(tree) == 2:
            rows.append((path, "file", tree[1]))
        else:
            rows += [*expected(tree[1], tree[2], path), (path, "archive", None)]
    return rows


@given(st.sampled_from(KINDS), st.lists(trees, min_size=1, max_size=4))
@settings(max_examples=60)
def test_what_was_packed_comes_out_in_order_whole_and_under_its_own_name(kind, children):
    with tempfile.TemporaryDirectory() as folder:
        found, error = walk(
            packed(kind, children), Path(folder), ArchiveLimits(max_archive_depth=99)
        )
        assert [path.name for path in Path(folder).iterdir()] == ["archive"]
    assert error is None
    assert [(m.path, m.kind, m.data) for m in found] == expected(kind, children)
    assert len({(m.path, m.occurrence) for m in found}) == len(found)
    assert all(m.size_bytes == len(m.data) for m in found if m.data is not None)


@pytest.mark.parametrize("kind", KINDS)
def test_real_photos_come_out_byte_by_byte(kind, photos: Path, tmp_path: Path):
    packed_photos = [
        (bytes(path.relative_to(photos)), path.read_bytes())
        for path in sorted(photos.rglob("*.jpg"))[::200]
    ]
    found, error = walk(pack(kind, packed_photos), tmp_path)
    assert (delivered(found), error) == (packed_photos, None)


def test_equal_names_in_one_archive_are_counted(tmp_path: Path):
    inner = zip_of([(b"a", b"1"), (b"a", b"2")])
    found, _ = walk(tar_of([(b"x", inner), (b"a", b"3"), (b"x", inner)]), tmp_path)
    assert [(m.path, m.occurrence) for m in found] == [
        ((b"x", b"a"), 0),
        ((b"x", b"a"), 1),
        ((b"x",), 0),
        ((b"a",), 0),
        ((b"x", b"a"), 2),
        ((b"x", b"a"), 3),
        ((b"x",), 1),
    ]


def test_a_file_that_is_not_wanted_comes_with_its_head_only(tmp_path: Path):
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of([(b"no", b"text" * 5000), (b"yes", b"\xff\xd8" + bytes(5000))]))
    wanted = {True: [], False: []}
    options = WalkOptions(lambda head: head.startswith(b"\xff\xd8"))
    for member in members(path, ArchiveLimits(), tmp_path, options):
        wanted[member.data is not None].append(member)
    assert [(m.path, m.size_bytes, m.refusal) for m in wanted[False]] == [((b"no",), 20_000, None)]
    assert wanted[False][0].head == (b"text" * 5000)[:4096]
    assert wanted[True][0].data == b"\xff\xd8" + bytes(5000)


def test_a_wanted_file_is_not_walked_though_it_is_an_archive_too(tmp_path: Path):
    inner = zip_of([(b"a", b"1")])
    path = tmp_path / "a.zip"
    path.write_bytes(zip_of([(b"both", inner)]))
    [member] = members(path, ArchiveLimits(), tmp_path, WalkOptions(lambda head: True))
    assert (member.kind, member.data) == ("file", inner)


def test_a_nested_archive_that_is_broken_says_so_and_the_walk_goes_on(tmp_path: Path):
    inner = tar_of([(b"1", b"one"), (b"2", b"two" * 1000)])[:2000]
    found, error = walk(zip_of([(b"in.tar", inner), (b"after", b"fine")]), tmp_path)
    assert error is None
    assert [(m.path, m.kind, m.refusal and m.refusal.reason) for m in found] == [
        ((b"in.tar", b"1"), "file", None),
        ((b"in.tar", b"2"), "file", Reason.ARCHIVE_BROKEN),
        ((b"in.tar",), "archive", Reason.ARCHIVE_BROKEN),
        ((b"after",), "file", None),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_folders_are_no_files(kind, tmp_path: Path):
    if kind == "zip":
        archive = zip_of([(b"folder/", b""), (b"folder/a", b"1")])
    else:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        archive = tar_of([folder, (b"folder/a", b"1")])
    found, error = walk(archive, tmp_path)
    assert (delivered(found), error) == ([(b"folder/a", b"1")], None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", Reason.ARCHIVE_BROKEN), (b"a picture", Reason.ARCHIVE_BROKEN)],
)
def test_what_is_no_archive_is_refused_at_the_first_step(content, reason, tmp_path: Path):
    found, error = walk(content, tmp_path)
    assert (found, error and error.reason) == ([], reason)


def test_an_archive_that_is_gone_or_closed_is_refused_with_that_reason(tmp_path: Path):
    with pytest.raises(PictureError) as caught:
        next(members(tmp_path / "gone.zip", ArchiveLimits(), tmp_path))
    assert caught.value.reason is Reason.VANISHED
    with pytest.raises(PictureError) as caught:
        next(members(tmp_path, ArchiveLimits(), tmp_path))
    assert caught.value.reason is Reason.READ_ERROR


class TestLimits:
    """Each limit refuses with its own reason, names itself, and stops nothing it need not stop."""

    def test_a_member_that_is_too_large_is_refused_and_the_next_one_comes(self, tmp_path: Path):
        limits = ArchiveLimits(max_member_bytes=1000)
        for kind in KINDS:
            archive = pack(kind, [(b"large", bytes(range(250)) * 5), (b"small", b"1")])
            found, error = walk(archive, tmp_path, limits)
            assert error is None
            assert found[0].refusal.reason is Reason.TOO_LARGE
            assert "limits.max_member_bytes is 1,000" in found[0].refusal.detail
            assert found[1].data == b"1"

    def test_more_members_than_allowed_end_the_walk(self, tmp_path: Path):
        archive = zip_of([(b"x", tar_of([(b"%d" % n, b"") for n in range(9)]))])
        found, error = walk(archive, tmp_path, ArchiveLimits(max_archive_members=5))
        assert error.reason is Reason.ARCHIVE_TOO_MANY_MEMBERS
        assert "limits.max_archive_members = 5" in error.detail
        assert [m.kind for m in found] == ["file"] * 4 + ["archive"]

    def test_more_bytes_than_allowed_end_the_walk(self, tmp_path: Path):
        noise = bytes(range(256)) * 4
        archive = zip_of([(b"x.zip", zip_of([(b"%d" % n, noise) for n in range(9)]))] * 3, 0)
        found, error = walk(archive, tmp_path, ArchiveLimits(max_archive_bytes=10_000))
        assert error.reason is Reason.ARCHIVE_TOO_LARGE
        assert "limits.max_archive_bytes is 10,000" in error.detail
        assert found[-1].kind == "archive"

    def test_an_archive_too_deep_is_refused_unopened(self, tmp_path: Path):
        archive = zip_of([(b"2", zip_of([(b"3", zip_of([(b"4", zip_of([(b"a", b"")]))]))]))])
        found, error = walk(archive, tmp_path)
        assert error is None
        assert [(m.path, m.refusal and m.refusal.reason) for m in found] == [
            ((b"2", b"3", b"4"), Reason.ARCHIVE_TOO_DEEP),
            ((b"2", b"3"), None),
            ((b"2",), None),
        ]
        assert "limits.max_archive_depth is 3" in found[0].refusal.detail

    def test_a_member_that_unpacks_too_far_is_refused(self, tmp_path: Path):
        archive = zip_of([(b"bomb", bytes(11 << 20)), (b"fine", bytes(9 << 20))])
        found, error = walk(archive, tmp_path)
        assert error is None
        assert found[0].refusal.reason is Reason.ARCHIVE_RATIO
        assert "limits.max_archive_ratio is 200" in found[0].refusal.detail
        assert found[1].data == bytes(9 << 20)

    @pytest.mark.parametrize("kind", KINDS)
    def test_many_small_members_that_unpack_too_far_together_end_the_walk(
        self, kind, tmp_path: Path
    ):
        archive = pack(kind, [(b"%d" % n, bytes(1 << 20)) for n in range(8)])
        found, error = walk(archive, tmp_path, ArchiveLimits(max_member_bytes=1 << 20))
        if kind == "tar":
            assert error is None
        else:
            assert error.reason is Reason.ARCHIVE_RATIO
            assert len(found) < 8

    def test_a_nested_bomb_does_not_take_its_neighbours_down(self, tmp_path: Path):
        bomb = pack("tar.gz", [(b"%d" % n, bytes(1 << 20)) for n in range(8)])
        neighbour = (b"photo", Path(__file__).read_bytes() * 4)
        limits = ArchiveLimits(max_member_bytes=1 << 20, max_archive_ratio=100)
        padding = (b"padding", bytes(200_000))
        archive = zip_of([(b"bomb.tar.gz", bomb), padding, neighbour], 0)
        found, error = walk(archive, tmp_path, limits)
        assert error is None
        assert next(m for m in found if m.kind == "archive").refusal.reason is Reason.ARCHIVE_RATIO
        assert found[-1].data == neighbour[1]


class TestScratch:
    """The scratch folder."""

    def test_it_is_empty_again_however_the_walk_ends(self, tmp_path: Path):
        scratch = tmp_path / "scratch"
        scratch.mkdir()
        path = tmp_path / "a.tar"
        large = zip_of([(b"1", bytes(20 << 20)), (b"2", b"")], 0)
        path.write_bytes(tar_of([(b"in.zip", large)]))
        walk_part = members(path, ArchiveLimits(), scratch)
        assert next(walk_part).path == (b"in.zip", b"1")
        assert list(scratch.iterdir()) == []
        walk_part.close()
        assert list(scratch.iterdir()) == []

    @pytest.mark.parametrize(
        ("number", "raised"), [(errno.ENOSPC, StorageFull), (errno.EROFS, WorkspaceError)]
    )
    def test_trouble_with_writing_stops_the_run_and_blames_no_picture(
        self, number, raised, tmp_path: Path, monkeypatch
    ):
        def refuse(*args: object) -> int:
            raise OSError(number, "no")

        monkeypatch.setattr(tempfile.SpooledTemporaryFile, "write", refuse)
        path = tmp_path / "a.tar"
        path.write_bytes(tar_of([(b"in.zip", zip_of([(b"1", b"")]))]))
        with pytest.raises(raised, match=str(tmp_path)):
            list(members(path, ArchiveLimits(), tmp_path))


def test_a_disk_that_fails_while_reading_is_a_reading_error(tmp_path: Path, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, count: int | None = -1) -> bytes:
            if self.tell() > 100_000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(count)

    archive = tar_of([(b"1", bytes(1000)), (b"2", bytes(300_000)), (b"3", b"")])
    monkeypatch.setattr(Path, "open", lambda *_: Failing(archive))
    with pytest.raises(PictureError) as caught:
        list(members(tmp_path / "a.tar", ArchiveLimits(), tmp_path))
    assert caught.value.reason is Reason.READ_ERROR
