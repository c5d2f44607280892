"""Use a naturalist that was installed from its wheel alone: version, help, a small real run.

The pictures are views of scikit-image's photos, so this script runs where the tests' packages are;
the program that it starts does not.

Usage: python tools/check_wheel.py PATH/TO/naturalist
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import naturalist
from naturalist.demo import Clients, DemoPictures, build_demo_pictures

NO_CLIENTS = Clients(apt_get="no-apt-get", npm="no-npm")


def main() -> None:
    """Run the program and end with 1 at the first thing that is not as it should be."""
    program = str(Path(sys.argv[1]).absolute())
    version = output(program, "--version")
    assert naturalist.__version__ in version, f"--version says {version!r}"
    assert "ingest" in output(program, "--help"), "--help names no stage"
    with tempfile.TemporaryDirectory() as scratch:
        pictures = build_demo_pictures(Path(scratch), clients=NO_CLIENTS)
        counts = run_collection(program, Path(scratch) / "collection", pictures)
    for name, count in counts.items():
        assert count["accepted"] == count["table_rows"] > 0, f"{name}: {count}"
    print(f"{version.strip()} from its wheel: a run over {', '.join(counts)} is complete")


def run_collection(program: str, folder: Path, pictures: DemoPictures) -> dict[str, dict[str, int]]:
    """Do everything with the colour histogram; give what `status` counts per category."""
    categories = []
    for name, folders in pictures.categories.items():
        sources = ",".join(map(str, folders))
        categories += ["--category", f"{name}={pictures.labels[name]}:{sources}"]
    output(program, "init", str(folder), "--backbone", "colour_histogram", *categories)
    output(program, "run", "--config", str(folder))
    status = json.loads(output(program, "status", "--json", "--config", str(folder)))
    assert isinstance(status["categories"], dict), status
    return status["categories"]


def output(*command: str) -> str:
    """Run a command; give its standard output, or end with what it said."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
