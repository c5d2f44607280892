"""Compare ONNX Runtime with OpenVINO on the same models and pictures, one thread.

    pip install openvino
    python tools/compare_runtimes.py PHOTOS BACKBONE [BACKBONE ...]

Pictures per second are counted in processor time, the best of several rounds, so that other work on
the machine disturbs them little. The cosine is to ONNX Runtime's float32 result of the first
backbone in the list with vectors of the same length.
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

from naturalist import backbones, images
from naturalist.backbones.registry import model_of
from naturalist.backbones.session import open_session
from naturalist.stages.extract import decode_for

PICTURES = 256
ROUNDS = 7
BATCHES = (1, 4, 16, 32)

Run = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


def main() -> None:
    files = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.is_file())
    files = files[:: len(files) // PICTURES][:PICTURES]
    reference: dict[int, NDArray[np.float32]] = {}
    print("| backbone | runtime | " + " | ".join(f"batch {b}" for b in BATCHES) + " | cosine |")
    print("|---|---|" + "---|" * (len(BATCHES) + 1))
    for name in sys.argv[2:]:
        pictures = _prepared(name, files)
        for runtime, run in _runtimes(model_of(name)).items():
            features = run(pictures[:16])
            known = reference.setdefault(features.shape[1], features)
            rates = " | ".join(f"{_rate(run, pictures, batch):.0f}" for batch in BATCHES)
            print(f"| {name} | {runtime} | {rates} | {_cosine(features, known):.4f} |", flush=True)


def _runtimes(model: bytes) -> dict[str, Run]:
    session = open_session(model)
    runs: dict[str, Run] = {
        "ONNX Runtime": lambda batch: session.run(["feature"], {"pictures": batch})[0]
    }
    core = openvino.Core()
    for precision in ("f32", "bf16"):
        settings = {
            "INFERENCE_NUM_THREADS": 1,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": precision,
        }
        compiled = core.compile_model(core.read_model(model), "CPU", settings)
        runs[f"OpenVINO {precision}"] = lambda batch, c=compiled: c(batch)["feature"].copy()
    return runs


def _rate(run: Run, pictures: NDArray[np.uint8], batch: int) -> float:
    best = 0.0
    for _ in range(ROUNDS):
        start = time.process_time()
        for first in range(0, len(pictures), batch):
            run(pictures[first : first + batch])
        best = max(best, len(pictures) / (time.process_time() - start))
    return best


def _prepared(name: str, files: list[Path]) -> NDArray[np.uint8]:
    backbone, limits = backbones.load(name), images.PictureLimits()
    decoded = (decode_for(backbone.spec, path.read_bytes(), limits) for path in files)
    return np.stack([backbone.prepare(picture.pixels) for picture in decoded])


def _cosine(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    dots = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return float(dots.mean())


if __name__ == "__main__":
    main()
