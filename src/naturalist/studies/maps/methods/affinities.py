"""How strongly each point of a map is drawn to its neighbours.

Van der Maaten and Hinton, Visualizing data using t-SNE (2008): each row is a Gaussian around the
point, as wide as the perplexity asks for; the matrix of all rows is made symmetric and sums to 1.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from naturalist.errors import MissingExtra
from naturalist.numeric.compiled import compiled
from naturalist.numeric.threads import in_pieces

Floats = NDArray[np.float32]
_PIECE = 8192


def conditional(distance: Floats, perplexity: float) -> Floats:
    """Probabilities of the neighbours of each point.

    Args:
        distance: (rows, k) float32, distances to the neighbours; k of 3 times the perplexity is
            enough.
        perplexity: about how many neighbours count; less than k.

    Returns:
        (rows, k) float32; each row sums to 1.
    """
    result = np.empty(distance.shape, np.float32)
    expected = np.log(min(perplexity, distance.shape[1] / 1.01))

    def work(start: int, end: int) -> None:
        _calibrate(distance[start:end], expected, result[start:end])

    in_pieces(len(distance), _PIECE, work)
    return result


def joint(index: NDArray[np.int32], probabilities: Floats) -> Any:
    """The symmetric matrix of affinities between all points, which sums to 1.

    Args:
        index: (rows, k) neighbours of each point.
        probabilities: (rows, k) from `conditional`.

    Returns:
        A (rows, rows) scipy matrix in CSR form, float64.
    """
    try:
        from scipy import sparse
    except ImportError as error:
        raise MissingExtra("scipy", "analysis") from error
    rows, k = index.shape
    starts = np.arange(0, rows * k + 1, k)
    values = probabilities.astype(np.float64).ravel()
    one_way = sparse.csr_matrix((values, index.ravel(), starts), shape=(rows, rows))
    both = (one_way + one_way.T).tocsr()
    both.sort_indices()
    both.data /= both.data.sum()
    return both


@compiled
def _calibrate(distance, expected, result):  # type: ignore[no-untyped-def]
    k = distance.shape[1]
    for row in range(len(distance)):
        nearest = distance[row, 0] ** 2
        spread = max(distance[row, k - 1] ** 2 - nearest, 1e-12)
        low, high = 0.0, np.inf
        beta = 1.0 / spread
        for _ in range(64):
            total, weighted = 0.0, 0.0
            for c in range(k):
                square = distance[row, c] ** 2 - nearest
                p = np.exp(-beta * square)
                result[row, c] = p
                total += p
                weighted += p * square
            entropy = np.log(total) + beta * weighted / total
            if abs(entropy - expected) < 1e-5:
                break
            if entropy > expected:
                low = beta
                beta = beta * 2 if np.isinf(high) else (beta + high) / 2
            else:
                high = beta
                beta = (beta + low) / 2
        for c in range(k):
            result[row, c] /= total
