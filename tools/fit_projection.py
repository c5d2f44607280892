"""Make ``lite0-statistics-512-v1.npy``: the map of EfficientNet-Lite0's 1,280 features to 512.

No picture is used. The network's weights hold all that is needed:

- the batch norms before the last layer hold mean and variance of its 320 inputs over ImageNet, from
  which features are drawn: normally distributed inputs through the last convolution, batch norm and
  ReLU6;
- the 1,000-class head says which directions of the features carry meaning.

The 512 leading eigenvectors of the sum of both second moments (each with trace 1) span the kept
space. A random rotation inside that space spreads the variance evenly over the 512 columns, so that
whoever standardises each column does not blow up the faint ones.

    python tools/fit_projection.py src/naturalist/backbones/numbers/lite0-statistics-512-v1.npy
"""

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from naturalist.backbones.readers.pickles import Weights, read_legacy_torch
from naturalist.backbones.registry import weights_path

SEED = 20261124
DRAWS = 100_000
KEPT = 512

Matrix = NDArray[np.float64]


def main() -> None:
    weights = read_legacy_torch(weights_path("efficientnet_lite0").read_bytes())
    rng = np.random.default_rng(SEED)
    drawn = draw_features(weights, rng)
    head = weights["_fc.weight"].astype(np.float64)
    moment = unit_trace(drawn.T @ drawn) + unit_trace(head.T @ head)
    _, vectors = np.linalg.eigh(moment)
    rotation, _ = np.linalg.qr(rng.standard_normal((KEPT, KEPT)))
    projection = rotation @ vectors[:, : -KEPT - 1 : -1].T
    np.save(Path(sys.argv[1]), projection.astype(np.float16))


def draw_features(weights: Weights, rng: np.random.Generator) -> Matrix:
    """Draw features (DRAWS, 1280) from the statistics in the batch norms."""
    scale, shift = (weights[f"_blocks.15._bn2.{k}"].astype(np.float64) for k in ("weight", "bias"))
    inputs = shift + rng.standard_normal((DRAWS, len(scale))) * scale
    mean, variance, gamma, beta = (
        weights[f"_bn1.{k}"].astype(np.float64)
        for k in ("running_mean", "running_var", "weight", "bias")
    )
    convolved = inputs @ weights["_conv_head.weight"][:, :, 0, 0].T.astype(np.float64)
    normed = (convolved - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return np.clip(normed, 0, 6)


def unit_trace(moment: Matrix) -> Matrix:
    return moment / np.trace(moment)


if __name__ == "__main__":
    main()
