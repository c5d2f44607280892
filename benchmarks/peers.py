"""The same pictures through naturalist and through what others use, in one run.

    python benchmarks/peers.py --photos DIR [--backbone NAME ...] [--peer NAME ...]

Peers, each in an environment of its own that this script makes under --environments:

- `seed`: the seed system's way: one picture at a time, decoded, padded and put through MobileNet
  v1 0.5 at 128 px by TensorFlow, one text file of 512 numbers each;
- `fastdup`: its own extractor (a non-commercial licence: measured here, never a dependency);
- `torch`: a DataLoader with as many workers as cores, Pillow decoding, EfficientNet-Lite0 with
  random weights (timm would bring the real ones and torchvision; the speed is the same).

A peer whose packages cannot be installed is left out, and that is said.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import machine

FOLDER = Path(__file__).parent / "peer_programs"
ENVIRONMENTS = Path.home() / ".cache" / "nat-peers"
_PATIENCE_S = 600
_NO_PACKAGES = {"failed": "its packages cannot be installed"}
PACKAGES = {
    "seed": [["tensorflow-cpu==2.21.0"]],
    "fastdup": [["pip", "setuptools", "fastdup==2.54"]],
    "torch": [["torch==2.13.0", "numpy", "pillow"]],
}


def environment(name: str, folder: Path) -> Path | None:
    """The Python of a peer's environment, made if it is not there; None if it cannot be made."""
    python, complete = folder / name / "bin" / "python", folder / name / "complete"
    if complete.exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder / name], check=True)
    for packages in PACKAGES[name]:
        done = subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=False)
        if done.returncode:
            shutil.rmtree(folder / name)
            return None
    complete.touch()
    return python


def measure_peer(name: str, python: Path, pictures: Path) -> dict[str, Any]:
    """Run a peer's program on a flat folder of pictures; it prints JSON on its last line."""
    with tempfile.TemporaryDirectory() as out:
        command = [python, FOLDER / f"{name}.py", pictures, out]
        quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                check=False,
                env=os.environ | quiet,
                timeout=_PATIENCE_S,
            )
        except subprocess.TimeoutExpired:
            return {"failed": f"did not come to an end within {_PATIENCE_S} s"}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1:]}
    found: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def flat_copy(photos: Path, folder: Path) -> int:
    """All pictures in one folder under numbered names, as hard links where that can be."""
    folder.mkdir()
    paths = sorted(path for path in photos.rglob("*") if path.is_file())
    for number, path in enumerate(paths):
        target = folder / f"{number:06d}{path.suffix.lower() or '.jpg'}"
        try:
            target.hardlink_to(path)
        except OSError:
            shutil.copy(path, target)
    return len(paths)


def measure_naturalist(photos: Path, backbone: str, rounds: int) -> dict[str, Any]:
    """`benchmarks/extract.py` on the same pictures."""
    script = Path(__file__).with_name("extract.py")
    command = [sys.executable, script, "--photos", photos, "--backbone", backbone, "--json"]
    command += ["--rounds", str(rounds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def compare(
    photos: Path,
    names: list[str],
    rounds: int,
    environments: Path = ENVIRONMENTS,
    others: Collection[str] = tuple(PACKAGES),
) -> dict[str, Any]:
    """Everybody's rates on the same pictures, and how many times faster each of ours is."""
    result: dict[str, Any] = {"machine": machine.facts()}
    with tempfile.TemporaryDirectory() as scratch:
        pictures = Path(scratch) / "pictures"
        result["pictures"] = flat_copy(photos, pictures)
        peers = {}
        for name in others:
            python = environment(name, environments)
            peers[name] = measure_peer(name, python, pictures) if python else _NO_PACKAGES
    ours = {name: measure_naturalist(photos, name, rounds) for name in names}
    ran = {name: other for name, other in peers.items() if "per_s" in other}
    times = {
        f"{our} / {peer}": {
            "rate": ours[our]["end_to_end_per_s"] / ran[peer]["per_s"],
            # Where other work disturbs the machine, this says more.
            "processor_time": ran[peer]["processor_ms"] / ours[our]["processor_ms"],
        }
        for our in ours
        for peer in ran
    }
    return result | {"naturalist": ours, "peers": peers, "times_faster": times}


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--backbone", action="append", default=[])
    parser.add_argument("--peer", action="append", default=[], choices=PACKAGES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--environments", type=Path, default=ENVIRONMENTS)
    options = parser.parse_args()
    names = options.backbone or ["efficientnet_lite0_int8"]
    others = options.peer or list(PACKAGES)
    found = compare(options.photos, names, options.rounds, options.environments, others)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
