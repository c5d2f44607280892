"""Every page in a real browser, on a studied, an empty and a broken collection."""

import csv
import io
import itertools
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

import tiny
from dashboard.browsing import Visit, axe_violations, served, shot, visiting
from dashboard.studied import HOSTILE, studied_collection
from naturalist import artifacts
from naturalist.config import Config, load_config
from naturalist.curation.decisions import read_decisions
from naturalist.dashboard.bundle import load_bundle
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import open_context
from naturalist.dashboard.export import export
from naturalist.pipeline.studies import STEPS

PAGES = {
    "health": "health",
    "map": "map",
    "map-3d": "map?m=tsne-3d&c=confidence&p=plant_id_3",
    "clusters": "clusters",
    "models": "models",
    "pictures": "pictures",
    "picture": "pictures?id=plant_id_3",
    "duplicates": "pictures?view=duplicates",
}


@pytest.mark.parametrize(("screen", "theme"), [("laptop", "light"), ("phone", "dark")])
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_accessible_and_asks_nobody_else(
    browser: Browser, origin: str, axe: str, name: str, screen: str, theme: str
) -> None:
    with visiting(browser, origin, screen, theme) as visit:
        page = visit.map(PAGES[name][3:]) if name.startswith("map") else visit.open(PAGES[name])
        expect(page.locator(".trouble")).to_have_count(0)
        shot(page, f"{name}-{screen}-{theme}")
        assert axe_violations(page, axe) == []
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"the page is {wide} pixels wider than the screen"
        visit.check()


def test_hostile_names_are_text(visit: Visit) -> None:
    page = visit.open("pictures?text=onerror")
    expect(page.locator(".tile")).to_contain_text("plant_id")
    page.locator(".tile").click()
    expect(page.locator(".facts")).to_contain_text(HOSTILE[:40])
    page = visit.open("health")
    page.get_by_text("Examples", exact=True).click()
    expect(page.locator(".paths")).to_contain_text("script&lt;.png")
    expect(page.locator(".alerts")).to_contain_text("<script>window.hostile=1</script>")
    page = visit.open("clusters")
    expect(page.locator(".figures")).to_contain_text(HOSTILE)
    page = visit.open("models")
    expect(page.locator("main")).to_contain_text("<script>window.hostile=1</script>")


def test_a_picture_is_shown_on_hover_and_everything_on_click(visit: Visit) -> None:
    page = visit.map("?p=plant_id_3")
    x, y = _marked(page)
    page.mouse.move(x + 3, y + 2)
    card = page.locator(".hover")
    expect(card).to_contain_text("plant_id_3")
    expect(card.locator("img")).to_have_js_property("complete", True)
    assert card.locator("img").evaluate("image => image.naturalWidth") > 20
    shot(page, "hover")
    page.get_by_label("Close the picture").click()
    expect(page.locator(".detail")).to_have_count(0)
    page.mouse.click(x, y)
    detail = page.locator(".detail")
    expect(detail.locator("h2")).to_have_text("plant_id_3")
    for said in ("Prediction", "Confidence", "Outlier score", "cluster", "Looks like", "SHA-256"):
        expect(detail).to_contain_text(said)


def test_points_become_pictures_where_there_is_room(visit: Visit) -> None:
    page = visit.map()
    page.wait_for_function("() => +document.querySelector('canvas').dataset.pictures > 40")
    with_pictures = _coloured(_pixels(page))
    shot(page, "pictures-on-the-map")
    page.get_by_role("button", name="Pictures", exact=True).click()
    page.wait_for_function("() => document.querySelector('canvas').dataset.pictures === '0'")
    assert _coloured(_pixels(page)) < with_pictures / 4
    page.reload()
    page.wait_for_selector(".integrity")
    pressed = page.get_by_role("button", name="Pictures", exact=True)
    expect(pressed).to_have_attribute("aria-pressed", "false")
    page = visit.map("?m=tsne-3d")
    page.wait_for_function("() => +document.querySelector('canvas').dataset.pictures > 20")


def test_pages_speak_in_words_and_nothing_is_cut_off_on_a_phone(
    browser: Browser, origin: str
) -> None:
    with visiting(browser, origin, "phone", "dark") as visit:
        page = visit.open("health")
        table = page.get_by_role("region", name="Stages of the last run")
        expect(table).to_contain_text("40 pictures, 0 refused")
        cut = "node => node.scrollWidth - node.clientWidth"
        assert table.evaluate(cut) <= 0
        page = visit.open("clusters")
        card = page.locator(".card").first
        expect(card).to_contain_text("doubtful: mixes categories")
        pictures, words = card.locator(".tiles").first, card.locator(".note")
        at = [one.bounding_box() for one in (pictures, words)]
        assert at[0] is not None
        assert at[1] is not None
        assert at[0]["y"] < at[1]["y"]
        page.get_by_text("All measures and what they mean").click()
        expect(page.get_by_role("region", name="Measures")).to_contain_text("no better than chance")


def test_the_map_of_a_phone_is_whole_above_an_open_picture_and_the_pages_are_in_one_line(
    browser: Browser, origin: str
) -> None:
    with visiting(browser, origin, "phone", "dark") as visit:
        page = visit.map("?p=plant_id_3")
        expect(page.locator(".detail")).to_contain_text("SHA-256")
        shot(page, "map-picture-phone-dark")
        with Image.open(io.BytesIO(page.screenshot())) as seen:
            left = [seen.convert("RGB").getpixel((3, y)) for y in range(140, 400, 20)]
        # The page's own background: black is where the browser showed no canvas.
        assert set(left) == {(20, 24, 26)}
        links = page.locator(".top nav a").evaluate_all(
            "links => links.map(link => link.getBoundingClientRect().top)"
        )
        assert max(links) - min(links) < 2
        visit.check()


def test_groups_have_their_names_on_the_map(visit: Visit) -> None:
    page = visit.map("?m=tsne-3d&c=category")
    expect(page.locator("svg.over text").first).to_contain_text("cluster")
    page = visit.map("?c=prediction")
    expect(page.locator("svg.over text", has_text="plant")).to_have_count(1)


def test_regions_have_names_that_are_finer_from_near_by_and_never_touch(visit: Visit) -> None:
    page = visit.map("?c=category")
    names = page.locator("svg.over text")
    expect(names.filter(has_text="birds")).to_have_count(1)
    expect(names.filter(has_text="trees")).to_have_count(1)
    for _ in range(2):
        page.get_by_label("Zoom in").click()
    expect(names.filter(has_text="finch").first).to_be_visible()
    boxes = names.evaluate_all("all => all.map(one => one.getBoundingClientRect().toJSON())")
    apart = [
        a["right"] <= b["left"]
        or b["right"] <= a["left"]
        or a["bottom"] <= b["top"]
        or b["bottom"] <= a["top"]
        for a, b in itertools.combinations(boxes, 2)
    ]
    assert len(boxes) > 1
    assert all(apart)
    page.get_by_role("button", name="All", exact=True).click()
    page.get_by_label("Colour by").select_option("cluster")
    expect(names.first).to_contain_text("cluster")
    page.get_by_label("Names on the map").select_option("none")
    expect(names).to_have_count(0)
    expect(page).to_have_url(re.compile("n=none"))


def test_a_region_without_shown_pictures_has_no_name(visit: Visit) -> None:
    page = visit.map("?f=category:0")
    names = page.locator("svg.over text")
    expect(names.filter(has_text="birds")).to_have_count(1)
    expect(names.filter(has_text="trees")).to_have_count(0)


def test_what_was_found_is_shown_whatever_the_filters_hid(visit: Visit) -> None:
    page = visit.map("?f=category:2;batch:0")
    before = page.locator("canvas").bounding_box()
    page.get_by_label("Find a picture").fill("plant_id_3")
    page.keyboard.press("Enter")
    expect(page.locator(".detail h2")).to_have_text("plant_id_3")
    expect(page.locator(".notice", has_text="was taken off")).to_be_visible()
    expect(page).to_have_url(re.compile("f=batch%3A0"))
    # What is beside the map lies above it: nothing moves under the pointer.
    assert page.locator("canvas").bounding_box() == before


def test_the_map_stays_on_the_screen_however_much_is_said_of_a_picture(visit: Visit) -> None:
    page = visit.map("?p=plant_id_3")
    expect(page.locator(".detail")).to_contain_text("SHA-256")
    expect(page.locator(".detail")).to_contain_text("Beside it on the map")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    left, right = page.locator("canvas").bounding_box(), page.locator(".detail").bounding_box()
    ring = page.locator("svg.over circle").bounding_box()
    assert left is not None
    assert right is not None
    assert ring is not None
    # In the middle of what the picture beside the map leaves of it.
    middle = (left["x"] + right["x"] - 16) / 2
    assert abs(middle - ring["x"] - ring["width"] / 2) < 3


def test_a_lasso_chooses_the_points_inside(visit: Visit, studied: Config) -> None:
    page = visit.map()
    box = page.locator("canvas").bounding_box()
    assert box is not None
    page.get_by_role("button", name="Lasso").click()
    corners = [(0.99, 0.5), (0.99, 0.99), (0.01, 0.99), (0.01, 0.01), (0.99, 0.01)]
    spots = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    page.mouse.move(*spots[0])
    page.mouse.down()
    for spot in spots[1:]:
        page.mouse.move(*spot, steps=4)
    page.mouse.up()
    rows = pq.read_metadata(studied.layout.map("tsne-2d") / "points.parquet").num_rows
    expect(page.locator(".chosen h2")).to_have_text(f"{rows} chosen")
    shot(page, "lasso")


def test_what_is_chosen_becomes_a_csv_and_decisions(visit: Visit) -> None:
    page = visit.map("?f=category:2")
    page.locator("canvas").press("b")
    _drag(page, (0.99, 0.97), (0.01, 0.02))
    expect(page.locator(".chosen h2")).to_have_text("16 chosen")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save as CSV").click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {row["category"] for row in rows} == {"human"}
    assert {row["source"] for row in rows} == {"near", "far"}
    assert len({row["picID"] for row in rows}) == 16
    page.get_by_label("Decision").select_option("relabel:plant")
    with page.expect_download() as download:
        page.get_by_role("button", name="Save decisions").click()
    keys = {name: name for name in ("animal", "human", "plant")}
    decisions = read_decisions(Path(download.value.path()), keys)
    assert {(one.kind, one.category) for one in decisions} == {("relabel", "plant")}
    assert len(decisions) == 16


def test_filters_combine(visit: Visit, studied: Config) -> None:
    rows = [row for row in tiny.ledger_rows(studied) if row["outcome"] == "accepted"]
    page = visit.map()
    plants = page.locator(".names li").filter(has_text="plant")
    plants.hover()
    plants.get_by_role("button", name="Only plant").click()
    shown = page.locator(".integrity b")
    expect(shown).to_have_text(str(sum(row["category"] == "plant" for row in rows)))
    page.get_by_label("Filter by another column").select_option("source")
    near = (
        page.get_by_role("group", name=re.compile("Source")).locator("li").filter(has_text="near")
    )
    near.hover()
    near.get_by_role("button", name="Only near").click()
    both = sum(row["category"] == "plant" and row["source"] == "near" for row in rows)
    expect(shown).to_have_text(str(both))
    page.get_by_role("button", name="Clear all filters").click()
    expect(shown).to_have_text(str(len(rows)))


def test_a_picture_that_is_dropped_finds_those_like_it(visit: Visit, studied: Config) -> None:
    page = visit.map()
    source = studied.category[0].source[0].path
    page.locator("input[type=file]").set_input_files(source / "003.png")
    expect(page.locator(".chosen h2")).to_have_text("24 chosen")
    expect(page.locator(".chosen .note").first).to_have_text("nearest to 003.png")
    asked = ("animal", "near", "003.png")
    row = next(
        row
        for row in tiny.ledger_rows(studied)
        if (row["category"], row["source"], row["path_text"]) == asked
    )
    nearest = page.locator(".dropped .tile").first
    expect(nearest).to_have_attribute("aria-label", f"Show {row['pic_id']}")
    page.locator("input[type=file]").set_input_files(
        {"name": "no.png", "mimeType": "image/png", "buffer": b"no picture"}
    )
    expect(page.locator(".search .note")).to_contain_text("cannot be read")
    # The browser itself notes that an answer was 422; that is what it was meant to be.
    visit.errors[:] = [text for text in visit.errors if "422" not in text]


def test_search_finds_ids_and_sources(visit: Visit) -> None:
    page = visit.map()
    box = page.get_by_label("Find a picture or a source")
    box.fill("human_id_2")
    box.press("Enter")
    expect(page.locator(".detail h2")).to_have_text("human_id_2")
    box.fill("far")
    box.press("Enter")
    expect(page.locator(".integrity b")).to_have_text("24")
    box.fill("mineral_id_1")
    box.press("Enter")
    expect(page.locator(".search .note")).to_have_text("The map has no picture mineral_id_1.")


def test_a_late_answer_to_an_older_search_changes_nothing(visit: Visit) -> None:
    page = visit.map()
    held: dict[str, Route] = {}
    found = {"older": ["human_id_3", "human_id_4"], "newer": ["plant_id_1"], "void": []}

    def answer(route: Route) -> None:
        word = parse_qs(urlsplit(route.request.url).query)["text"][0]
        if word == "older" and not held:
            held[word] = route
        else:
            message = "teach it: `naturalist concept make void`"
            route.fulfill(json={"ids": found[word], "messages": [] if found[word] else [message]})

    page.route("**/api/words?*", answer)
    box, note = page.get_by_label("Find a picture or a source"), page.locator(".search .note")

    def search(text: str) -> None:
        box.fill(text)
        box.press("Enter")

    search("older")
    expect(note).to_have_text("Looking for older …")
    search("newer")
    expect(page.locator(".chosen .note").first).to_have_text("found by the words newer")
    with page.expect_response("**/api/words?text=older"):
        held["older"].fulfill(json={"ids": found["older"], "messages": []})
    search("human_id_2")
    expect(page.locator(".detail h2")).to_have_text("human_id_2")
    expect(page.locator(".chosen .note").first).to_have_text("found by the words newer")
    search("older")
    expect(page.locator(".chosen h2")).to_have_text("2 chosen")
    # What finds nothing leaves nothing chosen to decide about, and names its command as one.
    search("void")
    expect(note.locator("code")).to_have_text("naturalist concept make void")
    expect(page.locator(".chosen")).to_have_count(0)
    search("far")
    expect(page.locator(".integrity b")).to_have_text("24")
    search("")
    expect(page.locator(".integrity b")).not_to_have_text("24")
    expect(note).to_have_text("")
    visit.check()


def test_the_tools_of_the_map_are_in_one_line_on_a_tablet(visit: Visit) -> None:
    page = visit.map()
    page.set_viewport_size({"width": 800, "height": 900})
    tops = page.locator(".tools button").evaluate_all(
        "buttons => buttons.map(one => Math.round(one.getBoundingClientRect().top))"
    )
    assert len(tops) == 7
    assert len(set(tops)) == 1


def test_space_is_turned_and_drawn_anew(visit: Visit) -> None:
    page = visit.map("?m=tsne-3d")
    before = _pixels(page)
    address = page.url
    _drag(page, (0.4, 0.4), (0.7, 0.6))
    page.wait_for_function("before => location.href !== before", arg=address)
    assert "v=" in page.url
    after = _pixels(page)
    assert _coloured(before) > 50
    assert _coloured(after) > 50
    assert np.abs(before.astype(int) - after).max() > 50


def test_an_address_brings_the_whole_view_back(browser: Browser, origin: str) -> None:
    with visiting(browser, origin) as first:
        page = first.map("?c=source&f=category:0,1")
        box = page.get_by_label("Find a picture or a source")
        box.fill("plant_id_5")
        box.press("Enter")
        expect(page.locator(".detail h2")).to_have_text("plant_id_5")
        page.wait_for_url(re.compile("p=plant_id_5.*v="))
        address = page.url
        points = page.locator(".integrity b").inner_text()
    with visiting(browser, origin) as second:
        page = second.page
        page.goto(address)
        expect(page.locator(".detail h2")).to_have_text("plant_id_5")
        expect(page.get_by_label("Colour by")).to_have_value("source")
        expect(page.locator(".integrity b")).to_have_text(points)
        assert page.url == address
        second.check()


def test_what_an_address_names_and_is_not_here_is_said_and_left_out(visit: Visit) -> None:
    page = visit.page
    note = page.get_by_role("status").filter(has_text="left out")
    visit.open("map?p=plant_id_99999&v=0.5_0.5_999999999", ".integrity")
    expect(note).to_contain_text("view 0.5_0.5_999999999, picture plant_id_99999.")
    expect(page.locator(".panel.right")).to_have_count(0)
    note.get_by_role("button").click()
    expect(note).to_have_count(0)
    visit.open("pictures?category=zebra")
    expect(note).to_contain_text("left out: category zebra.")
    assert page.locator(".filters select").first.evaluate("one => one.selectedIndex") == 0
    expect(page.locator(".tile").first).to_be_visible()
    visit.open("clusters?name=other")
    expect(note).to_contain_text("left out: clustering other.")


def test_the_map_is_used_by_keyboard_alone(visit: Visit) -> None:
    page = visit.map()
    canvas = page.locator("canvas")
    canvas.focus()
    address = page.url
    for key in ("ArrowLeft", "+", "+", "ArrowUp"):
        canvas.press(key)
    page.wait_for_function("before => location.href !== before", arg=address)
    canvas.press("Enter")
    expect(page.locator(".detail h2")).to_have_text(re.compile(r"_id_\d+"))
    canvas.press("Escape")
    expect(page.locator(".detail")).to_have_count(0)


def test_reasons_are_written_in_words(browser: Browser, tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path, {"plant": [1]})
    (sources["plant"]["photos"] / "notes.txt").write_text("no picture")
    config = tiny.collection(tmp_path, sources)
    tiny.make_all(config)
    with served(open_workspace(config)) as url, visiting(browser, url) as visit:
        page = visit.open("pictures?outcome=refused")
        expect(page.locator(".tile .state")).to_have_text("not a picture")
        expect(page.get_by_label("reason").locator("option").last).to_have_text("not a picture (1)")


@pytest.mark.parametrize("width", [390, 800, 1280])
def test_texts_of_charts_can_be_read_at_every_width(visit: Visit, width: int) -> None:
    visit.page.set_viewport_size({"width": width, "height": 850})
    page = visit.open("health")
    texts = page.locator(".chart svg text")
    expect(texts.first).to_be_attached()
    heights = texts.evaluate_all("texts => texts.map(one => one.getBoundingClientRect().height)")
    assert min(heights) > 10
    assert max(heights) < 22


def test_differences_and_stages_are_written_in_words(visit: Visit) -> None:
    page = visit.open("models")
    expect(page.locator(".figure", has_text="gap")).to_contain_text("points")
    page = visit.open("health")
    stages = page.get_by_role("region", name="Stages of the last run")
    expect(stages.get_by_role("row", name="tables").first).not_to_have_text(re.compile("done$"))
    expect(page.locator(".legend").first).not_to_contain_text("verify-features")


def test_charts_end_with_the_newest_snapshot_and_runs_of_one_day_have_their_times(
    browser: Browser, tmp_path: Path
) -> None:
    config = studied_collection(tmp_path, each=2)
    for path, hour in zip(sorted(config.layout.runs.glob("*.json")), (7, 9), strict=True):
        run = artifacts.read_json(path)
        run["started_at"] = f"2026-11-21T{hour:02}:00:00+00:00"
        run["stages"]["publish"] = {"snapshot": "000000", "size_bytes": 1_000}
        artifacts.write_json(path, run)
    with served(open_workspace(config)) as url, visiting(browser, url) as visit:
        page = visit.open("health")
        published = page.locator(".trend", has_text="Published")
        expect(published.locator(".ends span").last).to_have_text("snapshot 000001")
        size = published.locator("strong").inner_text()
        expect(page.locator(".card.wide", has_text="Published collection")).to_contain_text(size)
        expect(published.locator(".ends span").first).to_have_text(re.compile(r"21 Nov \d\d:00"))
        visit.check()


def test_light_and_dark_are_chosen_and_remembered(visit: Visit) -> None:
    page = visit.open("health")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    button = page.get_by_role("button", name="Theme")
    button.click()
    button.click()
    expect(button).to_have_text("Theme: dark")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert light != dark
    visit.open("map", ".integrity")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


def test_an_empty_collection_says_which_commands_fill_it(browser: Browser, tmp_path: Path) -> None:
    sources = tiny.make_sources(tmp_path, {"plant": [], "animal": []})
    place = open_workspace(tiny.collection(tmp_path, sources))
    commands = {
        "health": "naturalist run",
        "map": "naturalist map",
        "clusters": "naturalist cluster",
        "pictures": "naturalist run",
        "models": "naturalist train",
        "pictures?view=duplicates": "naturalist duplicates",
    }
    with served(place) as url, visiting(browser, url) as visit:
        for name, command in commands.items():
            main = visit.open(name).locator("main")
            expect(main.locator("code", has_text=command).first).to_be_visible()
            expect(main).not_to_contain_text("`")
        expect(visit.open("changes").locator("main")).to_contain_text("Nothing is published yet")
        expect(visit.open("pictures").locator("main")).to_contain_text("0 files")
        refused = visit.open("health").locator(".card", has_text="Refused files")
        expect(refused).to_contain_text("No file has been seen yet.")
        visit.check()


def test_a_broken_collection_says_what_is_broken(browser: Browser, tmp_path: Path) -> None:
    config = studied_collection(tmp_path, each=2)
    layout = config.layout
    for path in (
        layout.map("tsne-2d") / "points.parquet",
        layout.clustering("default") / "clusters.json",
        layout.champion,
        layout.label_issues,
        layout.near_duplicates,
        layout.verification,
    ):
        path.write_bytes(b"damaged")
    with served(open_workspace(config)) as url, visiting(browser, url) as visit:
        for name, file in (
            ("map", "points.parquet"),
            ("clusters", "clusters.json"),
            ("models", "champion.json"),
            ("pictures?view=duplicates", "groups.parquet"),
        ):
            page = visit.open(name)
            alert = page.get_by_role("alert")
            expect(alert).to_contain_text(file)
            expect(alert.locator("code")).to_have_text("naturalist verify --repair")
        expect(visit.open("health").locator(".alerts")).to_contain_text("verification.json")
        expect(visit.open("health").locator(".figures")).to_contain_text("pictures")
        visit.map("?m=tsne-3d")
        assert all("503" in error for error in visit.errors)
        assert visit.strangers == []


def test_a_colour_that_cannot_be_read_says_so_on_the_map_until_another_is_chosen(
    browser: Browser, tmp_path: Path
) -> None:
    config = studied_collection(tmp_path, each=2)
    (config.layout.clustering("default") / "members.parquet").write_bytes(b"damaged")
    with served(open_workspace(config)) as url, visiting(browser, url) as visit:
        page = visit.open("map?c=cluster", ".integrity")
        alert = page.locator(".scene > .trouble")
        expect(alert).to_contain_text("members.parquet cannot be read")
        box = alert.bounding_box()
        assert box is not None
        middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        on_top = "([x, y]) => !!document.elementFromPoint(x, y).closest('.trouble')"
        assert page.evaluate(on_top, middle)
        expect(page.locator(".filter")).not_to_contain_text("Loading")
        page.get_by_label("Colour by").select_option("category")
        expect(alert).to_have_count(0)


def test_real_photos_with_real_studies_have_all_pages(browser: Browser, photo_copy: Path) -> None:
    config = load_config(photo_copy)
    with tiny.job(config) as job:
        for step in ("index", "clusters", "words", "map"):
            STEPS[step](job)
    with served(open_workspace(config)) as url, visiting(browser, url) as visit:
        for name in ("health", "clusters", "models", "pictures", "pictures?id=human_id_7"):
            page = visit.open(name)
            expect(page.locator(".trouble")).to_have_count(0)
            shot(page, f"photos-{re.sub('[^a-z]+', '-', name)}")
        page = visit.map("?c=cluster&p=human_id_7")
        expect(page.locator(".detail")).to_contain_text("Looks like")
        expect(page.locator(".integrity")).to_contain_text("trustworthiness")
        row = next(r for r in tiny.ledger_rows(config) if r["pic_id"] == "animal_id_5")
        source = config.source_paths["animal"][row["source"]]
        assert isinstance(source, Path)
        page.locator("input[type=file]").set_input_files(source / row["path_text"])
        nearest = page.locator(".dropped .tile").first
        expect(nearest).to_have_attribute("aria-label", "Show animal_id_5")
        page.get_by_label("Find a picture").fill("bird")
        page.keyboard.press("Enter")
        expect(page.locator(".chosen .note").first).to_have_text("found by the words bird")
        page.get_by_label("Find a picture").fill(Path(row["path_text"]).name)
        page.keyboard.press("Enter")
        expect(page.locator(".chosen .note").first).to_contain_text("in their path")
        page.locator(".chosen").get_by_label("Show animal_id_5", exact=True).click()
        expect(page.locator(".detail h2")).to_have_text("animal_id_5")
        shot(page, "photos-map")
        visit.check()


def test_an_exported_folder_opens_without_a_server(
    browser: Browser, studied: Config, tmp_path: Path
) -> None:
    context = open_context(open_workspace(studied))
    export(context, load_bundle(), tmp_path / "site")
    context.close()
    origin = (tmp_path / "site").as_uri() + "/index.html"
    with visiting(browser, origin) as visit:
        for name in ("health", "clusters", "models", "pictures?view=duplicates"):
            expect(visit.open(name).locator(".trouble")).to_have_count(0)
        page = visit.map("?p=plant_id_3")
        x, y = _marked(page)
        page.mouse.move(x + 3, y + 2)
        expect(page.locator(".hover")).to_contain_text("plant_id_3")
        assert page.locator(".hover img").evaluate("image => image.naturalWidth") > 20
        assert _coloured(_pixels(page)) > 50
        page.wait_for_function("() => +document.querySelector('canvas').dataset.pictures > 1")
        shot(page, "exported")
        expect(page.get_by_label("Find a picture by its id, or a source")).to_be_visible()
        expect(visit.open("changes").locator("main")).to_contain_text("without earlier snapshots")
        expect(visit.open("health").locator("main")).not_to_contain_text("Nothing is published")
        expect(visit.open("review").locator("main")).to_contain_text("nothing can be decided here")
        visit.strangers[:] = [u for u in visit.strangers if not u.startswith(tmp_path.as_uri())]
        visit.check()


def _marked(page: Page) -> tuple[float, float]:
    """Where the picture that is open stands on the map."""
    ring = page.locator("svg.over circle").bounding_box()
    assert ring is not None
    return ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2


def _drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    box = page.locator("canvas").bounding_box()
    assert box is not None
    at = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in (start, end)]
    page.mouse.move(*at[0])
    page.mouse.down()
    page.mouse.move(*at[1], steps=6)
    page.mouse.up()


def _pixels(page: Page) -> np.ndarray:  # type: ignore[type-arg]
    data = page.locator("canvas").screenshot()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))


def _coloured(pixels: np.ndarray) -> int:  # type: ignore[type-arg]
    spread = pixels.max(axis=2).astype(int) - pixels.min(axis=2)
    return int((spread > 60).sum())
