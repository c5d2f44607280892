"""A file that was meant to be a picture and is none is a failure; one that was not is none."""

import pytest

from naturalist.errors import PictureError
from naturalist.images import sniff
from naturalist.reasons import Reason
from naturalist.stages.ingest.file_names import refuse_unreadable

PAGE = b"\xef\xbb\xbf<!DOCTYPE html><html><body>Not found</body></html>"


def refusal(name: str, head: bytes) -> PictureError:
    with pytest.raises(PictureError) as caught:
        refuse_unreadable(sniff(head), name.encode(), head)
    return caught.value


@pytest.mark.parametrize(
    "name",
    ["a.jpg", "A.JPEG", "x.y.png", "photo.tif", "photo.HEIC", "p.jpg?width=300", "m.pgm"],
)
@pytest.mark.parametrize(
    ("head", "what"),
    [
        (PAGE, "web page"),
        (b'{"error": "rate limit"}', "JSON"),
        (bytes(4096), "zeros"),
        (b"some words", "text"),
        (bytes(range(256)), "unknown format"),
    ],
)
def test_a_file_named_like_a_picture_that_is_none_is_a_failure(name, head, what):
    error = refusal(name, head)
    assert error.reason is Reason.MISNAMED
    assert error.reason.is_failure
    assert what in error.detail


@pytest.mark.parametrize("name", ["photos.zip", "photos.tar.gz", "a.7z", "b.rar"])
def test_so_is_one_that_is_named_like_an_archive(name):
    error = refusal(name, PAGE)
    assert error.reason is Reason.MISNAMED
    assert "an archive" in error.detail


@pytest.mark.parametrize("name", ["index.html", "labels.csv", "a.jpg.txt", "jpg", "notes", "x.xml"])
def test_other_files_are_no_failures(name):
    error = refusal(name, PAGE)
    assert error.reason is Reason.NOT_A_PICTURE
    assert not error.reason.is_failure


@pytest.mark.parametrize(
    "name",
    ["_SUCCESS", "data_$folder$", ".gitkeep", ".nomedia", ".DS_Store", "._a.jpg", "Thumbs.db"],
)
@pytest.mark.parametrize("head", [b"", b"\0\5\x16\7"])
def test_markers_of_systems_are_no_failures_though_they_are_empty(name, head):
    error = refusal(name, head)
    assert error.reason is Reason.SYSTEM_FILE
    assert not error.reason.is_failure


def test_an_empty_picture_is_a_failure():
    assert refusal("a.jpg", b"").reason is Reason.EMPTY_FILE


def test_a_pointer_of_git_lfs_keeps_its_own_reason():
    head = b"version https://git-lfs.github.com/spec/v1\noid sha256:1"
    assert refusal("a.jpg", head).reason is Reason.GIT_LFS_POINTER
