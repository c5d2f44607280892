"""Change files that people hand in, and read them, until the time is over:

    python tools/fuzz.py --minutes 60 --seed 1 [--door configuration]

The doors and whole examples are those of the tests (`tests/trust/doors.py`). What ends a reader
with anything but an error in words is written into the folder `fuzzed`, with its traceback; the
exit code is 1 then.
"""

import argparse
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT), str(ROOT / "src")]

from naturalist.errors import NaturalistError  # noqa: E402
from trust.doors import DOORS, mutated  # noqa: E402

FOLDER = Path("fuzzed")


def main() -> None:
    """Fuzz until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--door", choices=sorted(DOORS))
    options = parser.parse_args()
    names = [options.door] if options.door else sorted(DOORS)
    end = time.monotonic() + options.minutes * 60
    tried: Counter[str] = Counter()
    faults: dict[str, str] = {}
    seed = options.seed
    while time.monotonic() < end:
        seed += 1
        name = names[seed % len(names)]
        chance = random.Random(seed)
        data = chance.choice(DOORS[name].examples)
        for _ in range(chance.choice((1, 1, 3))):
            data = mutated(data, chance)
        tried[name] += 1
        if fault := try_door(name, data):
            where = fault.splitlines()[-1]
            if faults.setdefault(f"{name}: {where}", fault) is fault:
                keep(f"{name}-{seed}", data, fault)
    for name, count in sorted(tried.items()):
        print(f"{name}: {count:,} tried")
    if faults:
        sys.exit(f"{len(faults)} kinds of tracebacks, see {FOLDER}:\n" + "\n".join(faults))


def try_door(name: str, data: bytes) -> str:
    """The traceback that the bytes give; empty if they are read or refused in words."""
    try:
        DOORS[name].enter(data)
    except NaturalistError:
        return ""
    except Exception:  # noqa: BLE001 - what else there is, is what is looked for
        return traceback.format_exc()
    return ""


def keep(name: str, data: bytes, fault: str) -> None:
    """Write down what was found."""
    FOLDER.mkdir(exist_ok=True)
    stem = name.replace(" ", "-").replace("'", "")
    (FOLDER / stem).write_bytes(data)
    (FOLDER / f"{stem}.txt").write_text(fault)


if __name__ == "__main__":
    main()
