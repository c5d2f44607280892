"""Both ways of writing numbers give the same bytes, which are those of pyarrow's CSV writer."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from naturalist.stages import csv_text

Vectors = np.ndarray[Any, np.dtype[np.float32]]
needs_orjson = pytest.mark.skipif(
    csv_text.orjson is None, reason="orjson has no wheel for this machine"
)
shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))
any_bits = hnp.arrays(np.uint32, shapes).map(lambda bits: bits.view(np.float32))
numbers = st.one_of(
    st.floats(-(2.0**33), 2.0**33, width=32, allow_subnormal=True),
    st.integers(-1000, 1000).map(float),
)


def by_pyarrow(names: list[str], vectors: Vectors, labels: list[int]) -> bytes:
    columns = [pa.array(names), *map(pa.array, np.ascontiguousarray(vectors.T)), pa.array(labels)]
    table = pa.Table.from_arrays(columns, names=[str(n) for n in range(len(columns))])
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter=";", quoting_style="none")
    written = io.BytesIO()
    pyarrow.csv.write_csv(table, written, options)
    return written.getvalue()


def as_written(vectors: Vectors) -> tuple[bytes, bytes]:
    """Lines as this project writes them, and as pyarrow does."""
    names = [f"plant_id_{n}" for n in range(len(vectors))]
    labels = list(range(len(vectors)))
    return b"".join(csv_text.lines(names, vectors, labels)), by_pyarrow(names, vectors, labels)


@needs_orjson
@given(hnp.arrays(np.float32, shapes, elements=numbers))
def test_a_machine_without_orjson_writes_the_same_bytes(vectors: Vectors) -> None:
    assert csv_text.by_json(vectors) == csv_text.by_arrow(vectors)


@given(any_bits)
def test_lines_are_those_of_pyarrow_whatever_the_numbers(vectors: Vectors) -> None:
    ours, theirs = as_written(vectors)
    assert ours == theirs


@pytest.mark.parametrize("least_exponent", [-45, -8, 0, 8])
def test_lines_are_those_of_pyarrow_at_every_magnitude(least_exponent: int) -> None:
    exponents = np.random.default_rng(0).uniform(least_exponent, least_exponent + 5, (300, 200))
    vectors = (10.0**exponents).astype(np.float32)
    vectors[::7, ::3] = np.round(vectors[::7, ::3])
    ours, theirs = as_written(vectors)
    assert ours == theirs


def test_without_the_package_pyarrow_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = np.array([[0, -0.0, 1, 0.1], [9.5e-7, 123456, -7, 1e10]], np.float32)
    usual, _ = as_written(vectors)
    monkeypatch.setattr(csv_text, "orjson", None)
    assert as_written(vectors)[0] == usual


def test_no_rows_give_no_lines() -> None:
    assert list(csv_text.lines([], np.empty((0, 3), np.float32), [])) == []
