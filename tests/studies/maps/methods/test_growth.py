import numpy as np
from numpy.typing import NDArray
from tests.numeric.mixtures import mixture

from naturalist.numeric.reduction import fit_reduction
from naturalist.studies.maps.methods import placement
from naturalist.studies.maps.methods.drawing import MapModel
from naturalist.studies.maps.methods.growth import BatchDrift, measure_drift
from naturalist.studies.maps.options import MapOptions

POINTS, _ = mixture(3000, dim=2, seed=3)
BASE, BATCH = POINTS[:2400], POINTS[2400:]
MODEL = MapModel(fit_reduction([BASE], unit=False), BASE, BASE)
REFERENCE = placement.make_reference(BASE, BASE)


def drift_of(batch: NDArray[np.float32], limits: MapOptions, grown: float = 0.1) -> BatchDrift:
    options = placement.PlacementOptions(steps=0)
    placed = placement.place(REFERENCE, batch, options)
    return measure_drift(MODEL, batch, placed, limits, grown=grown, seed=0)


def test_a_batch_of_the_same_kind_fits() -> None:
    found = drift_of(BATCH, MapOptions())
    assert not found.remake
    assert found.words == ["the batch fits the map"]
    assert found.far_share < 0.04
    assert found.distance_ks < 0.1


def test_a_batch_that_lies_a_little_farther_everywhere_does_not_fit() -> None:
    noise = np.random.default_rng(0).normal(0, 3, BATCH.shape).astype(np.float32)
    found = drift_of(BATCH + noise, MapOptions(max_far_share=1, min_batch_trustworthiness=0))
    assert found.remake
    assert "distance_ks" in found.words[0]


def test_a_batch_that_lies_nearer_fits() -> None:
    near = BASE[:600] + np.float32(1e-3)
    assert not drift_of(near, MapOptions()).remake


def test_a_handful_of_strange_pictures_says_nothing_about_the_map() -> None:
    found = drift_of(BATCH[:5] + np.float32(100), MapOptions())
    assert found.far_share == 1
    assert not found.remake


def test_a_map_that_has_outgrown_itself_is_made_anew() -> None:
    assert "were added" in drift_of(BATCH, MapOptions(), grown=1.2).words[0]
