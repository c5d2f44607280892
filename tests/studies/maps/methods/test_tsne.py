import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from tests.numeric.mixtures import mixture

from naturalist.numeric import neighbours
from naturalist.studies.maps.methods import affinities, octree, tsne
from naturalist.studies.maps.methods import quality as map_quality
from naturalist.studies.maps.options import TsneOptions


def by_hand(points: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    away = points[:, None].astype(np.float64) - points[None]
    weights = 1 / (1 + (away**2).sum(axis=2))
    np.fill_diagonal(weights, 0)
    return ((weights**2)[..., None] * away).sum(axis=1), weights.sum(axis=1)


@given(
    rows=st.integers(2, 120),
    dims=st.sampled_from([2, 3]),
    seed=st.integers(0, 1000),
    twins=st.booleans(),
    size=st.sampled_from([1e-4, 1.0, 100.0]),
)
def test_without_approximation_the_octree_gives_the_sums_over_all_pairs(
    rows: int, dims: int, seed: int, twins: bool, size: float
) -> None:
    points = (np.random.default_rng(seed).normal(size=(rows, dims)) * size).astype(np.float32)
    if twins:
        points[rows // 2 :] = points[0]
    forces, weights = octree.repulsion_within(octree.build(points), theta=0)
    true_forces, true_weights = by_hand(points)
    assert np.allclose(forces[:, :dims], true_forces, rtol=1e-3, atol=1e-4 * rows)
    assert np.allclose(weights, true_weights, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dims", [2, 3])
def test_the_approximation_is_within_a_few_percent(dims: int) -> None:
    points = np.random.default_rng(0).normal(0, 5, (2000, dims)).astype(np.float32)
    forces, weights = octree.repulsion_within(octree.build(points), theta=0.5)
    true_forces, true_weights = by_hand(points)
    error = np.linalg.norm(forces[:, :dims] - true_forces) / np.linalg.norm(true_forces)
    assert error < 0.04
    assert abs(weights.sum() / true_weights.sum() - 1) < 0.02


def test_affinities_have_the_perplexity_that_was_asked_for_and_sum_to_one() -> None:
    points, _ = mixture(400)
    near = neighbours.nearest(points, 60)
    rows = affinities.conditional(near.distance, 20)
    entropies = -(rows * np.log(np.maximum(rows, 1e-30))).sum(axis=1)
    assert np.allclose(np.exp(entropies), 20, rtol=1e-3)
    both = affinities.joint(near.index, rows)
    assert both.sum() == pytest.approx(1)
    assert abs(both - both.T).max() < 1e-12


@pytest.mark.parametrize("dims", [2, 3])
def test_the_octree_lays_out_as_well_as_scikit_learn(dims: int) -> None:
    points, _ = mixture(500, clusters=6)
    near = neighbours.nearest(points, 90)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 30))
    start = tsne.start_from(points - points.mean(axis=0), dims, 0)
    made = tsne.by_octree(strengths, start, TsneOptions())
    other = TSNE(dims, method="exact", init=start.astype(np.float32), max_iter=750)
    theirs = other.fit_transform(points)
    assert tsne.kl_divergence(strengths, made) < tsne.kl_divergence(strengths, theirs) * 1.05
    ours = map_quality.measure(points, made)
    reference = map_quality.measure(points, theirs)
    assert ours.knn_recall[10] > reference.knn_recall[10] - 0.03


def test_a_large_flat_map_by_interpolation_is_the_same_kind_of_map(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, _ = mixture(300, clusters=5)
    near = neighbours.nearest(points, 30)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 10))
    start = tsne.start_from(points - points.mean(axis=0), 2, 0)
    options = TsneOptions(perplexity=10, early_iterations=100, iterations=100)
    ours = tsne.lay_out(strengths, start, options)
    monkeypatch.setattr(tsne, "INTERPOLATED_FROM", 1)
    theirs = tsne.lay_out(strengths, start, options)
    both = [tsne.kl_divergence(strengths, made) for made in (ours, theirs)]
    assert abs(both[0] - both[1]) < 0.15


def test_a_layout_repeats() -> None:
    points, _ = mixture(300)
    near = neighbours.nearest(points, 30)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 10))
    start = tsne.start_from(points, 3, 0)
    options = TsneOptions(early_iterations=20, iterations=20)
    heard: list[int] = []
    one = tsne.lay_out(strengths, start, options, heard.append)
    assert np.array_equal(one, tsne.lay_out(strengths, start, options))
    assert sum(heard) == options.total
