"""Want of memory is told from damage, whatever a decoder calls it."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.images.making import LIMITS, encoded, photo

from naturalist import images
from naturalist.errors import PictureError
from naturalist.images import PictureLimits
from naturalist.images.pillow_files import decoder_errors
from naturalist.images.shortage import can_allocate, unless_memory_is_short
from naturalist.reasons import Reason

_DECODE = """
import re, resource, sys
from pathlib import Path
from naturalist import images
from naturalist.errors import PictureError
from naturalist.images import PictureLimits

data = Path(sys.argv[1]).read_bytes()
status = Path("/proc/self/status").read_text()
now = int(re.search(r"VmSize:\\s+(\\d+)", status)[1]) * 1024
resource.setrlimit(resource.RLIMIT_AS, (now + int(sys.argv[2]), resource.RLIM_INFINITY))
try:
    images.read_header(data, PictureLimits())
    images.decode(data, PictureLimits())
except MemoryError:
    print("memory")
except PictureError as error:
    print(error.reason.value)
else:
    print("decoded")
"""


def decoded_within(path: Path, room_bytes: int) -> str:
    """Decode a file in a process that may take so much more memory than it has at its start."""
    command = [sys.executable, "-c", _DECODE, str(path), str(room_bytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "gif", "tiff", "avif", "jpeg2000"])
def test_a_sound_picture_is_never_called_broken_for_want_of_memory(
    tmp_path: Path, name: str
) -> None:
    path = tmp_path / "picture"
    path.write_bytes(encoded(photo(1200, 1600), name))
    assert decoded_within(path, 4_000_000) == "memory"
    assert decoded_within(path, 2_000_000_000) == "decoded"


def test_a_damaged_picture_is_refused_where_there_is_memory(tmp_path: Path) -> None:
    data = bytearray(encoded(photo(300, 400), "webp", lossless=True))
    data[30:] = b"\xff" * (len(data) - 30)
    path = tmp_path / "picture"
    path.write_bytes(data)
    assert decoded_within(path, 2_000_000_000) in ("broken_pixels", "broken_header", "truncated")


def test_a_picture_that_asks_for_more_than_any_could_need_is_at_fault() -> None:
    """As forged ones do: what a picture of its size may need can be had."""

    def read(data: bytes, limits: PictureLimits) -> None:
        with decoder_errors(Reason.BROKEN_PIXELS):
            raise MemoryError

    checked = unless_memory_is_short(read, lambda data, limits: 100)
    with pytest.raises(PictureError) as caught:
        checked(b"", LIMITS)
    assert caught.value.reason is Reason.BROKEN_PIXELS


def test_memory_that_was_short_for_a_moment_costs_no_picture() -> None:
    failures = [MemoryError()]

    def read(data: bytes, limits: PictureLimits) -> bytes:
        with decoder_errors(Reason.BROKEN_PIXELS):
            if failures:
                raise failures.pop()
            return data

    assert unless_memory_is_short(read, lambda data, limits: 100)(b"pixels", LIMITS) == b"pixels"


def test_no_memory_is_what_the_system_refuses() -> None:
    assert can_allocate(1)
    assert not can_allocate(1 << 62)


def test_refusals_of_our_own_need_no_memory() -> None:
    with pytest.raises(PictureError) as caught:
        images.decode(encoded(photo(30, 40), "png"), PictureLimits(max_pixels=100))
    assert caught.value.reason is Reason.TOO_MANY_PIXELS
