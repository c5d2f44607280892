"""Checks over all features of a backbone, on measures that are written as verification does."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from naturalist import artifacts, backbones
from naturalist.layout import Layout
from naturalist.schemas import CHECKS
from naturalist.stages.verify import collection
from naturalist.stages.verify import features as checks
from naturalist.stages.verify.collection import held_verdicts
from naturalist.stages.verify.verdicts import SOFT_CHECKS, Verdict
from tiny import Vectors, in_memory, vectors

DIM = 16


@dataclass
class Measured:
    """Parts whose measures lie in the workspace."""

    layout: Layout
    parts: int = 0
    last: dict[str, int] = field(default_factory=dict)

    def add(self, category: str, values: Vectors) -> None:
        first = self.last.get(category, 0) + 1
        names = [f"{category}_id_{n}" for n in range(first, first + len(values))]
        self.last[category] = first + len(values) - 1
        path = self.layout.checks("net", category, 1, self.parts)
        self.parts += 1
        table = checks._measures(names, values)
        assert table.schema.equals(CHECKS)
        artifacts.write_parquet(path, table)
        facts = {"verdicts": [], "ranges": checks._ranges(values)}
        digest = {path.name: artifacts.sha256_file(path)}
        artifacts.write_receipt(path, artifacts.Receipt("f", len(names), digest, facts=facts))

    def verdicts(self) -> list[Verdict]:
        found = held_verdicts(self.layout, "net")
        assert all(v.severity == "soft" and v.check in SOFT_CHECKS for v in found)
        return found


@pytest.fixture
def measured() -> Iterator[Measured]:
    with in_memory() as root:
        yield Measured(Layout(root))


def test_ordinary_features_have_no_findings(measured: Measured) -> None:
    for seed in range(3):
        measured.add("plant", vectors(150, DIM, seed))
        measured.add("animal", 7 * vectors(150, DIM, 10 + seed))
    assert measured.verdicts() == []


def test_what_was_found_over_all_parts_is_looked_for_again_only_after_a_part_changed(
    measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = vectors(5, DIM)
    measured.add("plant", twice)
    measured.add("animal", twice)
    first = measured.verdicts()
    assert len(first) == 5
    with monkeypatch.context() as patched:
        patched.setattr(collection, "_check_measures", None)
        assert measured.verdicts() == first
    measured.add("human", twice[:1])
    assert "3 in all" in measured.verdicts()[0].detail or "human" in measured.verdicts()[0].detail


def test_ranges_are_read_as_earlier_versions_wrote_them(measured: Measured) -> None:
    flat = vectors(200, DIM)
    flat[:, 3] = 0.25
    measured.add("plant", flat)
    path = measured.layout.checks("net", "plant", 1, 0)
    receipt = artifacts.read_receipt(path)
    assert receipt is not None
    ranges = {"least": flat.min(axis=0).tolist(), "greatest": flat.max(axis=0).tolist()}
    facts = receipt.facts | {"ranges": ranges}
    artifacts.write_receipt(path, replace(receipt, facts=facts))
    assert [v.check for v in measured.verdicts()] == ["dead_dimension"]


def test_a_workspace_without_features_has_no_findings(measured: Measured) -> None:
    assert measured.verdicts() == []


def unit(values: Vectors) -> Vectors:
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)


def test_vectors_of_length_one_have_no_outliers_by_rounding(measured: Measured) -> None:
    measured.add("plant", unit(vectors(500, DIM)))
    assert measured.verdicts() == []


def test_real_histograms_have_no_outliers_by_rounding(measured: Measured) -> None:
    backbone = backbones.load("colour_histogram")
    rng = np.random.default_rng(0)
    side = backbone.spec.side
    levels = rng.integers(1, 256, 300)
    pictures = [rng.integers(0, level, (side, side, 3), dtype=np.uint8) for level in levels]
    measured.add("plant", backbone.features(np.stack(pictures)))
    assert [v for v in measured.verdicts() if v.check == "norm_outlier"] == []


@pytest.mark.parametrize("factor", [1e-4, 0.9, 1.1, 1e3, 1e30, 3e38])
def test_a_vector_longer_or_shorter_than_the_others_is_found(
    measured: Measured, factor: float
) -> None:
    values = unit(vectors(200, DIM))
    values[5] *= np.float32(factor)
    measured.add("plant", values[:50])
    measured.add("plant", values[50:])
    (verdict,) = measured.verdicts()
    assert (verdict.check, verdict.pic_id) == ("norm_outlier", "plant_id_6")


def test_where_lengths_differ_an_outlier_differs_much_more(measured: Measured) -> None:
    values = vectors(200, DIM)
    values[5] *= 1.5
    values[6] *= 50
    measured.add("plant", values)
    assert [v.pic_id for v in measured.verdicts()] == ["plant_id_7"]


def test_a_finite_vector_whose_length_no_float32_can_hold_is_an_outlier(
    measured: Measured,
) -> None:
    values = vectors(200, DIM)
    values[5] = np.finfo(np.float32).max
    measured.add("plant", values)
    assert [v.pic_id for v in measured.verdicts()] == ["plant_id_6"]


def test_an_outlier_is_found_among_vectors_of_exactly_one_length(measured: Measured) -> None:
    values = np.eye(DIM, dtype=np.float32)[np.arange(200) % DIM]
    values[7] *= 3
    measured.add("plant", values)
    outliers = [v.pic_id for v in measured.verdicts() if v.check == "norm_outlier"]
    assert outliers == ["plant_id_8"]


def test_a_norm_is_judged_by_its_own_category(measured: Measured) -> None:
    measured.add("plant", unit(vectors(150, DIM)))
    measured.add("animal", 100 * unit(vectors(150, DIM, 1)))
    odd = unit(vectors(1, DIM, 2))
    measured.add("animal", odd)
    assert [(v.check, v.pic_id) for v in measured.verdicts()] == [("norm_outlier", "animal_id_151")]


def test_few_pictures_are_not_judged_by_their_norms(measured: Measured) -> None:
    values = vectors(50, DIM)
    values[3] *= 1000
    measured.add("plant", values)
    assert measured.verdicts() == []


def test_the_same_vector_for_different_pictures_is_found_across_parts(measured: Measured) -> None:
    values = vectors(30, DIM)
    measured.add("plant", values)
    measured.add("animal", np.concatenate([vectors(30, DIM, 1), values[4:5], values[4:5]]))
    (verdict,) = measured.verdicts()
    assert (verdict.check, verdict.pic_id) == ("repeated_vector", "animal_id_31")
    assert verdict.detail == "the same vector as animal_id_32, plant_id_5"


def test_a_vector_that_comes_very_often_is_listed_once(measured: Measured) -> None:
    measured.add("plant", np.repeat(vectors(1, DIM), 40, axis=0))
    (verdict,) = measured.verdicts()
    assert verdict.detail.endswith("and more (40 in all)")


def test_dimensions_that_never_change_are_found_over_all_parts(measured: Measured) -> None:
    for seed in range(3):
        values = vectors(60, DIM, seed)
        values[:, 2] = 0.5
        values[:, 9] = 0
        values[:, 12] = seed
        measured.add("plant", values)
    (verdict,) = measured.verdicts()
    assert verdict.check == "dead_dimension"
    assert verdict.detail == "2 of 16 never change: 3, 10"


def test_numbers_that_are_no_numbers_are_left_to_the_check_of_the_part(
    measured: Measured,
) -> None:
    values = vectors(200, DIM)
    values[3, 3] = np.nan
    values[4, 4] = np.inf
    measured.add("plant", values)
    assert measured.verdicts() == []
