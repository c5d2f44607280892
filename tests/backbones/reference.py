"""Convolutional layers in plain numpy, written apart from the product: slow, obvious, float64."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def conv_same(x: Array, weight: Array, stride: int = 1) -> Array:
    """TensorFlow's "SAME" convolution of (C, H, W); weight (out, in, k, k), or (C, 1, k, k)."""
    size = weight.shape[-1]
    padded = np.pad(x, ((0, 0), *(_same(length, size, stride) for length in x.shape[1:])))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    windows = windows[:, ::stride, ::stride]
    if weight.shape[1] == 1:
        return np.einsum("chwij,cij->chw", windows, weight[:, 0])
    return np.einsum("chwij,ocij->ohw", windows, weight, optimize=True)


def _same(length: int, size: int, stride: int) -> tuple[int, int]:
    total = max((-(-length // stride) - 1) * stride + size - length, 0)
    return total // 2, total - total // 2


def batch_norm(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, epsilon: float = 1e-3
) -> Array:
    """Batch norm with running statistics, as written in its paper."""
    gamma, beta, mean, variance = (v.reshape(-1, 1, 1) for v in (gamma, beta, mean, variance))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def relu6(x: Array) -> Array:
    return np.clip(x, 0, 6)


def cosine(a: NDArray[np.floating], b: NDArray[np.floating]) -> NDArray[np.floating]:
    """Cosine of each pair of rows."""
    a, b = np.atleast_2d(a), np.atleast_2d(b)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
