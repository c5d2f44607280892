"""Deciding in a real browser: two at once, a killed server, the keyboard, and accessibility."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from dashboard.browsing import STARTED_WITHIN_S, Visit, axe_violations, served, shot, visiting
from dashboard.test_reviewing import copied
from naturalist.config import Config
from naturalist.curation.reviewing import people
from naturalist.curation.reviewing.history import History
from naturalist.curation.reviewing.journal import Journal
from naturalist.dashboard.collection import open_workspace
from naturalist.studies.words.concept_files import read_concepts

TRIED_WITHIN_MS = 120_000
KILLED_BEFORE_ANSWERING = """
import os, signal
from naturalist.dashboard.reviewing import Reviewing
written = Reviewing._written
def _written(self, by, request, make):
    written(self, by, request, make)
    os.kill(os.getpid(), signal.SIGKILL)
Reviewing._written = _written
"""


@dataclass
class Server:
    """The address of a server; if it is a process, it can be killed and started there again."""

    config: Config
    origin: str
    tokens: dict[str, str]
    process: "subprocess.Popen[str] | None" = None

    def start(self, before: str = "") -> None:
        run = "from naturalist.cli.app import main; main()"
        folder = str(self.config.layout.root.parent)
        words = [
            "dashboard",
            "-c",
            folder,
            "--review",
            "--port",
            self.origin.strip("/").rpartition(":")[2],
        ]
        self.process = subprocess.Popen(
            [sys.executable, "-c", before + run, *words], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        with self.process.stdout as said:
            assert said.readline().startswith(self.origin)

    def end(self, how: int = signal.SIGINT) -> None:
        if self.process is not None:
            os.kill(self.process.pid, how)
            self.process.wait(STARTED_WITHIN_S)

    def wait_until_killed(self) -> None:
        assert self.process is not None
        assert self.process.wait(STARTED_WITHIN_S) == -signal.SIGKILL

    def history(self) -> History:
        return Journal(self.config.layout.review_journal).history()

    def wait_for(self, entries: int) -> History:
        deadline = time.monotonic() + 20
        while len(self.history()) < entries:
            assert time.monotonic() < deadline, f"{len(self.history())} of {entries} entries"
            time.sleep(0.02)
        return self.history()


@pytest.fixture(scope="module")
def config(studied: Config, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return copied(studied, tmp_path_factory.mktemp("reviewed") / "copy")


@pytest.fixture
def tokens(config: Config) -> dict[str, str]:
    """Of Anna and Ben; nothing is decided yet."""
    config.layout.review_journal.unlink(missing_ok=True)
    return {name: people.add(config.layout.reviewers, name) for name in ("anna", "ben")}


@pytest.fixture(scope="module")
def origin_of_reviewers(config: Config) -> Iterator[str]:
    """The address of one server for all tests, in a thread of this process."""
    people.add(config.layout.reviewers, "anna")
    with served(open_workspace(config), review=True) as origin:
        yield origin


@pytest.fixture
def server(config: Config, origin_of_reviewers: str, tokens: dict[str, str]) -> Server:
    """A server to which nothing was sent yet."""
    return Server(config, origin_of_reviewers, tokens)


@pytest.fixture
def killable(config: Config, tokens: dict[str, str]) -> Iterator[Server]:
    """The command itself, not started yet."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    found = Server(config, f"http://127.0.0.1:{port}/", tokens)
    yield found
    found.end()


@contextmanager
def signed_in(
    browser: Browser, server: Server, name: str, screen: str = "laptop", theme: str = "light"
) -> Iterator[Visit]:
    with visiting(browser, server.origin, screen, theme) as visit:
        page = visit.open("review?queue=next")
        page.get_by_label("Your token").fill(server.tokens[name])
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_selector(".panel-picture img")
        yield visit


def current(page: Page) -> str:
    return str(page.locator(".panel-side h2").text_content())


@pytest.mark.parametrize(("screen", "theme"), [("laptop", "light"), ("phone", "dark")])
def test_the_page_is_whole_and_accessible(
    browser: Browser, server: Server, axe: str, screen: str, theme: str
) -> None:
    with visiting(browser, server.origin, screen, theme) as visit:
        page = visit.open("review")
        assert axe_violations(page, axe) == []
    with signed_in(browser, server, "anna", screen, theme) as visit:
        page = visit.page
        page.keyboard.press("x")
        server.wait_for(1)
        page.get_by_role("button", name="Apply 1 decision …").click()
        expect(page.locator(".apply")).to_contain_text("withdraw")
        page.get_by_text("All keys").click()
        assert axe_violations(page, axe) == []
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        shot(page, f"review-{screen}-{theme}")
        visit.check()


def test_the_keyboard_decides_tags_and_undoes(browser: Browser, server: Server) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        first = current(page)
        page.keyboard.press("x")
        expect(page.locator(".panel-side h2")).not_to_have_text(first)
        second = current(page)
        page.keyboard.press("t")
        page.keyboard.type("blurry xku")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Remove tag blurry")).to_be_visible()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowLeft")
        assert current(page) == second
        history = server.wait_for(2)
        assert history.of(first).mark.decision == "retire"
        assert history.of(second).mark.tags == ("blurry", "xku")
        page.keyboard.press("u")
        page.keyboard.press("u")
        expect(page.locator(".panel-side h2")).to_have_text(first)
        assert server.wait_for(4).of(first).mark.decision == ""
        page.keyboard.press("r")
        assert server.wait_for(5).of(first).mark.decision == "retire"
        expect(page.locator(".entries")).to_contain_text(f"You tag as blurry, xku · {second}")
        page.get_by_label("Use single keys").uncheck()
        page.keyboard.press("x")
        assert len(server.history()) == 5
        visit.check()


def test_tags_of_all_languages_are_saved_and_a_refused_one_is_named(
    browser: Browser, server: Server
) -> None:
    with signed_in(browser, server, "anna") as visit:
        page, picture = visit.page, current(visit.page)
        page.keyboard.press("t")
        page.keyboard.insert_text("blurry, what? ñü")
        page.keyboard.press("Enter")
        expect(page.locator(".panel-message")).to_contain_text("Not saved: a tag cannot be what?")
        expect(page.get_by_label("Add tags")).to_have_value("blurry, what? ñü")
        page.get_by_label("Add tags").fill("blurry, ñü 夜")
        page.keyboard.press("Enter")
        expect(page.get_by_label("Remove tag ñü")).to_be_visible()
        assert server.wait_for(1).of(picture).mark.tags == ("blurry", "ñü", "夜")
        visit.check()


def test_new_ids_are_announced_before_decisions_are_applied(
    browser: Browser, server: Server
) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        category = current(page).rpartition("_id_")[0]
        other = page.locator(".panel-actions button:not([title])").filter(
            has_text=re.compile("^(plant|animal)"), has_not_text=category
        )
        other.first.click()
        server.wait_for(1)
        page.get_by_role("button", name="Apply 1 decision …").click()
        expect(page.locator(".apply")).to_contain_text("1 picture gets a new id")
        shot(page, "review-new-ids")
        visit.check()


def test_a_queue_that_cannot_be_read_says_so_and_the_others_are_counted(
    browser: Browser, server: Server
) -> None:
    path = server.config.layout.near_duplicates
    whole = path.read_bytes()
    path.write_bytes(b"damaged")
    try:
        with signed_in(browser, server, "anna") as visit:
            queues = visit.page.get_by_role("combobox", name="Queue")
            expect(queues.locator("option", has_text="Mixed clusters")).to_have_text(
                re.compile(r"\(")
            )
            queues.select_option("duplicates")
            expect(visit.page.get_by_role("alert")).to_contain_text("groups.parquet cannot be read")
    finally:
        path.write_bytes(whole)


def test_earlier_decisions_are_shown_when_asked_for(browser: Browser, server: Server) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        for _ in range(9):
            page.keyboard.press("k")
        server.wait_for(9)
        more = page.get_by_role("button", name="Show 1 earlier")
        expect(page.locator(".entries li")).to_have_count(8)
        more.click()
        expect(page.locator(".entries li")).to_have_count(9)
        assert (
            page.locator(".entries").evaluate("list => list.scrollHeight - list.clientHeight") < 2
        )


def test_all_decisions_and_moves_are_in_one_line_on_a_laptop(
    browser: Browser, server: Server
) -> None:
    with signed_in(browser, server, "anna") as visit:
        visit.page.set_viewport_size({"width": 1280, "height": 850})
        tops = visit.page.locator(".panel-actions button").evaluate_all(
            "buttons => buttons.map(one => Math.round(one.getBoundingClientRect().top))"
        )
        assert len(tops) == 8
        assert len(set(tops)) == 1


def test_what_decisions_do_to_accuracy_is_tried_before_they_are_applied(
    browser: Browser, server: Server
) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        page.keyboard.press("x")
        server.wait_for(1)
        page.get_by_role("button", name="Apply 1 decision …").click()
        effect = page.locator(".apply li", has_text="Accuracy on sources left out")
        expect(effect).to_contain_text("unknown until it is tried")
        effect.get_by_role("button", name="Try it on a sample").click()
        said = re.compile(r"% without and .*% with these decisions")
        expect(effect).to_contain_text(said, timeout=TRIED_WITHIN_MS)
        shot(page, "review-accuracy")
        assert len(server.history()) == 1
        visit.check()


def test_keys_pressed_at_once_are_about_one_picture_each(browser: Browser, server: Server) -> None:
    with signed_in(browser, server, "anna") as visit:
        keys = ["x", "k", "x", "k"]
        visit.page.evaluate(
            "keys => keys.forEach(key => dispatchEvent(new KeyboardEvent('keydown', {key})))", keys
        )
        history = server.wait_for(len(keys))
        assert len(history.pending()) == len(keys)
        decided = [next(iter(entry.marks.values())).decision for entry in history.entries]
        assert decided == ["retire", "keep", "retire", "keep"]


def test_two_browsers_at_once_overwrite_nothing(browser: Browser, server: Server) -> None:
    with signed_in(browser, server, "anna") as anna, signed_in(browser, server, "ben") as ben:
        key = current(anna.page)
        assert current(ben.page) == key
        # Ben's page hears nothing, so that he decides about what he saw.
        ben.page.route("**/api/review/news*", lambda route: route.abort())
        anna.page.keyboard.press("x")
        server.wait_for(1)
        ben.page.keyboard.press("k")
        message = ben.page.locator(".panel-message")
        expect(message).to_contain_text(f"Not saved: anna changed {key} since you looked: retire")
        expect(ben.page.locator(".panel-side h2")).to_have_text(key)
        expect(ben.page.locator(".badge")).to_have_text("retire")
        assert len(server.history()) == 1
        ben.page.keyboard.press("k")
        history = server.wait_for(2)
        assert (history.of(key).mark.decision, history.of(key).by) == ("keep", "ben")
        # Anna sees it without asking.
        entries = anna.page.locator(".entries li").first
        expect(entries).to_contain_text("ben keep")


def test_no_acknowledged_decision_is_lost_when_the_server_is_killed_before_it_answers(
    browser: Browser, killable: Server
) -> None:
    server = killable
    server.start(KILLED_BEFORE_ANSWERING)
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        key = current(page)
        page.keyboard.press("x")
        server.wait_until_killed()
        page.keyboard.press("k")
        expect(page.locator(".panel-message")).to_contain_text("2 decisions not saved yet")
        server.start()
        expect(page.get_by_role("button", name="Apply 2 decisions …")).to_be_visible()
        history = server.history()
        # The one that was written down before the kill is there once.
        assert [entry.kind for entry in history.entries] == ["decide", "decide"]
        assert history.of(key).mark.decision == "retire"


def test_several_selected_pictures_become_one_decision(browser: Browser, server: Server) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        page.goto(f"{server.origin}#/pictures?category=human&outcome=accepted")
        boxes = page.locator(".pick input")
        expect(boxes.first).to_be_visible()
        boxes.nth(1).click()
        boxes.nth(4).click(modifiers=["Shift"])
        expect(page.locator(".picked-bar strong")).to_have_text("4 selected")
        page.get_by_role("button", name="Select this page").click()
        expect(page.locator(".picked-bar strong")).to_have_text("16 selected")
        page.get_by_label("Decision").select_option("relabel:plant")
        page.get_by_role("button", name="Decide for all").click()
        expect(page.locator(".picked-bar")).to_contain_text("Saved for 16 pictures")
        history = server.wait_for(1)
        assert len(history.entries[0].marks) == 16
        page.get_by_role("link", name="Review").click()
        page.get_by_role("button", name=re.compile("Undo decision 1 ")).click()
        assert server.wait_for(2).pending() == {}


def test_a_concept_is_taught_by_clicking_and_asks_what_would_tell_most(
    browser: Browser, server: Server, axe: str
) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.page
        page.goto(f"{server.origin}#/pictures?category=human&outcome=accepted")
        page.get_by_role("button", name="Select this page").click()
        page.get_by_role("button", name="Teach a concept").click()
        page.get_by_label("Name of the concept").fill("Face")
        page.locator(".mark button").first.focus()
        warning = page.get_by_text("Without counter-examples")
        for key in "yyyn":
            page.keyboard.press(key)
            expect(warning).to_have_count(0 if key == "n" else 1)
        # Answers that are not taught yet outlive a page that is loaded again.
        page.reload()
        expect(page.locator(".picked-bar > strong")).to_have_text("3 yes, 1 no")
        assert axe_violations(page, axe) == []
        page.get_by_role("button", name="Teach", exact=True).click()
        made = page.get_by_role("region", name="The concept face")
        expect(made).to_contain_text("3 examples and 1 counter-example", timeout=TRIED_WITHIN_MS)
        asked = page.get_by_role("region", name="Answer these next").locator(".mark button")
        expect(made).to_contain_text("Last taught by anna")
        asked.first.click()
        expect(page.locator(".picked-bar > strong")).to_have_text("1 yes, 0 no")
        assert axe_violations(page, axe) == []
        shot(page, "concepts")
        assert len(read_concepts(server.config.layout)["face"].yes) == 3
        _propose_and_delete(page, server, axe)
        visit.check()
    assert read_concepts(server.config.layout) == {}


def _propose_and_delete(page: Page, server: Server, axe: str) -> None:
    """The matches of a concept become decisions, after what that means was said; so is deleting."""
    use = page.get_by_role("region", name="Use face")
    use.get_by_role("button", name="Score all pictures").click()
    use.get_by_label("Category").select_option("plant", timeout=TRIED_WITHIN_MS)
    expect(use).to_contain_text("until the decisions are applied")
    assert axe_violations(page, axe) == []
    shot(page, "concepts-use")
    button = use.get_by_role("button", name=re.compile("Relabel .* as plant"))
    pictures = int(button.inner_text().split()[1])
    button.click()
    expect(use).to_contain_text("Saved: ")
    [entry] = server.wait_for(1).entries
    assert len(entry.marks) == pictures
    assert {mark.decided for mark in entry.marks.values()} == {("relabel", "plant")}
    use.get_by_text("Delete this concept").click()
    expect(use).to_contain_text("3 examples and 1 counter-example")
    use.get_by_role("button", name="Delete face").click()
    expect(page.get_by_role("navigation", name="Concepts")).to_have_count(
        0, timeout=TRIED_WITHIN_MS
    )


def test_a_view_that_a_reviewer_shares_is_seen_by_everybody(
    browser: Browser, server: Server, axe: str
) -> None:
    with signed_in(browser, server, "anna") as visit:
        page = visit.map("?c=batch")
        page.get_by_text("Save this view").click()
        page.get_by_label("Name of this view").fill("By batch")
        page.get_by_role("button", name="Share with all").click()
        expect(page.locator(".views .note")).to_have_text("Shared as By batch.")
        assert axe_violations(page, axe) == []
        visit.check()
    with visiting(browser, server.origin) as visit:
        page = visit.map()
        page.get_by_text("Saved views (1)").click()
        expect(page.get_by_role("list", name="Shared views")).to_contain_text("anna")
        expect(page.get_by_role("button", name="Share with all")).to_have_count(0)
        page.get_by_role("link", name="By batch").click()
        expect(page.get_by_label("Colour by")).to_have_value("batch")
        visit.check()


def test_the_grid_is_sorted_and_sized_and_is_read_only_without_review(visit: Visit) -> None:
    page = visit.open("pictures?category=plant&outcome=accepted")
    page.get_by_label("Sort").select_option("most-bytes")
    page.get_by_label("Size").select_option("large")
    expect(page.locator(".tiles.grid-large")).to_be_visible()
    assert "sort=most-bytes" in page.url
    page.locator(".pick input").first.press("Space")
    expect(page.get_by_role("button", name="Save decisions")).to_be_visible()
    expect(page.get_by_role("button", name="Decide for all")).to_have_count(0)
    expect(page.get_by_role("link", name="Review")).to_have_count(0)
    page = visit.open("review")
    expect(page.locator("main")).to_contain_text("naturalist dashboard --review")
