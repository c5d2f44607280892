"""The benchmark of changed copies, on a few photos: all kinds are found, and no other pairs."""

import argparse
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from naturalist.studies.duplicates.options import INVARIANCES, NearDuplicateOptions

PROGRAM = Path(__file__).resolve().parents[3] / "benchmarks" / "duplicates.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))  # benchmarks share a module
    spec = importlib.util.spec_from_file_location("duplicates_benchmark", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def test_copies_of_photos_are_found_and_photos_are_kept_apart(
    photos: Path, benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = benchmark.evenly(benchmark.photos(photos), 60)
    sources = benchmark.write_collection(paths, 8, tmp_path / "raw")
    config = benchmark.make_collection(sources, tmp_path, "colour_histogram")
    known = benchmark.look(config, NearDuplicateOptions())
    looked = benchmark.look(config, NearDuplicateOptions(invariant=INVARIANCES))
    shares = benchmark.shares(looked)
    assert set(shares) == set(benchmark.COPIES)
    # A network of colours proposes fewer crops than the default network.
    assert all(share >= 0.75 for name, share in shares.items() if "crop" not in name), shares
    assert sum(shares.values()) >= sum(benchmark.shares(known).values()) + 4
    assert len(benchmark.strange(looked, known)) <= 0.01 * len(looked.pairs)
    benchmark.report(known, looked, argparse.Namespace(originals=8, invariant=INVARIANCES, list=1))
    assert "| turned-90 | 0% |" in capsys.readouterr().out
