"""Change files that people hand in so that other lines of code run, until the time is over:

    python tools/fuzz_guided.py --minutes 60 [--door configuration]

As tools/fuzz.py, with the same doors and examples, but led by coverage: Atheris (libFuzzer) keeps
what reached new branches of naturalist, and changes that further. Needs  pip install atheris,
which has wheels for Linux and Python 3.11 to 3.14 and is no dependency of anything here. Each door
has its share of the time in a process of its own. What ends a reader with anything but an error in
words is written into the folder `fuzzed`; the exit code is 1 then.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("coverage-guided fuzzing needs Atheris: pip install atheris")

with atheris.instrument_imports(include=["naturalist"]):
    from fuzz import FOLDER, keep, try_door
    from trust.doors import DOORS, TOKENS

_LONGEST = 1 << 14
_LIMITS = (f"-max_len={_LONGEST}", "-timeout=120", "-rss_limit_mb=4096", "-verbosity=0")


def main() -> None:
    """Give each door its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--door", choices=sorted(DOORS))
    parser.add_argument("--in", dest="folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.folder:
        fuzz(options.door, options.folder, round(options.minutes * 60))
    names = [options.door] if options.door else sorted(DOORS)
    before = {*FOLDER.glob("*.txt")}
    broken = [name for name in names if apart(name, options.minutes / len(names))]
    found = sorted({*FOLDER.glob("*.txt")} - before)
    if found or broken:
        ended = [f"{name}: its process ended by itself" for name in broken]
        sys.exit("\n".join((*(f"{path}: {last_line(path)}" for path in found), *ended)))


def apart(name: str, minutes: float) -> int:
    """Fuzz one door in a process of its own, which libFuzzer ends; its exit code."""
    print(f"{name}:", flush=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-guided-") as folder:
        words = ["--door", name, "--minutes", str(minutes), "--in", folder]
        return subprocess.run([sys.executable, __file__, *words], check=False).returncode


def last_line(path: Path) -> str:
    """What a traceback says in the end."""
    return path.read_text().splitlines()[-1]


def fuzz(name: str, folder: Path, seconds: int) -> None:
    """Fuzz one door with a folder for what libFuzzer keeps; ends this process."""
    seen: set[str] = set()

    def enter(data: bytes) -> None:
        fault = try_door(name, data)
        if fault and (said := fault.splitlines()[-1]) not in seen:
            seen.add(said)
            keep(f"{name}-{hashlib.sha256(data).hexdigest()[:12]}", data, fault)

    (folder / "examples").mkdir()
    for number, example in enumerate(DOORS[name].examples):
        (folder / "examples" / str(number)).write_bytes(example)
    (folder / "tokens").write_text("\n".join(map(quoted, TOKENS)) + "\n")
    files = (f"-dict={folder / 'tokens'}", f"-artifact_prefix={folder}/", str(folder / "examples"))
    time = f"-max_total_time={max(1, seconds)}"
    atheris.Setup([sys.argv[0], *_LIMITS, time, "-print_final_stats=1", *files], enter)
    atheris.Fuzz()


def quoted(token: bytes) -> str:
    """A token as libFuzzer's dictionaries have it."""
    return '"' + "".join(f"\\x{byte:02x}" for byte in token) + '"'


if __name__ == "__main__":
    main()
