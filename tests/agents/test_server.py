"""The server, started as an assistant starts it, by the client of the SDK."""

import csv
import hashlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from tests.api.conftest import copied, made

import naturalist
from naturalist.agents.proposing import Proposals
from naturalist.agents.server import tools
from naturalist.config import load_config

mcp = pytest.importorskip("mcp", reason="the extra `mcp` is not installed")

__all__ = ["copied", "made"]
READ = {
    "status", "health", "ledger", "search", "similar", "picture", "suspects", "map_region",
    "thumbnail", "preview_decisions",
}  # fmt: skip


def in_a_loop(call: Callable[[], Awaitable[Any]]) -> Any:
    """The result of a call in an event loop of its own: a browser of other tests may keep one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, call).result()


@asynccontextmanager
async def client(folder: Path) -> AsyncIterator[Any]:
    from mcp.client import Client
    from mcp.client.stdio import StdioServerParameters

    arguments = ["-m", "naturalist", "mcp", "-c", str(folder)]
    import os

    server = StdioServerParameters(command=sys.executable, args=arguments, env=dict(os.environ))
    async with Client(server) as opened:
        yield opened


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


async def answer(opened: Any, tool: str, **arguments: Any) -> Any:
    result = await opened.call_tool(tool, arguments)
    assert not result.is_error, result.content
    return result.structured_content


def test_an_agent_looks_and_proposes_and_only_a_person_changes_the_collection(
    copied: Path,
) -> None:
    garden = copied / "garden"
    naturalist.open(garden).search("shore")  # makes the index of words
    naturalist.open(garden).suspects()
    before = contents(garden)
    decisions = [{"pic_id": "plant_id_1", "decision": "retire", "note": "too small"}]

    async def look_and_propose() -> dict[str, Any]:
        async with client(garden) as opened:
            tools = {one.name: one for one in (await opened.list_tools()).tools}
            assert {n for n, one in tools.items() if one.annotations.read_only_hint} == READ
            assert set(tools) == {*READ, "propose_decisions"}
            status = await answer(opened, "status")
            assert status["categories"]["plant"]["accepted"] == 16
            assert (await answer(opened, "health"))["collection"] == "garden"
            hits = (await answer(opened, "search", query="shore", k=3))["rows"]
            assert {one["source"] for one in hits} == {"shore"}
            near = await answer(opened, "similar", pic_id="plant_id_1", k=2)
            assert len(near["rows"]) == 2
            region = await answer(opened, "map_region", around="plant_id_1", radius=0.2)
            assert region["rows"][0] == "plant_id_1"
            assert sum(region["categories"].values()) == region["pictures"]
            assert (await answer(opened, "ledger", outcome="accepted", limit=2))["total"] == 64
            assert (await answer(opened, "picture", pic_id="plant_id_1"))["category"] == "plant"
            assert "rows" in await answer(opened, "suspects")
            shown = await opened.call_tool("thumbnail", {"pic_id": "plant_id_1"})
            assert shown.content[0].mime_type == "image/jpeg"
            preview = await answer(opened, "preview_decisions", decisions=decisions)
            assert preview["effect"]["categories"][0]["leave"] == 1
            assert contents(garden) == before
            return await answer(opened, "propose_decisions", name="small", decisions=decisions)

    proposed = in_a_loop(look_and_propose)
    after = contents(garden)
    assert set(after) - set(before) == {"proposals/small.csv"}
    assert {name: after[name] for name in before} == before
    assert proposed["applied"] is False
    assert proposed["apply"] == f"naturalist review {proposed['file']} -c {garden}"
    with Path(proposed["file"]).open() as file:
        assert next(csv.DictReader(file))["picID"] == "plant_id_1"
    done = naturalist.open(garden).review(proposed["file"], by="ada")
    assert [one.what for one in done.changes] == ["plant_id_1"]


def test_mistakes_are_answers_that_say_what_to_do(copied: Path) -> None:
    garden = copied / "garden"
    calls: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("similar", {"pic_id": "plant_id_999"}, "is not in the tables"),
        ("map_region", {"map_name": "other", "around": "plant_id_1"}, "choose one of tsne-2d"),
        ("propose_decisions", {"name": "../x", "decisions": []}, "use letters"),
        ("propose_decisions", {"name": "x", "decisions": []}, "propose 1 to 1,000"),
        (
            "preview_decisions",
            {"decisions": [{"pic_id": "plant_id_999", "decision": "retire"}]},
            "is not in the ledger",
        ),
    )

    async def make_mistakes() -> None:
        async with client(garden) as opened:
            for tool, arguments, expected in calls:
                result = await opened.call_tool(tool, arguments)
                assert result.is_error
                assert expected in result.content[0].text

    in_a_loop(make_mistakes)


def test_tools_are_listed_where_a_loop_of_events_is_running(copied: Path) -> None:
    garden = copied / "garden"
    config, proposals = load_config(garden), Proposals(garden / "proposals", garden)

    async def within() -> list[dict[str, Any]]:
        return tools(config, proposals)

    assert {one["name"] for one in in_a_loop(within)} > READ
