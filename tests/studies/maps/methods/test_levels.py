"""t-SNE by levels: as good as t-SNE of all points from the beginning, in fewer steps of all."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.numeric.mixtures import mixture

from naturalist.numeric import neighbours
from naturalist.studies.maps.methods import affinities, levels, tsne
from naturalist.studies.maps.methods import quality as map_quality
from naturalist.studies.maps.options import TsneOptions

OPTIONS = TsneOptions(perplexity=15)


@pytest.fixture(autouse=True)
def two_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(levels, "LEVELS_FROM", 1000)
    monkeypatch.setattr(levels, "_LEAST", 400)


def lay_out(
    points: NDArray[np.float32], dims: int, options: TsneOptions = OPTIONS, seed: int = 0
) -> tuple[NDArray[np.float32], int]:
    near = neighbours.nearest(points, options.neighbours)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 15))
    heard: list[int] = []
    made = levels.lay_out(points, near.index, strengths, dims, options, seed, heard.append)
    assert min(heard) >= 0
    return made, sum(heard)


@pytest.mark.parametrize("dims", [2, 3])
def test_a_map_by_levels_is_as_good_as_one_without(dims: int) -> None:
    points, _ = mixture(2000, clusters=12)
    near = neighbours.nearest(points, OPTIONS.neighbours)
    strengths = affinities.joint(near.index, affinities.conditional(near.distance, 15))
    whole = tsne.lay_out(strengths, tsne.start_from(points, dims, 0), OPTIONS)
    made, _ = lay_out(points, dims)
    assert tsne.kl_divergence(strengths, made) < tsne.kl_divergence(strengths, whole) * 1.06
    ours, theirs = map_quality.measure(points, made), map_quality.measure(points, whole)
    assert ours.knn_recall[10] > theirs.knn_recall[10] - 0.02
    assert ours.trustworthiness > theirs.trustworthiness - 0.005


def test_what_is_heard_adds_up_to_the_steps_that_were_promised() -> None:
    points, _ = mixture(1500)
    for options in (OPTIONS, replace(OPTIONS, early_iterations=7, iterations=31)):
        assert lay_out(points, 2, options)[1] == levels.steps(1500, options) < options.total
    assert lay_out(points[:600], 2)[1] == levels.steps(600, OPTIONS) == OPTIONS.total


def test_a_seed_gives_the_same_map_again_and_another_seed_another() -> None:
    points, _ = mixture(1200)
    quick = replace(OPTIONS, early_iterations=20, iterations=40)
    first, again, other = (lay_out(points, 2, quick, seed)[0] for seed in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_points_without_a_path_to_the_chosen_ones_get_a_place_too() -> None:
    """A ring of neighbours none of whom was chosen: it begins somewhere among the others."""
    index = np.array([[1, 2], [0, 2], [0, 1], [4, 5], [3, 5], [3, 4]], np.int32)
    coarse, chosen = np.array([[0.0, 1.0], [2.0, 3.0]], np.float32), np.array([0, 1])
    start = levels._spread(coarse, chosen, index, np.random.default_rng(0))
    start -= start[0]
    assert np.allclose(start[1], [2, 2])
    assert np.allclose(start[2], [1, 1], atol=0.1)
    assert (np.abs(start[3:]) < 2.2).all()


def test_a_chain_reaches_far_points_through_near_ones() -> None:
    index = np.array([[1], [0], [1], [2], [3]], np.int32)
    coarse, chosen = np.array([[5.0, 0.0], [-5.0, 0.0]], np.float32), np.array([0, 1])
    start = levels._spread(coarse, chosen, index, np.random.default_rng(0))
    assert np.allclose(start[2:], start[1], atol=0.5)
