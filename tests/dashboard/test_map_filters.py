"""Filters over metadata columns, saved views and one's own picture, in a real browser."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from dashboard.browsing import Visit, axe_violations, served, shot, visiting
from dashboard.test_attached import config
from naturalist.config import Config
from naturalist.dashboard.collection import open_workspace

__all__ = ["config"]


@pytest.fixture
def visit(browser: Browser, config: Config) -> Iterator[Visit]:
    """A visitor of nine animals of three species and three plants without metadata."""
    with served(open_workspace(config)) as origin, visiting(browser, origin) as found:
        yield found
        found.check()


def shown(page: Page) -> str:
    return str(page.locator(".integrity b").text_content())


def chart(page: Page, title: str) -> list[str]:
    """Counts of a chart of names, as `owl 3`."""
    rows = page.get_by_role("group", name=title).locator("li")
    return [" ".join(row.split()) for row in rows.locator("label").all_inner_texts()]


def test_each_chart_filters_the_others_and_not_itself(visit: Visit, axe: str) -> None:
    page = visit.map("?h=column.species,column.wild")
    assert chart(page, "species") == ["kite 3", "owl 3", "wren 2", "none 4"]
    page.get_by_role("button", name="Only owl").click()
    expect(page.locator(".integrity b")).to_have_text("3")
    # Its own chart goes on to count what another choice would show.
    assert chart(page, "species") == ["kite 3", "owl 3", "wren 2", "none 4"]
    assert chart(page, "wild") == ["false 2", "true 1", "none 0"]
    expect(page).to_have_url(re.compile("f=column.species"))
    page.get_by_role("group", name="wild").get_by_role("button", name="Only true").click()
    expect(page.locator(".integrity b")).to_have_text("1")
    assert chart(page, "species") == ["kite 2", "owl 1", "wren 1", "none 0"]
    shot(page, "map-charts")
    assert axe_violations(page, axe) == []
    page.get_by_role("button", name="Clear all filters").click()
    expect(page.locator(".integrity b")).to_have_text("12")


def test_a_part_of_a_scale_is_chosen_by_drawing_on_its_chart(visit: Visit) -> None:
    page = visit.map("?h=column.year")
    bars = page.get_by_role("group", name="year").locator("svg").bounding_box()
    assert bars is not None
    middle = bars["y"] + bars["height"] / 2
    page.mouse.move(bars["x"] + bars["width"] * 0.4, middle)
    page.mouse.down()
    page.mouse.move(bars["x"] + bars["width"] * 0.99, middle, steps=5)
    page.mouse.up()
    expect(page.locator(".integrity b")).not_to_have_text("12")
    few = int(shown(page))
    assert 0 < few < 8
    expect(page).to_have_url(re.compile(r"f=column\.year"))
    page.mouse.click(bars["x"] + 30, middle)
    expect(page.locator(".integrity b")).to_have_text("12")


def test_a_value_of_a_column_can_be_searched_for(visit: Visit) -> None:
    page = visit.map()
    page.get_by_label("Find a picture").fill("KITE")
    page.keyboard.press("Enter")
    expect(page.locator(".integrity b")).to_have_text("3")


def test_a_view_is_saved_under_a_name_and_opened_again(visit: Visit) -> None:
    page = visit.map("?c=column.species&f=column.species:0&h=column.species")
    page.get_by_label("Zoom in").click()
    page.wait_for_function("() => location.hash.includes('v=')")
    page.get_by_text("Save this view").click()
    page.get_by_label("Name of this view").fill("Only kites")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.locator(".views .note")).to_have_text("Saved as Only kites.")
    saved = page.evaluate("location.hash")
    page.get_by_role("link", name="Map").click()
    expect(page.locator(".integrity b")).to_have_text("12")
    page.reload()
    page.get_by_text("Saved views (1)").click()
    page.get_by_role("link", name="Only kites").click()
    expect(page.locator(".integrity b")).to_have_text("3")
    expect(page.get_by_label("Colour by")).to_have_value("column.species")
    page.wait_for_function("wanted => location.hash === wanted", arg=saved)
    page.get_by_role("button", name="Remove the view Only kites").click()
    expect(page.get_by_text("Save this view")).to_be_visible()


def test_a_dropped_picture_is_shown_itself_amid_those_most_like_it(
    browser: Browser, origin: str, tmp_path: Path
) -> None:
    own = tmp_path / "holiday.png"
    Image.new("RGB", (64, 48), (20, 160, 40)).save(own)
    with visiting(browser, origin) as visit:
        page = visit.map()
        page.locator(".upload input").set_input_files(own)
        picture = page.get_by_alt_text("Your picture holiday.png", exact=True)
        expect(picture).to_have_js_property("naturalWidth", 64)
        expect(page.locator(".own-spot")).to_be_visible()
        expect(page.locator(".dropped .strip small").first).to_contain_text("0.")
        expect(page.locator(".detail")).to_have_count(0)
        shot(page, "own-picture")
        page.get_by_label("Close your picture").click()
        expect(page.locator(".own-spot")).to_have_count(0)
        page = visit.open("pictures")
        page.locator(".upload input").set_input_files(own)
        expect(page.locator(".own img")).to_have_js_property("naturalWidth", 64)
        expect(page.locator(".beside-own .tile").first).to_contain_text("_id_")
        visit.check()
