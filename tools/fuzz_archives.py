"""Mutate small archives of every kind and walk them, until the time is over:

    python tools/fuzz_archives.py --minutes 60 --seed 1

Whatever the bytes, a walk gives members or a `PictureError`, writes nothing that stays, and holds
no more memory than its limits allow. What does otherwise is written to a file of its own, with the
seed that makes it again; the exit code is 1 then. The archives are those of the tests.
"""

import argparse
import random
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT), str(ROOT / "src")]

from tests.archives.packing import KINDS, PACKERS, SINGLES, as_deflate64, pack, zip_of  # noqa: E402
from tests.archives.packing_7z import METHODS, seven_zip_of, with_header  # noqa: E402

from naturalist.archives import ArchiveLimits, WalkOptions, members  # noqa: E402
from naturalist.errors import PictureError  # noqa: E402

LIMITS = ArchiveLimits(
    max_member_bytes=1 << 20, max_archive_bytes=1 << 26, max_archive_members=5000
)
MEMORY_MB = 1200
SLOW_S = 20.0
PICTURE = b"\xff\xd8\xff\xe0" + bytes(range(256)) * 8


def seeds() -> dict[str, bytes]:
    """A small archive of each kind, with archives inside."""
    files = [(b"%d.jpg" % k, PICTURE[: 100 * k]) for k in range(1, 6)]
    inner = [(b"in", pack("zip", files)), (b"in2", pack("tar.zst", files)), (b"e.docx", b"PK\3\4")]
    made = {kind: pack(kind, files + inner) for kind in KINDS}
    made |= {f"7z {method}": seven_zip_of(files, method) for method in METHODS}
    made["7z plain header"] = seven_zip_of(files + inner, pack_header=False)
    made |= {f"{kind} single": PACKERS[kind](PICTURE) for kind in SINGLES}
    made["zip deflate64"] = as_deflate64(zip_of([(b"a.jpg", PICTURE[:200])]))
    made["self-extracting"] = b"MZ" + bytes(300) + pack("zip", files)
    return made


def mutated(data: bytes, chance: random.Random) -> bytes:
    """`data` with some bytes changed, moved, repeated or lost."""
    changed = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        at = chance.randrange(len(changed) or 1)
        match chance.randrange(6):
            case 0:
                changed[at : at + 1] = bytes([chance.randrange(256)])
            case 1:
                width = chance.choice((1, 2, 4, 8))
                changed[at : at + width] = chance.choice((bytes(width), b"\xff" * width))
            case 2:
                del changed[at : at + chance.randrange(1, 64)]
            case 3:
                changed[at:at] = chance.randbytes(chance.randrange(1, 64))
            case 4:
                start = chance.randrange(len(changed) or 1)
                changed[at:at] = changed[start : start + chance.randrange(1, 400)]
            case _:
                changed[at : at + 1] = bytes(
                    [(changed[at] if changed else 0) ^ (1 << chance.randrange(8))]
                )
    return bytes(changed)


def signed(data: bytes) -> bytes:
    """A 7z whose checksums fit its header again, so that the header itself is read."""
    if len(data) < 40 or not data.startswith(b"7z"):
        return data
    size = min(int.from_bytes(data[20:28], "little"), len(data) - 32)
    return with_header(data[32 : len(data) - size], data[len(data) - size :])


def walk(data: bytes, folder: Path, options: WalkOptions) -> str:
    """Walk an archive to its end; the reason it ended for, or `whole`."""
    path = folder / "archive"
    path.write_bytes(data)
    ended = "whole"
    try:
        for member in members(path, LIMITS, folder, options):
            if member.data is not None and len(member.data) > LIMITS.max_member_bytes:
                raise AssertionError("a member is larger than the limit")
    except PictureError as error:
        ended = error.reason.value
    left = [one.name for one in folder.iterdir()]
    if left != ["archive"]:
        raise AssertionError(f"the walk left {left}")
    return ended


def main() -> int:
    """Fuzz until the time is over; 1 if anything was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=time.time_ns() % (1 << 32))
    parser.add_argument("--save", type=Path, default=Path("fuzz-found"))
    asked = parser.parse_args()
    limit = MEMORY_MB << 20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    kinds, ended, failures, number = seeds(), Counter[str](), 0, 0
    options = (WalkOptions(), WalkOptions(lambda head: head[:2] == b"\xff\xd8", None, False))
    stop = time.monotonic() + 60 * asked.minutes
    with tempfile.TemporaryDirectory() as name:
        while time.monotonic() < stop:
            number += 1
            chance = random.Random(f"{asked.seed}/{number}")
            kind = chance.choice(sorted(kinds))
            data = mutated(kinds[kind], chance)
            if chance.random() < 0.7:
                data = signed(data)
            start = time.process_time()
            try:
                ended[walk(data, Path(name), options[number % 2])] += 1
            except KeyboardInterrupt:
                break
            except BaseException:  # noqa: BLE001 (to find any is what this is for)
                failures += 1
                asked.save.mkdir(exist_ok=True)
                (asked.save / f"{asked.seed}-{number}").write_bytes(data)
                print(f"{kind}, seed {asked.seed}, number {number}:", traceback.format_exc())
            if time.process_time() - start > SLOW_S:
                print(f"{kind}, seed {asked.seed}, number {number}: slow")
                failures += 1
    print(
        f"seed {asked.seed}: {number:,} archives, {failures} findings; {dict(ended.most_common())}"
    )
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
