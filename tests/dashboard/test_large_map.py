"""A map of so many points that they lie one above another from afar."""

import importlib.util
import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from dashboard.browsing import served, shot, visiting
from naturalist.config import load_config
from naturalist.dashboard.collection import open_workspace

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
POINTS = 120_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server over the workspace that the benchmark of maps makes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(BENCHMARKS))
        spec = importlib.util.spec_from_file_location("large_maps", BENCHMARKS / "dashboard.py")
        assert spec is not None
        assert spec.loader is not None
        benchmark = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(benchmark)
        folder = benchmark.make_workspace(tmp_path_factory.mktemp("large") / "many", POINTS)
    with served(open_workspace(load_config(folder))) as url:
        yield url


def test_what_is_found_among_many_points_is_seen_from_afar(browser: Browser, large: str) -> None:
    with visiting(browser, large) as visit:
        page = visit.map()
        page.wait_for_function("() => document.querySelector('canvas').dataset.pictures === '0'")
        page.get_by_label("Find a picture").fill("_id_20.jpg")
        page.keyboard.press("Enter")
        expect(page.locator(".chosen h2")).to_have_text("3 chosen")
        page.wait_for_function("() => +document.querySelector('canvas').dataset.pictures > 0")
        shot(page, "found-among-many")
        page.get_by_role("button", name="Pictures", exact=True).click()
        page.wait_for_function("() => document.querySelector('canvas').dataset.pictures === '0'")
        # As points they lie above the others, in the full colour of their category.
        data = page.locator("canvas").screenshot()
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        assert (np.abs(pixels[60:-60] - (222, 130, 0)).sum(axis=2) < 30).sum() > 8
        visit.check()
