"""Measure the activation ranges of EfficientNet-Lite0 on pictures, for int8 (``lite0-ranges-v1``).

For each activation the range is chosen that makes the mean squared error of its 256 values the
smallest. Only two numbers per tensor are kept; no picture can be got back from them.

    python tools/fit_ranges.py PICTURES src/naturalist/backbones/numbers/lite0-ranges-v1.json
"""

import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from naturalist import backbones, images
from naturalist.backbones.networks import efficientnet_lite0
from naturalist.backbones.quantisation import measured_tensors
from naturalist.backbones.registry import weights_path
from naturalist.backbones.session import open_session

SEED = 20261124
PICTURES = 256
BATCH = 16
SAMPLED = 400_000
SHRINKING = np.linspace(1, 0.3, 29)


def main() -> None:
    folder, target = map(Path, sys.argv[1:])
    float_model = _float_model()
    tensors = measured_tensors(float_model)
    float_model.graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in tensors
    )
    session = open_session(float_model.SerializeToString())
    pictures = _pictures(folder)
    seen: dict[str, list[NDArray[np.float32]]] = {name: [] for name in tensors}
    for start in range(0, len(pictures), BATCH):
        values = session.run(tensors, {"pictures": pictures[start : start + BATCH]})
        for name, value in zip(tensors, values, strict=True):
            seen[name].append(value.ravel())
    ranges = {name: best_range(np.concatenate(parts)) for name, parts in seen.items()}
    target.write_text(json.dumps(ranges, indent=0) + "\n")


def best_range(values: NDArray[np.float32]) -> tuple[float, float]:
    values = values[:: max(1, len(values) // SAMPLED)]
    low, high = min(0.0, float(values.min())), float(values.max())
    errors = [_squared_error(values, low * factor, high * factor) for factor in SHRINKING]
    factor = SHRINKING[int(np.argmin(errors))]
    return round(low * factor, 6), round(high * factor, 6)


def _squared_error(values: NDArray[np.float32], low: float, high: float) -> float:
    scale = (high - low) / 255
    zero = np.clip(round(-low / scale), 0, 255)
    grid = np.clip(np.rint(values / scale) + zero, 0, 255)
    return float(np.mean(((grid - zero) * scale - values) ** 2))


def _float_model() -> onnx.ModelProto:
    spec = dataclasses.replace(backbones.describe("efficientnet_lite0"), projection=None)
    data = efficientnet_lite0.model(weights_path(spec.name).read_bytes(), spec)
    return onnx.load_model_from_string(data)


def _pictures(folder: Path) -> NDArray[np.uint8]:
    backbone = backbones.load("efficientnet_lite0")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    chosen = np.random.default_rng(SEED).permutation(len(files))[:PICTURES]
    limits = images.PictureLimits()
    decoded = (images.decode(files[i].read_bytes(), limits, longer=128) for i in sorted(chosen))
    return np.stack([backbone.prepare(picture.pixels) for picture in decoded])


if __name__ == "__main__":
    main()
