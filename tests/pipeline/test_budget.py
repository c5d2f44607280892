from collections.abc import Iterator

import pytest

from naturalist.config import Config
from naturalist.errors import FailureBudgetExceeded
from naturalist.pipeline import budget, steps
from tiny import collection, in_memory, ingest, job, make_sources, picture


@pytest.fixture
def config() -> Iterator[Config]:
    """Two whole pictures and six of plants, none ingested yet; a tenth may fail."""
    with in_memory() as root:
        sources = make_sources(root, {"animal": [1, 2], "plant": range(10, 16)})
        yield collection(root, sources, failure_budget=0.1)


def put(config: Config, name: str, data: bytes) -> None:
    (config.source_paths["plant"]["photos"] / name).write_bytes(data)


def half(seed: int) -> bytes:
    return picture(seed)[:30]


def test_a_run_without_failures_is_within_any_budget(config: Config) -> None:
    ingest(config)
    assert budget.spent(config) == budget.Spent({}, 8)
    budget.check(config)


def test_an_empty_collection_is_within_the_budget(config: Config) -> None:
    assert budget.spent(config).share == 0
    budget.check(config)


def test_too_many_failures_stop_a_run_and_are_counted_by_reason(config: Config) -> None:
    put(config, "a.jpg", half(20))
    put(config, "b.jpg", b"")
    ingest(config)
    said = (
        r"^2 of 10 new pictures failed \(20\.0%; failure_budget is 10\.0%\): "
        r"1 broken_header, 1 empty_file\. .*naturalist ledger --refused.*--accept-failures"
    )
    with pytest.raises(FailureBudgetExceeded, match=said):
        budget.check(config)


def test_as_many_failures_as_the_budget_allows_are_allowed(config: Config) -> None:
    put(config, "good.jpg", picture(30))
    put(config, "bad.jpg", half(20))
    ingest(config)
    assert budget.spent(config).share == 0.1
    budget.check(config)


def test_files_that_were_never_pictures_are_no_failures(config: Config) -> None:
    for name in ("readme.txt", ".DS_Store", "list.csv"):
        put(config, name, b"no picture at all")
    ingest(config)
    assert budget.spent(config) == budget.Spent({}, 8)


def test_duplicates_and_conflicts_are_pictures_that_could_be_used(config: Config) -> None:
    put(config, "again.png", picture(10))
    put(config, "animal.png", picture(1))
    ingest(config)
    assert budget.spent(config).pictures == 10


def test_pictures_that_cannot_be_decoded_are_failures_too(config: Config) -> None:
    put(config, "flat.png", picture(20)[:60] + b"\0" * 100)
    ingest(config)
    assert budget.spent(config).failures == {}
    with job(config) as held:
        steps.extract_features(held)
    spent = budget.spent(config)
    assert sum(spent.failures.values()) == 1
    assert spent.pictures == 9


def test_a_good_run_covers_what_came_before_it(config: Config) -> None:
    put(config, "bad.jpg", half(20))
    put(config, "worse.jpg", half(21))
    ingest(config)
    budget.cover(config.layout)
    assert budget.spent(config) == budget.Spent({}, 0)
    put(config, "new.png", picture(40))
    ingest(config)
    assert budget.spent(config) == budget.Spent({}, 1)


def test_files_that_were_mended_before_any_good_run_are_failures_no_more(config: Config) -> None:
    put(config, "bad.jpg", half(20))
    put(config, "worse.jpg", half(21))
    ingest(config)
    put(config, "bad.jpg", picture(20))
    put(config, "worse.jpg", picture(21))
    ingest(config)
    assert budget.spent(config) == budget.Spent({}, 10)


def test_mending_old_files_does_not_hide_new_failures(config: Config) -> None:
    put(config, "bad.jpg", half(20))
    put(config, "worse.jpg", half(21))
    ingest(config)
    budget.cover(config.layout)
    put(config, "bad.jpg", picture(20))
    put(config, "worse.jpg", picture(21))
    put(config, "new.jpg", half(22))
    ingest(config)
    assert budget.spent(config) == budget.Spent({"broken_header": 1}, 3)
    with pytest.raises(FailureBudgetExceeded, match=r"^1 of 3 new pictures"):
        budget.check(config)
