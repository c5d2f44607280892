"""Each check of a features part finds the fault that was planted, and nothing else."""

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from naturalist import artifacts, backbones
from naturalist.config import Config
from naturalist.layout import receipt_path
from naturalist.pipeline import steps
from naturalist.schemas import features_schema
from naturalist.stages import extract
from naturalist.stages.extract import Part
from naturalist.stages.verify import features as checks
from naturalist.stages.verify.features import FeatureCheckOptions, check_vectors
from naturalist.stages.verify.verdicts import HARD_CHECKS, SOFT_CHECKS, Verdict
from tiny import Vectors, collection, flip_byte, in_memory, job, make_sources, picture, vectors

SPEC = backbones.describe("colour_histogram")
ALL = FeatureCheckOptions(sample_share=1.0)


@dataclass(frozen=True)
class Made:
    """A collection whose features have been extracted from real pictures: two parts of plants."""

    config: Config

    @property
    def parts(self) -> list[Part]:
        return extract.parts(self.config.layout, "plant", SPEC)

    def verify(self, options: FeatureCheckOptions = ALL, *, again: bool = False) -> list[Verdict]:
        """Verdicts of every part that was not verified as it is."""
        tasks = checks.plan(
            self.config.layout,
            self.config.source_paths,
            "colour_histogram",
            self.config.picture_limits,
            options,
            again=again,
        )
        return [verdict for task in tasks for verdict in checks.run(task).verdicts]

    def rewrite(self, change: Callable[[pa.Table], pa.Table]) -> None:
        """Change the first part with a receipt that vouches for the change."""
        path = self.parts[0].path
        artifacts.write_parquet(path, change(pq.read_table(path, partitioning=None)))
        receipt = artifacts.read_receipt(path)
        assert receipt is not None
        digest = {path.name: artifacts.sha256_file(path)}
        artifacts.write_receipt(path, replace(receipt, sha256=digest))


@pytest.fixture
def made() -> Made:
    with in_memory() as root:
        sources = make_sources(root, {"animal": [1], "plant": range(10, 17)})
        config = collection(root, sources)
        with job(config) as held:
            steps.ingest(held)
            steps.extract_features(held)
        yield Made(config)


def found(verdicts: list[Verdict]) -> set[str]:
    assert all(v.check in (HARD_CHECKS if v.severity == "hard" else SOFT_CHECKS) for v in verdicts)
    return {verdict.check for verdict in verdicts}


def with_vectors(change: Callable[[Vectors], Vectors]) -> Callable[[pa.Table], pa.Table]:
    def changed(table: pa.Table) -> pa.Table:
        values = table["features"].combine_chunks().flatten().to_numpy().reshape(-1, SPEC.dim)
        values = np.ascontiguousarray(change(values.copy()), np.float32)
        column = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), SPEC.dim)
        columns = [table["pic_id"], table["source"], column]
        return pa.Table.from_arrays(columns, schema=features_schema(SPEC.dim))

    return changed


def set_value(row: int, column: int, value: float) -> Callable[[Vectors], Vectors]:
    def changed(values: Vectors) -> Vectors:
        values[row, column] = value
        return values

    return changed


def test_features_as_they_were_extracted_pass(made: Made) -> None:
    assert made.verify() == []
    assert len(checks.plan(*plan_of(made), ALL)) == 0
    assert len(checks.plan(*plan_of(made), ALL, again=True)) == 3


def plan_of(made: Made) -> tuple[object, ...]:
    config = made.config
    return config.layout, config.source_paths, "colour_histogram", config.picture_limits


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_found_and_its_picture_named(made: Made, value: float) -> None:
    made.rewrite(with_vectors(set_value(2, 100, value)))
    verdicts = made.verify(FeatureCheckOptions(sample_share=0.0))
    assert [(v.check, v.severity, v.pic_id) for v in verdicts] == [
        ("not_finite", "hard", "plant_id_3")
    ]
    assert verdicts[0].detail == "1 values are NaN or infinite"


def test_a_vector_of_zeros_is_found(made: Made) -> None:
    def zero(values: Vectors) -> Vectors:
        values[1] = 0
        return values

    made.rewrite(with_vectors(zero))
    verdicts = made.verify(FeatureCheckOptions(sample_share=0.0))
    assert [(v.check, v.severity, v.pic_id) for v in verdicts] == [
        ("all_zero", "hard", "plant_id_2")
    ]


def test_a_constant_vector_is_a_soft_finding(made: Made) -> None:
    def constant(values: Vectors) -> Vectors:
        values[1] = 0.25
        return values

    made.rewrite(with_vectors(constant))
    verdicts = made.verify(FeatureCheckOptions(sample_share=0.0))
    assert [(v.check, v.severity, v.pic_id) for v in verdicts] == [
        ("constant", "soft", "plant_id_2")
    ]


def test_vectors_that_are_not_those_of_their_pictures_are_found_by_extracting_again(
    made: Made,
) -> None:
    made.rewrite(with_vectors(lambda values: values[[1, 0, 2, 3]]))
    verdicts = made.verify()
    assert [(v.check, v.severity, v.pic_id) for v in verdicts] == [
        ("re_extraction", "hard", "plant_id_1"),
        ("re_extraction", "hard", "plant_id_2"),
    ]


def test_a_sample_of_the_pictures_is_extracted_again(made: Made) -> None:
    made.rewrite(with_vectors(lambda values: values[[1, 2, 3, 0]]))
    half = FeatureCheckOptions(sample_share=0.5)
    assert len(made.verify(half)) == 2
    assert made.verify(FeatureCheckOptions(sample_share=0.0)) == []


def test_the_sample_is_the_same_each_time(made: Made) -> None:
    made.rewrite(with_vectors(lambda values: values[[1, 2, 3, 0]]))
    half = FeatureCheckOptions(sample_share=0.5)
    assert made.verify(half) == made.verify(half, again=True)


def test_a_picture_that_changed_after_it_was_extracted_is_found(made: Made) -> None:
    path = next(made.config.layout.root.glob("images/plant/*/plant_id_2.png"))
    path.unlink()
    path.write_bytes(picture(999))
    (verdict,) = made.verify()
    assert (verdict.check, verdict.pic_id) == ("re_extraction", "plant_id_2")
    assert "changed_after_ingest" in verdict.detail


def test_a_flipped_byte_is_found_wherever_it_is(made: Made) -> None:
    path = made.parts[0].path
    whole = path.read_bytes()
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        flip_byte(path, at)
        verdicts = made.verify(FeatureCheckOptions(sample_share=0.0), again=True)
        assert found(verdicts) & {"checksum", "unreadable"}, f"byte {at}"
        path.write_bytes(whole)
    assert made.verify(again=True) == []


def test_a_part_that_is_no_parquet_is_unreadable_and_stops_nothing_else(made: Made) -> None:
    made.parts[0].path.write_bytes(b"no parquet at all")
    verdicts = made.verify()
    assert [(v.check, v.severity) for v in verdicts] == [("unreadable", "hard")]
    assert verdicts[0].file == str(made.parts[0].path.relative_to(made.config.layout.root))


def test_a_missing_row_is_found(made: Made) -> None:
    made.rewrite(lambda table: table.slice(0, 3))
    assert found(made.verify()) == {"row_count", "pic_ids"}


def test_a_row_too_many_is_found(made: Made) -> None:
    made.rewrite(lambda table: pa.concat_tables([table, table.slice(3)]))
    assert found(made.verify()) == {"row_count", "pic_ids"}


def test_rows_in_another_order_are_found(made: Made) -> None:
    made.rewrite(lambda table: table.take([1, 0, 2, 3]))
    assert found(made.verify()) == {"pic_ids"}


def test_a_strange_id_is_found(made: Made) -> None:
    def renamed(table: pa.Table) -> pa.Table:
        names = ["plant_id_1", "plant_id_2", "plant_id_3", "plant_id_400"]
        return table.set_column(0, table.schema.field(0), pa.array(names))

    made.rewrite(renamed)
    assert found(made.verify()) == {"pic_ids"}


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table.drop_columns(["source"]),
        lambda table: table.append_column("more", table["source"]),
        lambda table: table.select(["source", "pic_id", "features"]),
        lambda table: table.set_column(
            2, "features", table["features"].cast(pa.list_(pa.float64(), SPEC.dim))
        ),
        lambda table: table.set_column(
            2, "features", pa.array([[1.0, 2.0]] * 4, pa.list_(pa.float32(), 2))
        ),
    ],
    ids=["too few", "too many", "other order", "other type", "other length"],
)
def test_columns_that_are_not_those_of_the_contract_are_found(
    made: Made, change: Callable[[pa.Table], pa.Table]
) -> None:
    made.rewrite(change)
    assert found(made.verify()) == {"schema"}


def test_pictures_that_could_not_be_decoded_are_not_missed() -> None:
    with in_memory() as root:
        sources = make_sources(root, {"animal": [1], "plant": range(10, 14)})
        # A whole header, no pixels: accepted by ingest, refused when it is decoded.
        broken = sources["plant"]["photos"] / "0011.png"
        broken.write_bytes(broken.read_bytes()[:60] + b"\0" * 100)
        config = collection(root, sources)
        with job(config) as held:
            steps.ingest(held)
            assert steps.extract_features(held).refused == 1
        made = Made(config)
        assert made.parts[0].rows == made.parts[0].expected_rows == 3
        assert made.verify() == []


def test_a_part_is_verified_once_as_it_is_and_again_when_it_or_the_options_changed(
    made: Made,
) -> None:
    made.verify()
    planned = checks.plan(*plan_of(made), ALL)
    assert planned == []
    stricter = FeatureCheckOptions(sample_share=1.0, min_cosine=0.9999)
    assert len(checks.plan(*plan_of(made), stricter)) == 3
    made.rewrite(with_vectors(set_value(0, 0, 0.5)))
    assert len(checks.plan(*plan_of(made), ALL)) == 1


def test_a_part_with_a_hard_finding_is_verified_again_when_it_was_made_anew(made: Made) -> None:
    path = made.parts[0].path
    whole = path.read_bytes()
    flip_byte(path, len(whole) // 2)
    assert made.verify()
    path.write_bytes(whole)
    assert made.verify() == []
    receipts = [artifacts.read_json(receipt_path(p)) for p in check_files(made)]
    assert [receipt["facts"]["verdicts"] for receipt in receipts] == [[]] * len(receipts)


def check_files(made: Made) -> list[Path]:
    return sorted((made.config.layout.root / "checks").rglob("*.parquet"))


def test_the_measures_of_a_part_are_its_norms(made: Made) -> None:
    made.verify()
    values = pq.read_table(check_files(made)[1], partitioning=None)
    np.testing.assert_allclose(values["norm"].to_numpy(), 1.0, atol=1e-6)
    assert len(set(values["vector_hash"].to_pylist())) == len(values)
    facts = artifacts.read_json(receipt_path(check_files(made)[1]))["facts"]
    assert len(base64.b64decode(facts["ranges"]["least"])) == 4 * SPEC.dim


def test_ordinary_vectors_have_no_findings() -> None:
    assert list(check_vectors([f"plant_id_{n}" for n in range(50)], vectors(50, 16))) == []


def test_no_vectors_have_no_findings() -> None:
    assert list(check_vectors([], np.empty((0, 16), np.float32))) == []


def test_a_picture_that_was_decoded_with_a_doubt_has_a_warning_and_its_measure() -> None:
    with in_memory() as root:
        sources = make_sources(root, {"plant": range(3)})
        deep = np.linspace(1, 4000, 64 * 48).astype(np.uint16).reshape(48, 64)
        folder = sources["plant"]["photos"]
        Image.fromarray(deep).save(folder / "twelve bits.png")
        photo = io.BytesIO()
        shades = np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)
        Image.fromarray(shades).resize((600, 600)).save(photo, "JPEG")
        data = photo.getvalue()
        at = len(data) // 2
        (folder / "damaged.jpg").write_bytes(data[:at] + data[at + 512 :])
        config = collection(root, sources, limits={"damaged": "accept"})
        with job(config) as held:
            steps.ingest(held)
            steps.extract_features(held)
        verdicts = Made(config).verify()
        assert {v.check for v in verdicts} == {"unused_range", "damaged"}
        assert all(v.severity == "soft" and v.pic_id for v in verdicts)
        previews = pq.read_table(config.layout.previews("plant", 1, 0), partitioning=None)
        assert (np.array(previews["damage"]) > 0).sum() <= 1
