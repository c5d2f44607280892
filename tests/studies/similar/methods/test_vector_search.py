import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from naturalist.numeric.reduction import fit_reduction, to_unit
from naturalist.studies.similar.methods.vector_search import Part, recall, search, search_exactly


def cut(vectors: np.ndarray, axes: np.ndarray, sizes: list[int]) -> list[Part]:
    ends = np.cumsum([0, *sizes])
    pieces = [vectors[a:b] for a, b in itertools.pairwise(ends)]
    return [Part(piece.astype(np.float16), piece @ axes) for piece in pieces]


def some(rows: int, seed: int = 0, dim: int = 48) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors near a plane of few dimensions, and the axes of it."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(rows, 8)) @ rng.normal(size=(8, dim)) + 0.3 * rng.normal(
        size=(rows, dim)
    )
    unit = to_unit(vectors.astype(np.float32))
    return unit, fit_reduction([unit], 8).axes


@given(st.lists(st.integers(0, 30), min_size=1, max_size=5), st.integers(1, 12), st.integers(0, 99))
def test_exact_search_is_sorting_by_cosine_however_the_vectors_are_cut(
    sizes: list[int], k: int, seed: int
) -> None:
    rows = sum(sizes) + 1
    vectors, axes = some(rows, seed)
    parts = cut(vectors, axes, [*sizes, 1])
    queries = vectors[: min(3, rows)]
    found, cosines = search_exactly(parts, queries, k)
    scores = queries @ vectors.astype(np.float16).astype(np.float32).T
    assert found.shape == (len(queries), min(k, rows))
    assert np.allclose(cosines, -np.sort(-scores, axis=1)[:, :k], atol=1e-5)
    assert np.allclose(np.take_along_axis(scores, found, axis=1), cosines, atol=1e-5)


def test_search_with_all_vectors_as_candidates_is_exact_search() -> None:
    vectors, axes = some(300)
    parts = cut(vectors, axes, [100, 150, 50])
    exact = search_exactly(parts, vectors[:20], 7)
    again = search(parts, axes, vectors[:20], 7, 300)
    assert np.array_equal(again[0], exact[0])
    assert np.allclose(again[1], exact[1], atol=1e-6)


def test_a_tenth_of_the_vectors_as_candidates_has_nearly_all_neighbours_and_few_have_fewer() -> (
    None
):
    vectors, axes = some(3000)
    parts = cut(vectors, axes, [1000, 1999, 1])
    true, _ = search_exactly(parts, vectors[:50], 10)
    shares = [recall(search(parts, axes, vectors[:50], 10, n)[0], true) for n in (10, 300)]
    assert shares[1] > 0.97
    assert shares[0] < shares[1]


@pytest.mark.parametrize(("found", "share"), [([[1, 2]], 1.0), ([[2, 9]], 0.5), ([[8, 9]], 0.0)])
def test_recall_is_the_share_of_true_neighbours(found: list[list[int]], share: float) -> None:
    assert recall(np.array(found), np.array([[2, 1]])) == share
