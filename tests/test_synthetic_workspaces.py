"""The workspaces that benchmarks make are such as runs would have made."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from naturalist.pipeline import steps
from naturalist.pipeline.steps import Job
from naturalist.progress import Silent
from naturalist.running import workspace
from naturalist.running.executors import InlineExecutor
from tiny import in_memory

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    with in_memory() as folder:
        yield folder / "made"
    sys.modules.pop("synthetic", None)


@pytest.mark.parametrize("shared", [False, True])
def test_stages_that_a_synthetic_workspace_has_done_are_not_done_again(
    root: Path, shared: bool
) -> None:
    import synthetic

    config = synthetic.make(synthetic.Synthetic(root, 2500, shared=shared))
    with workspace.writing(config):
        job = Job(config, InlineExecutor(), Silent())
        assert not steps.ingest(job).batches
        assert steps.extract_features(job).shards == 0
        features = steps.verify_features(job)
        assert features.checked == (0 if shared else 3)
        tables = steps.write_tables(job)
        assert tables.written == (0 if shared else 3)
        checked = steps.verify_tables(job)
        assert not [v for v in (*features.verdicts, *checked.verdicts) if v.severity == "hard"]
        assert steps.verify_tables(job).checked == 0
