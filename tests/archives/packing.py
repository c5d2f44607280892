"""Making archives for the tests, with the standard library, under names of any bytes."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections.abc import Iterable
from pathlib import Path

import lz4.frame
from backports import zstd
from tests.archives.packing_7z import seven_zip_of

from naturalist.archives import ArchiveLimits, Kind, Member, WalkOptions, members
from naturalist.errors import PictureError

File = tuple[bytes, bytes]
PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zstd.compress,
    "lz4": lz4.frame.compress,
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
}
"""How one file is packed."""
KINDS: tuple[Kind, ...] = ("zip", "7z", "tar", *(f"tar.{packing}" for packing in PACKERS))
"""Every kind that holds any number of files."""
SINGLES: tuple[Kind, ...] = ("gz", "bz2", "xz", "zst", "lz4")
"""Every kind that holds one."""


class RawInfo(zipfile.ZipInfo):
    """A zip member whose name is written as the bytes it was given."""

    def __init__(self, name: bytes) -> None:
        super().__init__(name.decode("cp437"))
        self.raw = name

    def _encodeFilenameFlags(self) -> tuple[bytes, int]:  # noqa: N802 (zipfile calls it)
        return self.raw, self.flag_bits


def zip_of(files: Iterable[File], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of `files`, in their order, repeated names included."""
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as packed:
        warnings.filterwarnings("ignore", "Duplicate name")
        for name, data in files:
            packed.writestr(RawInfo(name), data, compress_type=method)
    return buffer.getvalue()


def as_deflate64(archive: bytes) -> bytes:
    """A deflated zip marked as Deflate64, which differs in matches of 258 bytes and far ones."""
    marked = bytearray(archive)
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        at = marked.find(signature)
        while at >= 0:
            marked[at + offset] = 9
            at = marked.find(signature, at + 1)
    return bytes(marked)


def tar_of(files: Iterable[File | tarfile.TarInfo], dialect: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of `files`, in their order; a TarInfo stands for a member without data."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=dialect, encoding="utf-8") as packed:
        for file in files:
            if isinstance(file, tarfile.TarInfo):
                packed.addfile(file)
            else:
                info = tarfile.TarInfo(file[0].decode("utf-8", "surrogateescape"))
                info.size = len(file[1])
                packed.addfile(info, io.BytesIO(file[1]))
    return buffer.getvalue()


def special(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    """A tar member that is no file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def pack(kind: Kind, files: Iterable[File]) -> bytes:
    """An archive of `kind` with `files`."""
    if kind == "zip":
        return zip_of(files)
    if kind == "7z":
        return seven_zip_of(files)
    return PACKERS.get(kind.removeprefix("tar."), bytes)(tar_of(files))


def walk(
    archive: bytes,
    folder: Path,
    limits: ArchiveLimits | None = None,
    options: WalkOptions | None = None,
    name: bytes | None = None,
) -> tuple[list[Member], PictureError | None]:
    """Everything that `members` yields, and the error it ends with."""
    path = folder / "archive"
    path.write_bytes(archive)
    found = []
    try:
        walked = members(
            path, limits or ArchiveLimits(), folder, options or WalkOptions(), name=name
        )
        for member in walked:
            found.append(member)  # noqa: PERF402 (what came before an error is kept)
    except PictureError as error:
        return found, error
    return found, None


def delivered(found: list[Member]) -> list[File]:
    """Name and data of what came out whole, of an archive without nested ones."""
    return [(member.path[0], member.data) for member in found if member.data is not None]


# VmHWM and not getrusage, whose maximum a process inherits from the one that started it.
_MEASURED = """
import sys
from pathlib import Path
from naturalist.archives import ArchiveLimits, members
from naturalist.errors import PictureError

def peak_mb():
    [line] = [l for l in open("/proc/self/status") if l.startswith("VmHWM")]
    return int(line.split()[1]) // 1024

before, count, reasons = peak_mb(), 0, []
try:
    for member in members(Path(sys.argv[1]), ArchiveLimits(), Path(sys.argv[2])):
        count += 1
        if member.refusal:
            reasons.append(member.refusal.reason.value)
except PictureError as error:
    reasons.append("end:" + error.reason.value)
print(count, peak_mb() - before, *reasons)
"""


def measured(archive: Path, scratch: Path) -> tuple[int, int, list[str]]:
    """Members, growth of peak memory in MiB and reasons of a walk in a process of its own."""
    command = [sys.executable, "-c", _MEASURED, str(archive), str(scratch)]
    count, grown_mb, *reasons = subprocess.check_output(command, text=True).split()
    return int(count), int(grown_mb), reasons
