"""What every store promises, as tests that the author of a store gets by subclassing.

    pytest.register_assert_rewrite("naturalist.stores.testing")   # in conftest.py, for messages

    class TestMyStore(StoreContract):
        @pytest.fixture
        def reopen(self, tmp_path):
            return lambda: MyStore(tmp_path)

pytest is needed to import this module, and by nothing else here.
"""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from naturalist.errors import Conflict, NotFound, StoreError
from naturalist.stores.protocol import ObjectInfo, Store, Upload

_ODD_KEYS = [
    "plain.txt",
    "with space.txt",
    "plus+and%percent%2F.txt",
    "a&b=c?d#e.txt",
    "häß/日本/🦊.txt",
    "e\u0301 decomposed.txt",
    "'quoted\"(1)[2]{3}~!@$^*;:,<>|`.txt",
    "deep/" * 20 + "x",
    ".hidden",
]


class StoreContract:
    """Every promise of `Store`; subclass it, name the class Test..., and give `reopen`."""

    @pytest.fixture
    def reopen(self) -> Callable[[], Store]:
        """A function that opens the same store, empty at first, each time it is called."""
        raise NotImplementedError("give the fixture `reopen` of your store")

    @pytest.fixture
    def store(self, reopen: Callable[[], Store]) -> Store:
        """The store, empty."""
        return reopen()

    @pytest.fixture
    def files(self, tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A folder for files of the tests, which is not that of the store."""
        return tmp_path_factory.mktemp("files")

    @pytest.fixture
    def picture(self, files: Path) -> Upload:
        path = files / "picture.bin"
        path.write_bytes(bytes(range(256)) * 40)
        return Upload("pictures/a.bin", path, _sha256(path.read_bytes()))

    def test_a_file_that_was_put_comes_back_with_its_checksum(
        self, store: Store, picture: Upload
    ) -> None:
        info = _put(store, picture)
        data, found = store.get_bytes(picture.key)
        assert data == picture.path.read_bytes()
        assert (info.size_bytes, info.sha256) == (10240, picture.sha256)
        assert found == info == store.head(picture.key)

    def test_finding_out_whether_it_can_be_written_to_leaves_nothing(self, store: Store) -> None:
        store.check_writable()
        assert list(store.list()) == []

    def test_another_process_sees_what_was_put(
        self, store: Store, reopen: Callable[[], Store], picture: Upload
    ) -> None:
        info = _put(store, picture)
        assert reopen().head(picture.key) == info

    def test_the_same_file_is_not_sent_twice(self, store: Store, picture: Upload) -> None:
        sent: list[bool] = []
        for _ in range(2):
            store.put_files([picture], lambda _upload, _info, was_sent: sent.append(was_sent))
        assert sent == [True, False]

    def test_a_published_key_never_changes_its_bytes(
        self, store: Store, picture: Upload, files: Path
    ) -> None:
        _put(store, picture)
        other = files / "other"
        other.write_bytes(b"other")
        with pytest.raises(StoreError, match="never change"):
            store.put_file(picture.key, other, _sha256(b"other"))
        assert store.get_bytes(picture.key)[0] == picture.path.read_bytes()

    def test_a_file_that_is_not_what_was_announced_is_refused(
        self, store: Store, picture: Upload
    ) -> None:
        with pytest.raises(StoreError, match="changed or is damaged"):
            store.put_file(picture.key, picture.path, _sha256(b"something else"))
        assert store.head(picture.key) is None
        assert list(store.list()) == []

    def test_a_missing_file_is_named(self, store: Store, files: Path) -> None:
        with pytest.raises(StoreError, match=r"gone\.bin"):
            store.put_file("k", files / "gone.bin", "0" * 64)

    def test_an_empty_object_is_an_object(self, store: Store) -> None:
        store.put_bytes("empty", b"")
        assert store.get_bytes("empty")[0] == b""

    def test_bytes_replace_what_was_there(self, store: Store) -> None:
        store.put_bytes("latest.json", b"1")
        info = store.put_bytes("latest.json", b"22")
        assert store.get_bytes("latest.json") == (b"22", info)

    @pytest.mark.parametrize("key", _ODD_KEYS)
    def test_odd_keys_are_kept_as_they_are(self, store: Store, key: str) -> None:
        info = store.put_bytes(key, key.encode())
        assert store.get_bytes(key)[0] == key.encode()
        assert store.head(key) == info
        assert [found.key for found in store.list()] == [key]
        assert [found.key for found in store.list(key[:3])] == [key]
        store.delete([key])
        assert list(store.list()) == []

    def test_many_files_are_put_and_reported_once_each(self, store: Store, files: Path) -> None:
        uploads = []
        for n in range(60):
            path = files / f"{n}.bin"
            path.write_bytes(b"%d" % n * n)
            uploads.append(Upload(f"many/{n % 3}/{n}", path, _sha256(path.read_bytes())))
        done: list[str] = []
        store.put_files(iter(uploads), lambda upload, _info, _sent: done.append(upload.key))
        assert sorted(done) == sorted(upload.key for upload in uploads)
        assert all(store.get_bytes(u.key)[0] == u.path.read_bytes() for u in uploads)

    def test_a_bad_file_among_many_fails_by_name_and_the_others_can_be_put_again(
        self, store: Store, files: Path, picture: Upload
    ) -> None:
        missing = Upload("many/missing", files / "nowhere.bin", "0" * 64)
        with pytest.raises(StoreError, match=r"nowhere\.bin"):
            store.put_files([picture, missing])
        done: list[str] = []
        with pytest.raises(StoreError):
            store.put_files(
                [picture, missing], lambda upload, _info, _sent: done.append(upload.key)
            )
        assert done == [picture.key]
        assert store.head(picture.key) is not None

    def test_if_absent_writes_once(self, store: Store) -> None:
        store.put_bytes("k", b"first", if_absent=True)
        with pytest.raises(Conflict):
            store.put_bytes("k", b"second", if_absent=True)
        assert store.get_bytes("k")[0] == b"first"

    def test_if_match_writes_only_over_the_version_that_was_read(self, store: Store) -> None:
        first = store.put_bytes("k", b"first").version
        second = store.put_bytes("k", b"second", if_match=first).version
        with pytest.raises(Conflict):
            store.put_bytes("k", b"third", if_match=first)
        assert store.get_bytes("k")[0] == b"second"
        assert store.get_bytes("k")[1].version == second

    def test_if_match_on_a_key_that_is_gone_is_a_conflict(self, store: Store) -> None:
        version = store.put_bytes("k", b"x").version
        store.delete(["k"])
        with pytest.raises(Conflict):
            store.put_bytes("k", b"y", if_match=version)

    @pytest.mark.parametrize("condition", ["absent", "match"])
    def test_of_writers_that_race_exactly_one_wins(
        self, store: Store, reopen: Callable[[], Store], condition: str
    ) -> None:
        version = store.put_bytes("k", b"start").version if condition == "match" else None

        def write(n: int) -> bytes | None:
            data = b"writer %d" % n
            try:
                reopen().put_bytes("k", data, if_absent=version is None, if_match=version)
            except Conflict:
                return None
            return data

        with ThreadPoolExecutor(6) as pool:
            winners = [data for data in pool.map(write, range(6)) if data]
        assert winners == [store.get_bytes("k")[0]]

    def test_what_is_not_there_is_said_to_be_missing(self, store: Store, files: Path) -> None:
        store.put_bytes("folder/object", b"x")
        for key in ("nothing", "folder", "folder/object/below"):
            assert store.head(key) is None
            with pytest.raises(NotFound, match="check the URL"):
                store.get_bytes(key)
            with pytest.raises(NotFound):
                store.fetch(key, files / "got")
            with pytest.raises(NotFound):
                store.fetch(key, files / "new" / "got", "0" * 64)
        assert not (files / "got").exists()
        assert not list(files.glob("**/*.part"))

    def test_deleting_is_idempotent_and_leaves_the_rest(self, store: Store) -> None:
        for key in ("a/b/c", "a/d", "e"):
            store.put_bytes(key, b"x")
        store.delete(["a/b/c", "never was", "e", "a", "a/d/below"])
        store.delete(["a/b/c"])
        assert [info.key for info in store.list()] == ["a/d"]

    def test_listing_follows_the_prefix_in_byte_order(self, store: Store) -> None:
        keys = ["a", "a-b/1", "a.txt", "ab/2", "ab/10", "ab0", "b", "é", "日"]
        for key in keys:
            store.put_bytes(key, key.encode())
        assert [info.key for info in store.list()] == sorted(keys, key=str.encode)
        assert [info.key for info in store.list("ab")] == ["ab/10", "ab/2", "ab0"]
        assert [info.key for info in store.list("ab/")] == ["ab/10", "ab/2"]
        assert [info.size_bytes for info in store.list("é")] == [2]
        assert list(store.list("zzz/")) == []

    def test_fetch_writes_the_whole_file_and_replaces_an_older_one(
        self, store: Store, picture: Upload, files: Path
    ) -> None:
        _put(store, picture)
        target = files / "new folder" / "got.bin"
        for _ in range(2):
            store.fetch(picture.key, target, picture.sha256)
            assert target.read_bytes() == picture.path.read_bytes()
        assert [path.name for path in target.parent.iterdir()] == ["got.bin"]

    def test_an_empty_object_is_fetched(self, store: Store, files: Path) -> None:
        info = store.put_bytes("empty", b"")
        store.fetch("empty", files / "a")
        store.fetch("empty", files / "b", info.sha256)
        assert (files / "a").read_bytes() == (files / "b").read_bytes() == b""

    def test_fetch_refuses_bytes_that_are_not_the_expected_ones(
        self, store: Store, picture: Upload, files: Path
    ) -> None:
        _put(store, picture)
        target = files / "got" / "got.bin"
        with pytest.raises(StoreError, match="corrupted"):
            store.fetch(picture.key, target, _sha256(b"something else"))
        assert list(target.parent.iterdir()) == []

    @pytest.mark.parametrize(
        "key", ["", "/a", "a/", "a//b", "../a", "a/./b", "a\nb", ".naturalist/x"]
    )
    def test_a_key_that_could_leave_its_place_is_refused(
        self, store: Store, files: Path, key: str
    ) -> None:
        calls: list[Callable[[], object]] = [
            lambda: store.put_bytes(key, b"x"),
            lambda: store.get_bytes(key),
            lambda: store.head(key),
            lambda: store.delete([key]),
            lambda: store.fetch(key, files / "x"),
        ]
        for call in calls:
            with pytest.raises(StoreError, match="is not a valid object key"):
                call()

    def test_reading_back_looks_at_the_bytes(self, store: Store, picture: Upload) -> None:
        info = _put(store, picture)
        assert store.read_back(picture.key) == info
        assert store.read_back("nothing/here") is None

    def test_a_listing_tells_when_objects_were_written(self, store: Store, picture: Upload) -> None:
        _put(store, picture)
        store.put_bytes("b", b"x")
        written = {info.key: info.modified_s for info in store.list()}
        assert written.keys() == {picture.key, "b"}
        assert all(when is not None and when > 1.7e9 for when in written.values())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _put(store: Store, upload: Upload) -> ObjectInfo:
    return store.put_file(upload.key, upload.path, upload.sha256)
