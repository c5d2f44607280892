"""The page of changes between snapshots, and every page at twice the size."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from dashboard.browsing import Visit, axe_violations, served, shot, visiting
from dashboard.conftest import client_of_place
from dashboard.test_browser import PAGES
from naturalist.config import Config
from naturalist.dashboard.collection import open_published, open_workspace
from snapshots.test_picture_diff import config

__all__ = ["config"]


@pytest.fixture
def visit(browser: Browser, config: Config) -> Iterator[Visit]:
    with served(open_workspace(config)) as origin, visiting(browser, origin, theme="dark") as found:
        yield found
        found.check()


def test_a_slider_goes_over_the_snapshots(visit: Visit, axe: str) -> None:
    page = visit.open("changes?before=000001&after=000002")
    expect(page.locator(".figures")).to_contain_text("2came1left1relabelled")
    card = page.locator(".card", has_text="What was relabelled")
    expect(card).to_contain_text("from animal to plant")
    expect(card).to_contain_text("was animal_id_2")
    left = page.locator(".card", has_text="What left").locator("img")
    expect(left).to_have_js_property("complete", True)
    assert axe_violations(page, axe) == []
    shot(page, "changes")
    page.get_by_label("Snapshot").press("ArrowRight")
    expect(page.locator(".card")).to_contain_text("no longer shown")
    expect(page.locator(".card img")).to_have_count(0)
    page.get_by_label("Compared with").select_option("000001")
    expect(page.locator(".figures")).to_contain_text("2came2left1relabelled")


def test_the_same_is_answered_of_a_published_collection(config: Config) -> None:
    client = client_of_place(open_published(config.publish_url))
    assert [one["id"] for one in client.get("/api/snapshots").json()["snapshots"]] == [
        "000001", "000002", "000003",
    ]  # fmt: skip
    found = client.get("/api/snapshots/000001/to/000002").json()
    assert found["counts"] == {"came": 2, "left": 1, "relabelled": 1}
    assert client.get("/api/snapshots/000001/to/000009").status_code == 404
    assert client.get("/api/snapshots/000001/to/..%2f").status_code in (404, 422)


def test_at_200_percent_nothing_is_wider_than_the_screen(browser: Browser, origin: str) -> None:
    page = browser.new_page(viewport={"width": 640, "height": 400}, device_scale_factor=2)
    try:
        for name in [*PAGES.values(), "changes"]:
            page.goto("about:blank")
            page.goto(f"{origin}#/{name}")
            page.wait_for_selector("main h1", state="attached")
            page.wait_for_load_state("networkidle")
            wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert wide <= 0, f"{name} is {wide} pixels wider than the screen"
            expect(page.get_by_role("link", name="Changes")).to_be_in_viewport()
    finally:
        page.close()
