"""The cache of models: whole or made again, whoever else is writing."""

import multiprocessing
from pathlib import Path

import pytest

from naturalist.backbones.cache import cache_folder, cached_model


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "naturalist"


def _never() -> bytes:
    raise AssertionError("made again although it was cached")


def test_a_model_is_made_once(cache: Path) -> None:
    assert cached_model("a", lambda: b"model") == b"model"
    assert cached_model("a", _never) == b"model"


@pytest.mark.parametrize("harm", ["cut", "changed", "no digest", "garbled digest", "emptied"])
def test_a_broken_model_is_made_again(cache: Path, harm: str) -> None:
    cached_model("a", lambda: b"model")
    path, digest = cache / "models" / "a.onnx", cache / "models" / "a.sha256"
    if harm == "no digest":
        digest.unlink()
    else:
        target = digest if "digest" in harm else path
        target.write_bytes({"cut": b"mod", "changed": b"m0del"}.get(harm, b""))
    assert cached_model("a", lambda: b"model") == b"model"
    assert cached_model("a", _never) == b"model"


def test_where_the_cache_cannot_be_written_the_model_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(in_the_way))
    assert cached_model("a", lambda: b"model") == b"model"


def test_a_relative_cache_home_is_ignored_as_the_standard_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() == Path.home() / ".cache" / "naturalist"


def _make_many(barrier) -> bool:
    barrier.wait()
    whole = bytes(300_000)
    return all(cached_model(f"model{k}", lambda: whole) == whole for k in range(10))


def _report(barrier, answers) -> None:
    answers.put(_make_many(barrier))


def test_processes_that_make_the_same_models_at_once_all_get_whole_ones(cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(3), context.SimpleQueue()
    workers = [context.Process(target=_report, args=(barrier, answers)) for _ in range(3)]
    for worker in workers:
        worker.start()
    assert all(answers.get() for _ in workers)
    for worker in workers:
        worker.join()
    assert sorted(p.name for p in (cache / "models").iterdir()) == sorted(
        f"model{k}.{kind}" for k in range(10) for kind in ("onnx", "sha256")
    )
