"""Batches take the memory of a table for each category, however many tables there are."""

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from naturalist import artifacts
from naturalist.consume import Collection
from naturalist.consume.locations import TableFile, Tables
from naturalist.schemas import table_schema

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="memory is measured as Linux tells it"
)

ROWS, DIM, TABLES = 4000, 512, 12
TABLE_MB = ROWS * DIM * 4 / 1e6
GO_THROUGH = """
import pickle, sys
from pathlib import Path
collection = pickle.loads(Path(sys.argv[1]).read_bytes())
rows = sum(len(batch.labels) for batch in collection.batches(256, eval(sys.argv[2])))
lines = Path("/proc/self/status").read_text().splitlines()
print(rows, next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024)
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[TableFile]:
    """Twelve tables of each of two categories: 200 MB as float32."""
    folder = tmp_path_factory.mktemp("large tables")
    made = []
    for label in (0, 1):
        features = np.random.default_rng(label).random(ROWS * DIM, np.float32)
        columns = [
            pa.array([f"c{label}_id_{n}" for n in range(ROWS)]),
            pa.array(np.full(ROWS, label, np.int32)),
            pa.array([""] * ROWS),
            pa.FixedSizeListArray.from_arrays(pa.array(features), DIM),
        ]
        path = folder / f"{label}.parquet"
        artifacts.write_parquet(path, pa.Table.from_arrays(columns, schema=table_schema(DIM)))
        digest = artifacts.sha256_file(path)
        made += [TableFile(f"{label}-{k}", f"c{label}", path, digest) for k in range(TABLES)]
    return made


def peak_mb(files: list[TableFile], seed: int | None, folder: Path) -> int:
    """The most memory of a fresh process that goes through all rows."""
    path = folder / "collection"
    path.write_bytes(pickle.dumps(Collection(Tables("", None, None, {}, tuple(files)))))
    done = subprocess.run(
        [sys.executable, "-c", GO_THROUGH, str(path), repr(seed)],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, peak = map(int, done.stdout.split())
    assert rows == len(files) * ROWS
    return peak


@pytest.mark.parametrize("seed", [None, 0], ids=["in order", "shuffled"])
def test_memory_does_not_follow_the_number_of_tables(
    files: list[TableFile], tmp_path: Path, seed: int | None
) -> None:
    few = [file for k, file in enumerate(files) if k % TABLES < 2]
    grown_mb = peak_mb(files, seed, tmp_path) - peak_mb(few, seed, tmp_path)
    assert grown_mb < (len(files) - len(few)) * TABLE_MB / 3
