"""Deciding in the dashboard: who may, what is written, and what no other site can do."""

import json
import shutil
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

import tiny
from dashboard.conftest import BUNDLE
from naturalist.config import Config, load_config
from naturalist.curation import concept_reports
from naturalist.curation.reviewing import people, views
from naturalist.curation.reviewing.journal import Journal
from naturalist.dashboard import review_report
from naturalist.dashboard.app import make_app
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import open_context
from naturalist.dashboard.review_routes import MAX_BODY_BYTES
from naturalist.dashboard.reviewing import open_reviewing
from naturalist.dashboard.security import ListenOptions
from naturalist.errors import ConfigError
from report_shapes import assert_declared

HOST = "127.0.0.1:8642"


def copied(studied: Config, folder: Path) -> Config:
    """A copy of the studied collection that may be changed."""
    shutil.copytree(studied.layout.root.parent, folder)
    text = (folder / "naturalist.toml").read_text()
    (folder / "naturalist.toml").write_text(
        text.replace(str(studied.layout.root.parent), str(folder))
    )
    return load_config(folder)


SHAPES = {
    "me": review_report.Me,
    "queues": list[review_report.QueueInfo],
    "news": review_report.News,
    "pending": review_report.Plan,
    "items": review_report.Items,
    "decisions": review_report.Answer,
    "undo": review_report.Answer,
    "redo": review_report.Answer,
    "job": review_report.JobState,
    "concepts": list[concept_reports.ListedConcept] | review_report.JobState,
    "concepts/apply": review_report.JobState,
    "concepts/drop": review_report.JobState,
    "concepts/stripe": review_report.ConceptExamples,
    "views": review_report.SharedViews,
    "views/remove": review_report.SharedViews,
    "concepts/stripe/matches": review_report.ConceptMatches,
}


def declared(path: str, answer: Any) -> Any:
    """The answer; its document is what is declared for the address."""
    shape = SHAPES.get(path.partition("?")[0])
    if answer.status_code == 200 and shape is not None:
        assert_declared(shape, answer.json())
    return answer


@dataclass
class Person:
    """A reviewer's browser."""

    client: TestClient
    token: str

    def get(self, path: str, **more: Any) -> Any:
        answer = self.client.get(f"/api/review/{path}", headers={"x-reviewer-token": self.token})
        return declared(path, answer)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        given = {
            "x-reviewer-token": self.token,
            "origin": f"http://{HOST}",
            "content-type": "application/json",
        }
        sent = {k: v for k, v in (given | headers).items() if v}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return declared(path, self.client.post(f"/api/review/{path}", content=data, headers=sent))

    def item(self, key: str) -> dict[str, Any]:
        (found,) = self.post("items", {"keys": [key]}).json()["items"]
        return dict(found)

    def decide(self, key: str, request: str = "", **change: Any) -> Any:
        item = self.item(key)
        wanted = {"key": key, "version": item["standing"]["version"], "seen": item["state"]}
        return self.post(
            "decisions",
            {
                "request": request or f"request-{key.replace('_', '-')}",
                "pictures": [wanted | change],
            },
        )


@pytest.fixture(scope="module")
def config(studied: Config, tmp_path_factory: pytest.TempPathFactory) -> Config:
    return copied(studied, tmp_path_factory.mktemp("reviewed") / "copy")


@pytest.fixture(scope="module")
def both(config: Config) -> Iterator[tuple[Person, Person]]:
    """Anna and Ben as clients of one server."""
    with served_to(config) as found:
        yield found


@pytest.fixture
def reviewers(config: Config, both: tuple[Person, Person]) -> tuple[Person, Person]:
    """Anna and Ben, on a journal that is empty."""
    config.layout.review_journal.unlink(missing_ok=True)
    for person, name in zip(both, ("anna", "ben"), strict=True):
        person.token = people.add(config.layout.reviewers, name)
    return both


@contextmanager
def served_to(config: Config) -> Iterator[tuple[Person, Person]]:
    """Anna and Ben as clients of a collection."""
    tokens = [people.add(config.layout.reviewers, name) for name in ("anna", "ben")]
    context = open_context(open_workspace(config))
    reviewing = open_reviewing(context, config.layout.root.parent)
    app = make_app(context, BUNDLE, ListenOptions(), reviewing)
    client = TestClient(app, base_url=f"http://{HOST}", follow_redirects=False)
    yield Person(client, tokens[0]), Person(client, tokens[1])
    reviewing.jobs.close()
    context.close()


def entries(config: Config) -> int:
    return len(Journal(config.layout.review_journal).history())


def test_without_review_there_is_no_address_that_writes(client: TestClient) -> None:
    assert client.get("/api/about").json()["review"] is False
    schema = client.get("/api/openapi.json").json()["paths"]
    writing = {p for p, found in schema.items() if set(found) - {"get"}}
    assert writing == {"/api/similar"}
    assert not [path for path in schema if path.startswith("/api/review")]
    for path in ("decisions", "undo", "redo", "apply", "items"):
        assert client.post(f"/api/review/{path}", json={}).status_code == 404


def test_nobody_reviews_what_was_published_or_without_a_token(
    studied: Config, config: Config
) -> None:
    context = open_context(open_workspace(studied))
    with pytest.raises(ConfigError, match="naturalist reviewers add NAME"):
        open_reviewing(context, config.layout.root.parent)
    context.close()


WRONG = {
    "no token": {"x-reviewer-token": ""},
    "another token": {"x-reviewer-token": "a" * 32},
    "another site": {"origin": "http://evil.example"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "no origin": {"origin": ""},
    "opaque origin": {"origin": "null"},
    "cross site": {"sec-fetch-site": "cross-site"},
    "same machine, other port": {"sec-fetch-site": "same-site"},
    "a form": {"content-type": "text/plain"},
    "another host": {"host": "evil.example"},
}


@pytest.mark.parametrize("kind", WRONG)
def test_whoever_is_not_this_page_with_a_token_changes_nothing(
    reviewers: tuple[Person, Person], config: Config, kind: str
) -> None:
    anna, _ = reviewers
    item = anna.item("plant_id_3")
    wanted = {"key": "plant_id_3", "version": 0, "seen": item["state"], "decision": "retire"}
    body = {"request": "request-1", "pictures": [wanted]}
    for path, sent in (
        ("decisions", body),
        ("undo", {"request": "r" * 8}),
        ("apply", body),
        ("job", {"kind": "refine"}),
        ("concepts", {"name": "stripe", "yes": ["plant_id_1"], "no": []}),
        ("concepts/apply", {"name": "stripe"}),
        ("concepts/drop", {"name": "stripe"}),
        ("views", {"name": "Owls", "hash": "#/map"}),
        ("views/remove", {"name": "Owls", "version": 1}),
    ):
        answer = anna.post(path, sent, **WRONG[kind])
        assert answer.status_code in (401, 403, 415, 421), path
    assert entries(config) == 0
    assert anna.post("decisions", body).status_code == 200


def test_reading_needs_the_token_too(reviewers: tuple[Person, Person], config: Config) -> None:
    anna, _ = reviewers
    stranger = Person(anna.client, "")
    paths = ("me", "queues", "queues/labels", "news", "pending", "job", "concepts", "concepts/owl")
    paths += ("concepts/owl/matches",)
    for path in (*paths, f"files/{'0' * 64}"):
        assert stranger.get(path).status_code == 401, path
    people.remove(config.layout.reviewers, "anna")
    assert anna.get("me").status_code == 401


def test_a_decision_is_in_the_journal_when_it_is_answered(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, _ = reviewers
    answer = anna.decide("plant_id_3", decision="relabel", category="animal", note="a cat")
    assert answer.status_code == 200
    standing = Journal(config.layout.review_journal).history().of("plant_id_3")
    assert standing.mark.decided == ("relabel", "animal")
    assert (standing.by, standing.seen) == ("anna", "accepted")
    # The same request again, as after an answer that was lost, writes nothing twice.
    body = {"key": "plant_id_3", "version": 0, "seen": "accepted", "decision": "relabel"}
    sent = {"request": "request-plant-id-3", "pictures": [body | {"category": "animal"}]}
    again = anna.post("decisions", sent)
    assert (again.status_code, again.json()["number"]) == (200, 1)
    assert entries(config) == 1


def test_the_later_one_sees_the_earlier_ones_decision_and_does_not_overwrite_it(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, ben = reviewers
    seen = ben.item("plant_id_3")
    anna.decide("plant_id_3", decision="retire")
    wanted = {"key": "plant_id_3", "version": seen["standing"]["version"], "seen": seen["state"]}
    answer = ben.post(
        "decisions", {"request": "request-2", "pictures": [wanted | {"decision": "keep"}]}
    )
    assert answer.status_code == 409
    assert "anna changed plant_id_3 since you looked: retire" in answer.json()["error"]
    assert answer.json()["standing"]["plant_id_3"]["by"] == "anna"
    assert ben.get("news").json()["entries"][0]["by"] == "anna"
    assert entries(config) == 1
    # Who has seen it may decide otherwise.
    assert ben.decide("plant_id_3", decision="keep").status_code == 200


def test_a_decision_on_an_older_ledger_is_refused(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, _ = reviewers
    wanted = {"key": "plant_id_3", "version": 0, "seen": "conflict", "decision": "keep"}
    answer = anna.post("decisions", {"request": "request-1", "pictures": [wanted]})
    assert answer.status_code == 409
    assert "plant_id_3 is now accepted" in answer.json()["error"]
    assert entries(config) == 0


def test_undo_and_redo_are_entries_of_their_own(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, ben = reviewers
    anna.decide("plant_id_3", decision="retire", tags=["blurry"])
    assert ben.post("undo", {"request": "request-0"}).status_code == 409
    undone = anna.post("undo", {"request": "request-1"}).json()
    assert undone["standing"]["plant_id_3"]["decision"] == ""
    assert undone["standing"]["plant_id_3"]["tags"] == []
    again = anna.post("redo", {"request": "request-2"}).json()
    assert again["standing"]["plant_id_3"]["tags"] == ["blurry"]
    assert ben.post("undo", {"request": "request-3", "of": 1}).json()["number"] == 4
    assert entries(config) == 4


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "../../etc"},
        {"key": "plant_id_999"},
        {"decision": "delete"},
        {"decision": "relabel", "category": "mineral"},
        {"tags": ["two words"]},
        {"tags": ["<b>"]},
        {"note": "x" * 1001},
        {"version": -1},
        {"by": "ben"},
    ],
)
def test_what_does_not_fit_is_refused_whole(
    reviewers: tuple[Person, Person], config: Config, wrong: dict[str, Any]
) -> None:
    anna, _ = reviewers
    right = {"key": "plant_id_2", "version": 0, "seen": "accepted", "decision": "keep"}
    base = {"key": "plant_id_3", "version": 0, "seen": "accepted"}
    body = {"request": "request-1", "pictures": [right, base | wrong]}
    assert anna.post("decisions", body).status_code == 422
    assert anna.post("decisions", b"{").status_code == 422
    assert entries(config) == 0


def test_a_body_without_end_is_cut_off(reviewers: tuple[Person, Person]) -> None:
    assert reviewers[0].post("decisions", b" " * (MAX_BODY_BYTES + 1)).status_code == 413


def test_every_queue_says_why_and_leaves_out_what_is_decided(
    reviewers: tuple[Person, Person],
) -> None:
    anna, _ = reviewers
    names = [one["name"] for one in anna.get("queues").json()]
    found = {name: anna.get(f"queues/{name}").json() for name in names}
    assert {name for name, one in found.items() if one["of"]} >= {"labels", "duplicates", "next"}
    for one in found.values():
        assert all(item["why"] and item["state"] for item in one["items"])
    (pair,) = found["duplicates"]["items"]
    assert pair["suggested"]["decision"] == "retire"
    assert pair["related"]
    anna.decide(pair["key"], decision="retire")
    assert anna.get("queues/duplicates").json()["of"] == 0
    assert anna.get("queues/none").status_code == 404


def test_a_queue_whose_study_is_damaged_says_so(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    whole = config.layout.near_duplicates.read_bytes()
    config.layout.near_duplicates.write_bytes(b"damaged")
    answer = reviewers[0].get("queues/duplicates")
    config.layout.near_duplicates.write_bytes(whole)
    assert answer.status_code == 503
    assert "groups.parquet cannot be read" in answer.json()["error"]


def test_an_entry_says_which_part_of_a_mark_it_changed(reviewers: tuple[Person, Person]) -> None:
    anna, _ = reviewers
    anna.decide("plant_id_3", "request-1", decision="retire")
    anna.post("undo", {"request": "request-2"})
    anna.decide("plant_id_3", "request-3", tags=["blurry"])
    anna.decide("plant_id_3", "request-4", note="out of focus")
    anna.decide("plant_id_3", "request-5", decision="keep", tags=[])
    entries = anna.get("news?after=0").json()["entries"]
    parts = [one["part"] for one in entries if one["kind"] == "decide"]
    assert parts == ["decision", "tags", "note", "decision"]
    assert entries[2]["tags"] == ["blurry"]


def test_pictures_are_sorted_and_all_ids_of_a_filter_are_given(client: TestClient) -> None:
    found = client.get("/api/pictures?category=plant&outcome=accepted&sort=most-bytes").json()
    sizes = [row["size_bytes"] for row in found["rows"]]
    assert sizes == sorted(sizes, reverse=True)
    assert client.get("/api/pictures?sort=nothing").status_code == 422
    ids = client.get("/api/picture-ids?category=plant&outcome=accepted").json()["ids"]
    assert sorted(ids) == sorted(row["pic_id"] for row in found["rows"])


def test_applying_says_first_what_it_does_and_then_does_it(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, ben = reviewers
    anna.decide("plant_id_5", decision="retire")
    ben.decide("animal_id_5", decision="relabel", category="plant")
    plan = anna.get("pending").json()
    assert plan["by"] == {"anna": 1, "ben": 1}
    effect = {one["name"]: one for one in plan["effect"]["categories"]}
    assert (effect["plant"]["leave"], effect["plant"]["enter"]) == (1, 1)
    assert effect["animal"]["tables"] == ["image_df_1"]
    assert plan["effect"]["snapshot_bytes"] > 0
    ben.decide("animal_id_6", decision="retire")
    stale = anna.post("apply", {"request": "request-1", "upto": plan["upto"]})
    assert stale.status_code == 409
    assert "ben made more decisions" in stale.json()["error"]
    upto = anna.get("pending").json()["upto"]
    done = anna.post("apply", {"request": "request-2", "upto": upto})
    assert done.status_code == 200
    assert anna.item("plant_id_5")["state"] == "refused retired"
    assert anna.item("animal_id_5")["state"].startswith("relabelled (plant_id_")
    assert anna.get("pending").json()["decided"] == 0
    assert anna.post("undo", {"request": "request-3"}).status_code == 200
    upto = anna.get("pending").json()["upto"]
    anna.post("apply", {"request": "request-4", "upto": upto})
    assert anna.item("plant_id_5")["state"] == "accepted"


def test_a_job_runs_apart_one_at_a_time_and_tells_how_it_ended(
    studied: Config, tmp_path: Path
) -> None:
    with served_to(copied(studied, tmp_path / "copy")) as (anna, ben):
        _start_and_stop(anna, ben)
        _teach_a_concept(anna, ben)
        _propose_and_delete_it(anna, ben)


def _teach_a_concept(anna: Person, ben: Person) -> None:
    body = {"name": "Stripe", "yes": [f"plant_id_{k}" for k in (1, 2, 3)], "no": ["animal_id_1"]}
    wrong: tuple[dict[str, Any], ...] = ({"name": "-?"}, {"yes": ["-c"]}, {"no": ["a,b"]})
    for part in wrong:
        assert anna.post("concepts", body | part).status_code == 422, part
    assert anna.get("concepts").json() == []
    assert anna.post("concepts", body).json()["title"] == "Teach the concept stripe"
    ended = _ended(ben)
    assert ended["exit_code"] == 0, ended
    made = ended["result"]
    assert (made["concept"], made["yes"], made["no"]) == ("stripe", 3, 1)
    asked = [*made["ask"]["uncertain"], *made["ask"]["likely"]]
    assert len(asked) == len(set(asked)) > 0
    assert not set(asked) & {*body["yes"], *body["no"]}
    [known] = ben.get("concepts").json()
    assert known["usable"]
    assert [(one["by"], one["yes"], one["no"]) for one in known["lessons"]] == [("anna", 3, 1)]
    # Both sides of the examples can be seen and answered otherwise; what fails says why.
    assert ben.get("concepts/stripe").json() == {"concept": "stripe", "names": 0} | {
        side: body[side] for side in ("yes", "no")
    }
    assert ben.get("concepts/owl").status_code == 422
    ben.post("concepts", body | {"yes": ["plant_id_999999"], "no": []})
    ended = _ended(ben)
    assert (ended["exit_code"], "result" in ended) == (2, False)
    assert "plant_id_999999" in ended["lines"][-1]


def _propose_and_delete_it(anna: Person, ben: Person) -> None:
    path = "concepts/stripe/matches?category=animal"
    assert anna.get(path).json()["matches"] is None
    assert anna.post("concepts/apply", {"name": "-?"}).status_code == 422
    assert anna.post("concepts/apply", {"name": "stripe"}).json()["by"] == "anna"
    applied = _ended(ben)["applied"]
    found = anna.get(path).json()
    assert found["matches"] == applied["matches"] > 0
    assert sum(one["pictures"] for one in found["categories"]) == found["matches"]
    assert (found["decided"], found["left"]) == (0, 0)
    assert 3 <= len(found["ids"]) <= found["matches"]
    assert not any(one.startswith("animal_id_") for one in found["ids"])
    # A decision that stands is nobody else's to make again.
    ben.decide(found["ids"][0], decision="retire")
    later = anna.get(path).json()
    assert (later["ids"], later["decided"]) == (found["ids"][1:], 1)
    # What was scored before a lesson is not shown after it.
    anna.post("concepts", {"name": "stripe", "yes": ["plant_id_4"], "no": ["human_id_1"]})
    assert _ended(ben)["exit_code"] == 0
    assert anna.get(path).json()["matches"] is None
    assert ben.post("concepts/drop", {"name": "stripe"}).json()["title"].endswith("stripe")
    assert _ended(anna)["dropped"] == {"dropped": "stripe"}
    assert anna.get("concepts").json() == []


def test_a_shared_view_is_everybodys_and_is_replaced_only_as_it_was_seen(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, ben = reviewers
    config.layout.review_views.unlink(missing_ok=True)
    view = {"name": " Owls at night ", "hash": "#/map?c=source&v=0.5_0.5_1"}
    [saved] = anna.post("views", view).json()["views"]
    assert (saved["name"], saved["by"], saved["hash"]) == ("Owls at night", "anna", view["hash"])
    assert anna.client.get("/api/views").json()["views"] == [saved]
    refused = ben.post("views", view | {"hash": "#/map"})
    assert refused.status_code == 409
    assert "anna saved a view Owls at night" in refused.json()["error"]
    seen = {"replaces": saved["version"]}
    [later] = ben.post("views", view | {"hash": "#/map"} | seen).json()["views"]
    assert (later["by"], later["hash"]) == ("ben", "#/map")
    assert anna.post("views", view | seen).status_code == 409
    gone = {"name": "Owls at night", "version": later["version"]}
    assert anna.post("views/remove", gone | {"version": saved["version"]}).status_code == 409
    assert anna.post("views/remove", gone).json()["views"] == []
    assert ben.post("views", view | {"replaces": later["version"]}).status_code == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"hash": "javascript:alert(1)"},
        {"hash": "#/pictures"},
        {"hash": "#/map?" + "a" * 5_000},
        {"hash": "#/map?c=a b"},
        {"name": " "},
        {"name": "a" * 61},
        {"by": "somebody else"},
    ],
)
def test_a_view_of_another_form_is_not_shared(
    reviewers: tuple[Person, Person], config: Config, wrong: dict[str, str]
) -> None:
    config.layout.review_views.unlink(missing_ok=True)
    view = {"name": "Owls", "hash": "#/map"} | wrong
    assert reviewers[0].post("views", view).status_code == 422
    assert not config.layout.review_views.exists()


def test_shared_views_are_so_many_at_most_and_a_damaged_file_is_kept(
    reviewers: tuple[Person, Person], config: Config
) -> None:
    anna, path = reviewers[0], config.layout.review_views
    path.unlink(missing_ok=True)
    for k in range(views.MOST):
        views.save(path, f"view {k}", "#/map", "anna")
    assert anna.post("views", {"name": "one more", "hash": "#/map"}).status_code == 422
    path.write_text('{"saved": 1, "views": [{"name": 7}]}')
    for answer in (
        anna.client.get("/api/views"),
        anna.post("views", {"name": "Owls", "hash": "#/map"}),
    ):
        assert answer.status_code == 503
        assert "views.json is damaged" in answer.json()["error"]
    assert json.loads(path.read_text())["views"] == [{"name": 7}]
    path.unlink()


def test_views_that_many_save_at_once_are_all_there(tmp_path: Path) -> None:
    path = tmp_path / "views.json"
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda k: views.save(path, f"{k}", "#/map", "anna"), range(40)))
    assert {one.version for one in made} == set(range(1, 41))
    assert len(views.read(path)) == 40


def _start_and_stop(anna: Person, ben: Person) -> None:
    assert anna.get("job").json()["kind"] is None
    assert anna.post("job", {"kind": "run --help"}).status_code == 422
    assert anna.post("job", {"kind": "duplicates"}).json()["by"] == "anna"
    refused = ben.post("job", {"kind": "refine"})
    assert (refused.status_code, "still running" in refused.json()["error"]) == (422, True)
    ended = _ended(ben)
    assert (ended["kind"], ended["exit_code"]) == ("duplicates", 0), ended
    assert ended["lines"]
    anna.post("job", {"kind": "duplicates"})
    anna.post("job/stop", {})
    assert _ended(anna)["exit_code"] in (130, -signal.SIGTERM)


def _ended(person: Person) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while (state := person.get("job").json())["exit_code"] is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return dict(state)


def test_files_in_conflict_are_shown_and_decided_about(tmp_path: Path) -> None:
    seeds = {"plant": [1, 2, 3], "animal": [11, 12, 3]}
    config = tiny.collection(tmp_path, tiny.make_sources(tmp_path / "in", seeds))
    tiny.make_all(config)
    token = people.add(config.layout.reviewers, "anna")
    context = open_context(open_workspace(config))
    app = make_app(
        context, BUNDLE, ListenOptions(), open_reviewing(context, config.layout.root.parent)
    )
    anna = Person(TestClient(app, base_url=f"http://{HOST}"), token)
    (item,) = anna.get("queues/conflicts").json()["items"]
    assert (item["picture"], item["categories"]) == (None, ["animal", "plant"])
    picture = anna.get(f"files/{item['key'].removeprefix('sha256:')}")
    assert (picture.status_code, picture.content[:3]) == (200, b"\xff\xd8\xff")
    wanted = {"key": item["key"], "version": 0, "seen": item["state"], "decision": "keep"}
    body = {"request": "request-1", "pictures": [wanted]}
    assert "choose one of" in anna.post("decisions", body).json()["error"]
    body["pictures"] = [wanted | {"category": "plant"}]
    assert anna.post("decisions", body).status_code == 200
    upto = anna.get("pending").json()["upto"]
    done = anna.post("apply", {"request": "request-2", "upto": upto}).json()
    assert done["left_out"] == []
    assert done["new_ids"]
    assert anna.get("queues/conflicts").json()["of"] == 0
    context.close()
