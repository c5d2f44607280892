from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dashboard.conftest import client_of
from naturalist.config import Config
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.security import ListenOptions
from naturalist.errors import ConfigError

TOKEN = "a-token-of-many-letters"


@pytest.mark.parametrize(
    "path",
    [
        "/api/pictures/..%2f..%2fnaturalist.toml/thumbnail",
        "/api/pictures/%2e%2e/thumbnail",
        "/api/pictures/plant_id_1%00/thumbnail",
        "/api/pictures/plant_id_0/thumbnail",
        "/api/maps/..%2f..%2fledger",
        "/api/maps/..",
        "/api/maps/tsne-2d/columns/..%2f..",
        "/api/clusterings/..%2fmaps",
        "/api/clusterings/default/sheets/..%2f..%2fworkspace.json",
        "/static/..%2f..%2f..%2fpyproject.toml",
        "/static/%2e%2e/security.py",
    ],
)
def test_no_address_reaches_a_file_that_is_not_offered(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (404, 422)
    assert b"[[category]]" not in answer.content


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8642", "10.0.0.5", "", "[", "127.0.0.1.evil.example"]
)
def test_another_host_name_is_not_answered(context: DashboardContext, host: str) -> None:
    answer = client_of(context).get("/api/about", headers={"host": host})
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost:8642", "[::1]:8642"])
def test_names_of_loopback_are_answered(context: DashboardContext, host: str) -> None:
    assert client_of(context).get("/healthz", headers={"host": host}).status_code == 200


def test_every_answer_has_a_strict_policy(client: TestClient) -> None:
    for path in ("/", "/api/about", "/api/pictures/plant_id_1/thumbnail", "/nothing", "/metrics"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
    assert client.get("/", headers={"host": "evil.example"}).headers["content-security-policy"]


def test_another_site_may_not_send_pictures(client: TestClient) -> None:
    answer = client.post("/api/similar", content=b"x", headers={"origin": "http://evil.example"})
    assert answer.status_code == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_changed(client: TestClient, method: str) -> None:
    for path in ("/api/about", "/api/pictures/plant_id_1", "/api/maps/tsne-2d", "/"):
        assert client.request(method, path).status_code == 405


def test_without_the_token_nothing_is_told(context: DashboardContext) -> None:
    listen = ListenOptions("0.0.0.0", token=TOKEN, open_to_network=True)
    client = client_of(context, listen, "dashboard.example:8642")
    for path in ("/", "/api/about", "/metrics", "/static/app.js", "/?token=wrong-but-as-long"):
        answer = client.get(path)
        assert answer.status_code == 401, path
        assert TOKEN not in answer.text
    assert client.get("/healthz").status_code == 200


def test_the_token_becomes_a_cookie_and_leaves_the_address(context: DashboardContext) -> None:
    listen = ListenOptions("0.0.0.0", token=TOKEN, open_to_network=True)
    client = client_of(context, listen, "dashboard.example:8642")
    answer = client.get(f"/?token={TOKEN}&a=1")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?a=1"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=Strict" in answer.headers["set-cookie"]
    assert client.get("/api/about").status_code == 200


def test_the_answer_to_a_token_leads_to_no_other_site(context: DashboardContext) -> None:
    client = client_of(context, ListenOptions(token=TOKEN))
    answer = client.get(f"http://127.0.0.1:8642//evil.example/?token={TOKEN}")
    assert answer.headers["location"].startswith("/evil.example")
    answer = client.get(f"http://127.0.0.1:8642/a%0d%0aset-cookie:%20b=c?token={TOKEN}")
    assert answer.headers["location"] == "/a%0D%0Aset-cookie%3A%20b%3Dc"


def test_programs_send_the_token_as_a_bearer(context: DashboardContext) -> None:
    client = client_of(context, ListenOptions(token=TOKEN))
    assert client.get("/metrics").status_code == 401
    answer = client.get("/metrics", headers={"authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200


def test_other_machines_are_let_in_only_on_two_words() -> None:
    with pytest.raises(ConfigError, match="--open-to-network"):
        ListenOptions("0.0.0.0", token=TOKEN)
    with pytest.raises(ConfigError, match="token"):
        ListenOptions("192.0.2.1", open_to_network=True)
    with pytest.raises(ConfigError, match="at least 16"):
        ListenOptions(token="short")
    assert TOKEN not in repr(ListenOptions(token=TOKEN))


def test_nothing_is_written_to_the_workspace(context: DashboardContext, studied: Config) -> None:
    def state() -> dict[Path, int]:
        root = studied.layout.root
        return {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}

    before = state()
    client = client_of(context)
    for path in ("/api/health", "/api/pictures", "/api/models", "/metrics", "/api/maps/tsne-3d"):
        assert client.get(path).status_code == 200
    client.get("/api/pictures/plant_id_1/large")
    client.get("/api/pictures/plant_id_1/similar")
    assert state() == before
