"""Downloads that break off and go on."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from naturalist.errors import StoreError
from naturalist.stores.partial import download

DATA = os.urandom(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


def broken(_offset: int) -> Iterator[bytes]:
    yield DATA[:100_000]
    raise StoreError("the connection broke")


def test_a_download_goes_on_where_it_was_broken_off(tmp_path: Path) -> None:
    offsets: list[int] = []

    def rest(offset: int) -> list[bytes]:
        offsets.append(offset)
        return [DATA[offset:]]

    with pytest.raises(StoreError, match="broke"):
        download(tmp_path / "got", "k", "token", SHA256, broken)
    assert not (tmp_path / "got").exists()
    download(tmp_path / "got", "k", "token", SHA256, rest)
    assert offsets == [100_000]
    assert (tmp_path / "got").read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == ["got"]


def test_a_partial_file_of_other_bytes_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="broke"):
        download(tmp_path / "got", "k", "older", SHA256, broken)
    download(tmp_path / "got", "k", "newer", SHA256, lambda offset: [DATA[offset:]])
    assert (tmp_path / "got").read_bytes() == DATA


def test_two_downloads_to_one_place_do_not_mix(tmp_path: Path) -> None:
    def meanwhile(offset: int) -> Iterator[bytes]:
        with pytest.raises(StoreError, match="another process"):
            download(tmp_path / "got", "k", "token", SHA256, lambda _: [b"other"])
        yield DATA[offset:]

    download(tmp_path / "got", "k", "token", SHA256, meanwhile)
    assert (tmp_path / "got").read_bytes() == DATA
