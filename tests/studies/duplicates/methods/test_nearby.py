"""Candidates by features: those most like each new picture, each pair once."""

import numpy as np

from naturalist.studies.duplicates.methods.nearby import alike_pairs


def test_copies_are_proposed_and_pairs_of_old_rows_are_not() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 16)).astype(np.float32)
    points[10], points[50] = points[3] + 0.01, points[20] + 0.01
    points[41] = points[50] + 0.01
    first, second = alike_pairs(points, 0, 0.5)
    assert set(zip(first, second, strict=True)) == {(3, 10), (20, 50), (20, 41), (41, 50)}
    first, second = alike_pairs(points, 45, 0.5)
    assert set(zip(first, second, strict=True)) == {(20, 50), (41, 50)}


def test_fewer_rows_than_neighbours_are_enough() -> None:
    first, second = alike_pairs(np.zeros((2, 4), np.float32), 0, 0.5)
    assert (first.tolist(), second.tolist()) == ([0], [1])
