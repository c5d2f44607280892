"""Plans are arithmetic: what must hold whatever the rates are, and where rates come from."""

import json
import math
import tomllib
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tiny
from naturalist import artifacts, backbones
from naturalist.errors import ConfigError, WorkspaceError
from naturalist.pipeline.rates import load_rates
from naturalist.planning.capacity import Workload, plan, rates_of
from naturalist.running.executors import worker_count
from naturalist.stores.prices import load_prices

RATES = load_rates()
PRICES = load_prices("aws")
STANDARD = resources.files("naturalist.pipeline").joinpath("rates.toml").read_text("utf-8")


def planned(**wanted):
    return plan(Workload(**wanted), RATES, PRICES)


def compare_s(found):
    return {stage["stage"]: stage["machines_s"] for stage in found["stages"]}["compare"]


@given(st.integers(1, 10**9), st.integers(1, 100), st.integers(1, 64))
def test_more_machines_never_take_longer_and_never_less_than_their_share(pictures, machines, cores):
    many = planned(pictures=pictures, machines=machines, cores=cores)
    assert many["one_machine_s"] / machines <= many["machines_s"] * 1.000001
    assert many["machines_s"] <= many["one_machine_s"] * 1.000001
    for stage in many["stages"]:
        if not stage["divided"]:
            assert stage["machines_s"] == stage["one_machine_s"]


@given(st.integers(1, 10**8), st.integers(2, 10))
def test_time_and_disk_grow_as_the_pictures_do(pictures, times):
    few, more = planned(pictures=pictures), planned(pictures=pictures * times)
    # Of every batch with the whole ledger, which grows faster.
    compared_s = [
        {s["stage"]: s["machines_s"] for s in p["stages"]}["compare"] for p in (few, more)
    ]
    assert compared_s[1] >= times * compared_s[0] * 0.999999
    work_s = [
        p["one_machine_s"] - p["publish"]["duration_s"] - compared
        for p, compared in zip((few, more), compared_s, strict=True)
    ]
    assert work_s[1] == pytest.approx(times * work_s[0])
    for kind, size in few["disk_bytes"].items():
        assert more["disk_bytes"][kind] == pytest.approx(times * size)


def test_pictures_take_space_only_if_they_are_kept():
    assert "pictures" not in planned(pictures=1000)["disk_bytes"]
    kept = planned(pictures=1000, keep_pictures=True)
    assert kept["disk_bytes"]["pictures"] == 1000 * RATES.bytes["pictures"]


def test_published_objects_are_counted_one_by_one():
    sent = planned(pictures=10_002)["publish"]
    tables, previews, ledger = 2 * 2, 11, 1
    assert sent["objects"] == tables + previews + ledger
    assert sent["write_requests"] > sent["objects"], "a large table is sent in parts"
    with_pictures = planned(pictures=10_002, publish_pictures=True)["publish"]
    assert with_pictures["objects"] == sent["objects"] + 2 * 11


def test_pictures_are_sent_by_all_machines_and_all_else_by_one():
    one, eight = (planned(pictures=10**7, machines=n, publish_pictures=True) for n in (1, 8))
    for found in (one, eight):
        stages = {stage["stage"]: stage for stage in found["stages"]}
        pictures, files = stages["send-pictures"], stages["publish"]
        assert pictures["one_machine_s"] == one["publish"]["pictures_s"]
        assert files["machines_s"] == one["publish"]["files_s"]
        assert pictures["machines_s"] + files["machines_s"] == found["publish"]["duration_s"]
    assert one["publish"]["pictures_s"] == pytest.approx(
        8 * (eight["publish"]["duration_s"] - eight["publish"]["files_s"])
    )


def test_money_is_that_of_the_prices():
    found = plan(Workload(10**6, machines=2), RATES.with_hour(0.5), PRICES)
    sent, money = found["publish"], found["money"]
    assert money["requests"] == pytest.approx(sent["write_requests"] / 1000 * PRICES.put_1000)
    assert money["month"] == pytest.approx(sent["size_bytes"] / 1e9 * PRICES.storage_gb_month)
    worked_s = found["machines_s"] - sent["duration_s"]
    assert money["machines"] == pytest.approx(worked_s / 3600 * 2 * 0.5)


def test_publishing_is_part_of_the_whole_and_near_duplicates_grow_faster_than_the_pictures():
    few, many = planned(pictures=10**6), planned(pictures=10**8)
    assert many["stages"][-1]["stage"] == "publish"
    assert many["stages"][-1]["machines_s"] == many["publish"]["duration_s"]
    assert many["machines_s"] == sum(stage["machines_s"] for stage in many["stages"])
    times = {
        one["study"]: one["s"] / two["s"]
        for one, two in zip(many["studies"], few["studies"], strict=True)
    }
    # Comparing hashes takes 700 times as long by its cost model, reading them 100 times.
    assert times.pop("near duplicate search") == pytest.approx(7_700 / 11, rel=0.02)
    # The model takes 13 of 43 s of a million pictures; giving the rows their cluster grows.
    assert times.pop("clusters") == pytest.approx((13 + 30 * 100) / (13 + 30), rel=0.02)
    # Drawing their samples takes 13, 13 and 12 microseconds a picture, all else does not grow.
    assert times.pop("evaluate") == pytest.approx((163 + 13 * 99) / 163, rel=0.03)
    assert times.pop("label issues") == pytest.approx((44 + 13 * 99) / 44, rel=0.03)
    assert times.pop("drift") == pytest.approx((16 + 11.5 * 99) / 16, rel=0.03)
    assert set(times.values()) == {100.0}


def test_every_batch_is_compared_with_the_whole_ledger():
    small, large = (planned(pictures=10**8, files_per_batch=n) for n in (100_000, 500_000))
    # A million rows take 0.165 s, and a batch finds half of a hundred million.
    assert compare_s(small) == pytest.approx(1000 * 50 * 0.165, rel=0.01)
    assert compare_s(large) == pytest.approx(compare_s(small) / 5)


def test_studies_of_all_pictures_need_memory_for_each_and_studies_of_a_sample_do_not():
    few, many = (planned(pictures=n)["memory_mb"] for n in (10**6, 10**8))
    assert (round(few["map"]), round(many["map"])) == (1_100 + 1_600, 1_100 + 160_000)
    assert few["train"] == many["train"]


@pytest.mark.parametrize("name", ["pictures", "machines", "cores"])
def test_less_than_one_of_anything_is_refused_by_name(name):
    for number in (0, 10**13, int(1e300)):
        with pytest.raises(ConfigError, match=rf"--{name} is .*expected 1 to 1e\+12"):
            Workload(**{"pictures": 1} | {name: number})


@pytest.mark.parametrize("price", [-1, math.nan, math.inf])
def test_a_price_that_is_none_is_refused(price):
    with pytest.raises(ConfigError, match="machine-hour"):
        RATES.with_hour(price)
    with pytest.raises(ConfigError, match="put_1000"):
        replace(PRICES, put_1000=price)


def test_own_rates_are_read_and_named_as_an_assumption(tmp_path):
    path = tmp_path / "rates.toml"
    path.write_text(STANDARD.replace("extract = 520", "extract = 63"))
    own = load_rates(path)
    assert own.divided["extract"] == 63
    assert str(path) in plan(Workload(1000), own, PRICES)["assumptions"][0]


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("extract = 520", "extract = 0", "divided.extract"),
        ("extract = 520", "extract = true", "divided.extract"),
        ("extract = 520", "extract = nan", "divided.extract"),
        ("extract = 520", "extract = inf", "divided.extract"),
        ("extract = 520", "", "divided"),
        ("extract = 520", "extract = 520\nother = 1", "divided"),
        ("[memory]", "[other]\n[memory]", "other"),
        ("[memory]", "[memory", "cannot be read"),
    ],
)
def test_rates_that_cannot_be_used_are_refused_by_name(tmp_path, old, new, named):
    path = tmp_path / "rates.toml"
    path.write_text(STANDARD.replace(old, new))
    with pytest.raises(ConfigError, match=named):
        load_rates(path)


def test_the_rates_that_come_along_pass_their_own_check(tmp_path):
    path = tmp_path / "rates.toml"
    path.write_text(STANDARD)
    assert replace(load_rates(path), origin=RATES.origin) == RATES
    assert set(tomllib.loads(STANDARD)) == {
        "divided", "undivided", "studies", "growth", "bytes", "memory", "study_memory_mb",
        "study_memory_bytes", "machines",
    }  # fmt: skip


def test_rates_come_from_the_runs_of_a_collection(tmp_path):
    sources = tiny.make_sources(tmp_path / "raw", {"plant": range(6), "animal": range(10, 14)})
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    with pytest.raises(WorkspaceError, match="1,000"):
        rates_of(config, RATES)
    backbone_id = backbones.describe(config.extract.backbone).id
    for path in (config.layout.root / "features" / backbone_id).rglob("*.json"):
        artifacts.write_json(path, artifacts.read_json(path) | {"rows": 2000, "duration_s": 10.0})
    other = config.layout.features("another-network", "plant", 1, 0)
    artifacts.write_bytes(other, b"0" * 100_000)
    stages = {
        "extract": {"pictures": 4000, "duration_s": 3600.0},
        "verify-features": {"rows": 9000, "duration_s": 90.0},
        "tables": {"rows": 4000, "duration_s": 0.5},
    }
    artifacts.write_json(config.layout.runs / "000001.json", {"stages": stages})
    found = rates_of(config, RATES)
    assert found.divided["extract"] == 200.0, "that of a worker at work, without its start"
    workers = worker_count(config.extract.workers)
    assert found.divided["verify_features"] == 100.0 / workers
    assert found.divided["tables"] == RATES.divided["tables"], "half a second says nothing"
    csv = sum(path.stat().st_size for path in config.layout.tables.rglob("*.csv"))
    assert found.bytes["tables_csv"] == csv / 10
    files = [path.stat().st_size for path in (tmp_path / "raw").rglob("*") if path.is_file()]
    assert found.bytes["pictures"] == pytest.approx(sum(files) / 10)
    assert found.bytes["features"] < 10_000, "another network's are not counted"
    assert "tiny" in found.origin


def test_a_plan_is_json():
    assert json.loads(json.dumps(planned(pictures=10))) == planned(pictures=10)


def test_the_file_of_rates_is_part_of_the_package():
    assert Path(str(resources.files("naturalist.pipeline"))).joinpath("rates.toml").is_file()


def test_tables_without_csv_take_no_disk_and_no_requests_for_it():
    with_csv, without = (planned(pictures=10**6, csv=csv) for csv in (True, False))
    assert without["disk_bytes"]["tables_csv"] == 0 < with_csv["disk_bytes"]["tables_csv"]
    assert without["publish"]["write_requests"] < with_csv["publish"]["write_requests"]
    assert without["publish"]["size_bytes"] < with_csv["publish"]["size_bytes"]


@pytest.mark.parametrize(("pictures", "is_named"), [(10**8, False), (10**9, True)])
def test_what_is_far_beyond_all_measurements_is_named(pictures: int, is_named: bool) -> None:
    planned = plan(Workload(pictures=pictures), load_rates(), load_prices("aws"))
    named = [line for line in planned["assumptions"] if "nothing was measured" in line]
    assert bool(named) == is_named
