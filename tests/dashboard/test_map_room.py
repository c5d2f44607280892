"""What a map shows beside its panels, tools and status line, on screens of every size."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from dashboard.browsing import Visit, shot, visiting

SIZES = {"phone": (390, 844), "tablet": (800, 900), "laptop": (1280, 800), "zoomed": (640, 400)}
"""Widths and heights; the last is a laptop's screen at 200 % zoom."""
SMALL = ("phone", "zoomed")
BARE = "([x, y]) => document.elementFromPoint(x, y).tagName === 'CANVAS'"


@contextmanager
def looking(browser: Browser, origin: str, size: str, query: str = "") -> Iterator[Page]:
    """A map on a screen of some size; fails if the page complained."""
    with visiting(browser, origin) as visit:
        width, height = SIZES[size]
        visit.page.set_viewport_size({"width": width, "height": height})
        yield visit.map(query)
        visit.check()


def find(page: Page, text: str) -> None:
    """Search for it; a small screen opens its filters first."""
    box = page.get_by_label("Find a picture or a source")
    if not box.is_visible():
        page.get_by_role("button", name="Colours and filters").click()
    box.fill(text)
    box.press("Enter")


def camera(page: Page) -> str:
    """What the address says of the camera."""
    found = re.search(r"[?&]v=([^&]*)", page.url)
    return found[1] if found else ""


@pytest.mark.parametrize("query", ["?m=tsne-2d", "?m=tsne-3d"])
@pytest.mark.parametrize("size", SIZES)
def test_all_that_a_search_finds_is_seen_where_nothing_covers_it(
    browser: Browser, origin: str, size: str, query: str
) -> None:
    with looking(browser, origin, size, query) as page:
        # Near to one picture; the others that are looked for next lie elsewhere.
        find(page, "plant_id_3")
        expect(page.locator(".detail h2")).to_have_text("plant_id_3")
        find(page, "005.png")
        expect(page.locator(".chosen h2")).to_have_text("6 chosen")
        shot(page, f"found-{size}-{query[-2:]}")
        cameras = set()
        for tile in page.locator(".chosen .tile").all():
            name = str(tile.get_attribute("aria-label")).removeprefix("Show ")
            tile.click()
            expect(page.locator(".detail h2")).to_have_text(name)
            page.wait_for_url(re.compile(f"p={name}(&|$)"))
            cameras.add(camera(page))
            ring = page.locator("svg.over circle").bounding_box()
            assert ring is not None
            middle = [ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2]
            assert page.evaluate(BARE, middle), f"{name} is covered"
        assert len(cameras) == 1, "the map had to move to show what was found"


def test_a_search_on_a_phone_puts_the_filters_away_and_leaves_room_for_the_map(
    browser: Browser, origin: str
) -> None:
    with looking(browser, origin, "phone") as page:
        find(page, "005.png")
        found = page.locator(".panel.right").bounding_box()
        scene = page.locator("canvas").bounding_box()
        assert found is not None
        assert scene is not None
        assert found["width"] == 390
        assert found["y"] - scene["y"] > 250
        expect(page.get_by_label("Find a picture or a source")).to_be_hidden()
        page.get_by_role("button", name="Colours and filters").click()
        expect(page.get_by_label("Find a picture or a source")).to_be_visible()
        expect(page.locator(".panel.right")).to_be_hidden()


@pytest.mark.parametrize("size", SIZES)
def test_tools_and_status_line_cover_neither_each_other_nor_a_small_map(
    browser: Browser, origin: str, size: str
) -> None:
    with looking(browser, origin, size, "?f=category:2;batch:0") as page:
        find(page, "005.png")
        expect(page.locator(".chosen h2")).to_have_text("6 chosen")
        expect(page.locator(".notice")).to_contain_text("was taken off")
        names = [".tools button >> nth=-1", ".drawer", ".integrity summary", ".panel.right"]
        names += ["canvas"] if size in SMALL else [".tools button >> nth=4", ".notice"]
        right = page.locator(".panel.right").bounding_box()
        note = page.locator(".notice").bounding_box()
        assert right is not None
        assert note is not None
        assert note["x"] + note["width"] <= right["x"] or note["y"] + note["height"] <= right["y"]
        boxes = {name: page.locator(name).bounding_box() for name in names}
        if size in SMALL:
            # Only what was found lies on a small map.
            boxes.pop(".panel.right")
        for one in boxes:
            for other in boxes:
                a, b = boxes[one], boxes[other]
                assert a is not None
                assert b is not None
                apart = (
                    a["x"] + a["width"] <= b["x"] + 1
                    or b["x"] + b["width"] <= a["x"] + 1
                    or a["y"] + a["height"] <= b["y"] + 1
                    or b["y"] + b["height"] <= a["y"] + 1
                )
                assert one == other or apart, f"{one} lies on {other}"
        longest = page.locator(".chosen .bars .fill").first.bounding_box()
        assert longest is not None
        assert longest["width"] > 40


@pytest.mark.parametrize("map_name", ["tsne-2d", "tsne-3d"])
@pytest.mark.parametrize("size", SIZES)
def test_a_map_fills_its_frame(browser: Browser, origin: str, size: str, map_name: str) -> None:
    with looking(browser, origin, size, f"?m={map_name}&i=0&n=none") as page:
        shot(page, f"filled-{size}-{map_name}")
        data = page.locator("canvas").screenshot()
        pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
        # Below the tools that lie on a large map.
        top = 0 if size in SMALL else 60
        rows, columns = np.nonzero(np.ptp(pixels[top:], axis=2) > 60)
        wide = np.ptp(columns) / pixels.shape[1]
        tall = np.ptp(rows) / (pixels.shape[0] - top)
        assert max(wide, tall) > 0.65
        # A wide map lies on its side in a tall frame.
        assert min(wide, tall) > (0.4 if map_name == "tsne-2d" else 0.2)


@pytest.mark.parametrize("size", ["phone", "tablet", "laptop"])
def test_the_point_under_the_pointer_is_found_however_the_map_lies(
    browser: Browser, origin: str, size: str
) -> None:
    with looking(browser, origin, size, "?i=0&p=plant_id_3") as page:
        expect(page.locator(".detail h2")).to_have_text("plant_id_3")
        ring = page.locator("svg.over circle").bounding_box()
        assert ring is not None
        page.get_by_label("Close the picture").click()
        expect(page.locator(".detail")).to_have_count(0)
        page.mouse.click(ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2)
        expect(page.locator(".detail h2")).to_have_text("plant_id_3")


def test_a_word_in_the_name_of_a_source_finds_pictures_and_offers_the_source(
    visit: Visit,
) -> None:
    page = visit.map()
    find(page, "n")
    expect(page.locator(".chosen h2")).to_be_visible()
    offer = page.get_by_role("button", name="Show only the source near")
    offer.click()
    expect(page.locator(".search .note")).to_have_text("Only the source near is shown.")
    expect(page.locator(".integrity b")).to_have_text("25")
    page.get_by_role("button", name="Clear all filters").click()
    # What is in no picture's words and path may be a part of a source's name.
    find(page, "fa")
    expect(page.locator(".integrity b")).to_have_text("24")


def test_what_an_address_asks_for_and_is_not_there_is_left_out_and_said(visit: Visit) -> None:
    page = visit.map("?f=category:9;batch:0;nothing:1&c=weather&m=tsne-9d")
    everything = page.locator(".integrity").inner_text()
    said = page.locator(".notice")
    for name in ("Category 9", "column nothing", "column weather", "map tsne-9d"):
        expect(said).to_contain_text(name)
    shown = page.locator(".integrity b").inner_text()
    assert f"{shown} of {shown} points" in everything
    expect(page).to_have_url(re.compile(r"f=batch%3A0(&|$)"))
    page.get_by_label("Close this note").click()
    expect(said).to_have_count(0)


def test_a_click_moves_the_map_only_if_the_panel_would_hide_what_was_clicked(
    visit: Visit,
) -> None:
    page = visit.map("?i=0")
    ring = page.locator("svg.over circle")
    box = page.locator("canvas").bounding_box()
    assert box is not None
    page.locator("canvas").focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("p="))
    assert camera(page) == "all"
    at = ring.bounding_box()
    assert at is not None
    assert abs(at["x"] + at["width"] / 2 - box["x"] - box["width"] / 2) < box["width"] / 3
