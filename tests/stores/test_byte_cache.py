import os
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from naturalist.stores.byte_cache import ByteCache

SHARE = 1000
BOUND = 256 * SHARE


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_what_was_kept_is_given_back_to_every_process(tmp_path: Path) -> None:
    ByteCache(tmp_path / "cache", BOUND).put(b"a", b"bytes")
    assert ByteCache(tmp_path / "cache", BOUND).get(b"a") == b"bytes"
    assert ByteCache(tmp_path / "cache", BOUND).get(b"b") is None


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, SHARE)), max_size=60))
def test_it_never_keeps_more_than_its_bound_and_what_it_keeps_is_right(
    puts: list[tuple[int, int]],
) -> None:
    with TemporaryDirectory() as name:
        # One folder, so that every entry competes with every other.
        cache = _InOneFolder(Path(name), BOUND)
        latest: dict[bytes, bytes] = {}
        for number, size in puts:
            key, data = b"%d" % number, b"%d" % number * size
            cache.put(key, data[:size])
            latest[key] = data[:size]
        assert sum(path.stat().st_size for path in files(Path(name))) <= SHARE
        assert all(cache.get(key) in (None, data) for key, data in latest.items())


class _InOneFolder(ByteCache):
    def _path(self, key: bytes) -> Path:
        return self.folder / "00" / super()._path(key).name


def test_what_was_used_last_stays(tmp_path: Path) -> None:
    cache = _InOneFolder(tmp_path, BOUND)
    for key in (b"a", b"b", b"c"):
        cache.put(key, b"x" * 300)
    order = [cache._path(key) for key in (b"a", b"b", b"c")]
    for age, path in enumerate(order):
        os.utime(path, (1000 + age, 1000 + age))
    assert cache.get(b"a")
    cache.put(b"d", b"x" * 300)
    assert [cache.get(key) is not None for key in (b"a", b"b", b"c", b"d")] == [
        True, False, True, True,
    ]  # fmt: skip


def test_an_entry_that_was_damaged_is_none(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path, BOUND)
    cache.put(b"a", b"bytes")
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert cache.get(b"a") is None


def test_a_bound_of_nothing_keeps_nothing(tmp_path: Path) -> None:
    cache = ByteCache(tmp_path / "cache", 0)
    cache.put(b"a", b"")
    assert cache.get(b"a") is None
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    cache = ByteCache(tmp_path / "cache", BOUND)
    cache.put(b"a", b"bytes")
    assert cache.get(b"a") is None
