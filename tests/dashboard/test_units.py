import datetime as dt
import re
import zoneinfo
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from prometheus_client import parser

from naturalist.dashboard import bundle, cron, metrics
from naturalist.dashboard.columns import coded, scaled
from naturalist.dashboard.maps import quantised
from naturalist.errors import BundleMissing
from naturalist.studies.clusters import names as clustering_names
from naturalist.studies.maps import picture

NOW = dt.datetime(2026, 11, 25, 22, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("expression", "due"),
    [
        ("0 7 * * *", "2026-11-26T07:00"),
        ("*/20 * * * *", "2026-11-25T22:40"),
        ("30 22 * * *", "2026-11-26T22:30"),
        ("15 6 1 * *", "2026-12-01T06:15"),
        ("0 0 * * 0", "2026-11-29T00:00"),
        ("0 0 * * 7", "2026-11-29T00:00"),
        ("0 9-17/4 * * 1-5", "2026-11-26T09:00"),
        ("0 0 13 * 5", "2026-11-27T00:00"),
        ("@daily", "2026-11-26T00:00"),
    ],
)
def test_the_next_run_is_as_cron_says(expression: str, due: str) -> None:
    found = cron.next_run(expression, NOW)
    assert found is not None
    assert found.isoformat().startswith(due)


@pytest.mark.parametrize(
    "expression", ["", "7", "a b c d e", "61 * * * *", "0 0 31 2 *", "@never", "1 0 7 * * *"]
)
def test_what_is_no_schedule_has_no_next_run(expression: str) -> None:
    assert cron.next_run(expression, NOW) is None


def test_a_time_that_the_clock_leaves_out_in_spring_is_due_when_it_has_gone_on() -> None:
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    evening = dt.datetime(2026, 3, 28, 22, 0, tzinfo=zone)
    found = cron.next_run("30 2 * * *", evening)
    assert found is not None
    assert found.isoformat() == "2026-03-29T03:00:00+02:00"


@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 40), st.sampled_from([2, 3])),
        elements=st.floats(-1e6, 1e6, width=32),
    )
)
def test_no_point_moves_by_more_than_a_step(coordinates: np.ndarray) -> None:  # type: ignore[type-arg]
    steps, low, step = quantised(coordinates)
    found = np.array(low) + steps.astype(np.float64) * step
    assert np.abs(found - coordinates).max() <= step * 1.01 + 1e-6


@given(st.lists(st.integers(-3, 300), min_size=1), st.integers(1, 300))
def test_codes_are_kept_or_unknown(codes: list[int], names: int) -> None:
    column = coded("a", "A", np.array(codes), [str(n) for n in range(names)])
    missing = np.iinfo(column.data.dtype).max
    for code, stored in zip(codes, column.data.tolist(), strict=True):
        assert stored == (code if 0 <= code < names else missing)


@given(st.lists(st.floats(0, 1, width=32) | st.just(float("nan")), min_size=1))
def test_scales_are_kept_to_a_step(values: list[float]) -> None:
    column = scaled("a", "A", np.array(values, np.float32), 0, 1)
    for value, stored in zip(values, column.data.tolist(), strict=True):
        assert stored == 255 if np.isnan(value) else abs(stored / 254 - value) < 0.005


def test_the_page_escapes_the_collections_name() -> None:
    html = bundle.page("<script>alert(1)</script>", "/static/", "1")
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html


def test_an_installation_without_pages_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bundle, "_SCRIPT", "absent.js")
    with pytest.raises(BundleMissing, match="NATURALIST_NO_DASHBOARD"):
        bundle.load_bundle()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_labels_of_metrics_are_read_as_they_were_written(text: str) -> None:
    reason = {"reason": text, "files": 3}
    (read,) = [
        sample
        for family in parser.text_string_to_metric_families(metrics.exposition(health_of(reason)))
        for sample in family.samples
        if sample.name == "naturalist_refused_files"
    ]
    assert (read.labels["reason"], read.value) == (text, 3)


def health_of(*failures: dict[str, object]) -> dict[str, object]:
    """Health of a collection of which little is known."""
    return {
        "freshness": {"last_run": None, "snapshot": None}, "totals": [], "failures": failures,
        "running": False, "runs": [], "storage": {"kinds": [], "free_bytes": None},
        "verification": None, "drift": [], "model": None, "alerts": [],
    }  # fmt: skip


def test_a_metric_that_nothing_is_known_of_is_not_there() -> None:
    assert metrics.exposition(health_of()).splitlines() == [
        "# HELP naturalist_run_in_progress 1 while a run holds the workspace.",
        "# TYPE naturalist_run_in_progress gauge",
        "naturalist_run_in_progress 0.0",
    ]


def test_the_page_and_pictures_of_maps_have_one_palette() -> None:
    text = (Path(__file__).parents[2] / "frontend" / "src" / "palette.ts").read_text()
    block = text.partition("const NAMED")[2].partition("];")[0]
    page = [tuple(map(int, found)) for found in re.findall(r"\[(\d+), (\d+), (\d+)\]", block)]
    drawn = [tuple(int(text[i : i + 2], 16) for i in (1, 3, 5)) for text in picture._COLOURS]
    assert len(page) == 12
    assert page == drawn


def test_names_of_clusters_are_those_of_the_clusters_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "members.parquet").write_bytes(b"first")
    names = {"0": [{"name": "bird"}, {"name": "duck"}], "2": [], "3": [{"name": "plant"}]}
    entries = [{"group": group, "names": found} for group, found in names.items()]
    clustering_names.write(tmp_path, {"groups": 3, "entries": entries}, "words")
    assert clustering_names.titles(tmp_path) == {0: "bird", 3: "plant"}
    entries.append({"group": "7", "names": [{"name": "bird"}]})
    clustering_names.write(tmp_path, {"groups": 4, "entries": entries}, "words")
    assert clustering_names.titles(tmp_path) == {0: "bird 0", 3: "plant", 7: "bird 7"}
    (tmp_path / "members.parquet").write_bytes(b"made anew")
    assert clustering_names.read(tmp_path) == {}
