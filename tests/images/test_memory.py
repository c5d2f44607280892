"""Pictures that unpack to gigabytes are refused or reduced in little memory."""

import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image
from tests.images.making import encoded

READ_ONE = """
import sys
from pathlib import Path
from naturalist.errors import PictureError
from naturalist.images import PictureLimits, decode, read_header

def peak_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024

data = Path(sys.argv[1]).read_bytes()
before = peak_mb()
for read in (read_header, lambda data, limits: decode(data, limits, longer=160)):
    try:
        read(data, PictureLimits())
    except PictureError:
        pass
print(peak_mb() - before)
"""

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it"
)


def grown_mb(path: Path) -> int:
    """By how much the memory of a fresh process grows while it reads one picture."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ_ONE, str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return int(done.stdout)


@pytest.mark.parametrize(
    ("name", "allowed_mb"),
    [
        ("real/giant-image.jpg", 64),
        ("real/65536-uint32-limit.png", 16),
        ("real/decompression_bomb.gif", 16),
        ("real/badwidth.bmp", 16),
        ("generated/ztxt-bomb.png", 32),
        ("real/pitm.avif", 96),
    ],
)
def test_a_bomb_costs_little_memory(mess: Path, name: str, allowed_mb: int) -> None:
    assert grown_mb(mess / name) < allowed_mb


def png_of_nothing(width: int, height: int) -> bytes:
    """A forged PNG: a valid header of any size, and a few bytes of pixels."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = b"IDAT" + zlib.compress(bytes(1000))
    chunks = (
        struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c))
        for c in (header, pixels, b"IEND")
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def jpeg_of_nothing(width: int, height: int) -> bytes:
    """A small JPEG whose frame header declares another size."""
    data = bytearray(encoded(Image.new("RGB", (16, 16)), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(data)


def test_a_size_that_is_only_declared_costs_little_memory(tmp_path: Path) -> None:
    bombs = {
        "huge.png": png_of_nothing(60_000, 60_000),
        "huge.jpg": jpeg_of_nothing(65_000, 65_000),
        "large.jpg": jpeg_of_nothing(17_000, 17_000),
    }
    for name, data in bombs.items():
        path = tmp_path / name
        path.write_bytes(data)
        assert grown_mb(path) < 64, name
