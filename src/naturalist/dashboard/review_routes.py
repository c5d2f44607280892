"""The addresses under /api/review, which are there only with `naturalist dashboard --review`.

A reviewer's token comes in a header that no other site can make a browser send: nothing that a
browser adds by itself, as a cookie, lets anybody write. What is sent must also come from this site
by the browser's own account (Origin, Sec-Fetch-Site) and be JSON.
"""

from typing import Annotated, Any, TypeVar

from fastapi import Depends, FastAPI, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from naturalist.curation import concepts
from naturalist.curation.reviewing import applying, views
from naturalist.curation.reviewing.history import Entry, NothingToUndo, Outdated
from naturalist.curation.reviewing.queues import Item
from naturalist.dashboard.answers import JSON, failed
from naturalist.dashboard.concept_matches import concept_matches
from naturalist.dashboard.reviewing import Reviewing
from naturalist.errors import ConfigError
from naturalist.progress import Silent

TOKEN_HEADER = "x-reviewer-token"  # noqa: S105
MAX_BODY_BYTES = 8_000_000
MAX_PICTURES = 10_000
MAX_EXAMPLES = 1_000
"""Examples of a concept at once: they are words of a command, which has a longest one."""

_PIC_ID = "[A-Za-z][A-Za-z0-9_-]{0,63}_id_[1-9][0-9]{0,8}"
PicId = Annotated[str, StringConstraints(pattern=rf"^{_PIC_ID}$")]
Key = Annotated[str, StringConstraints(pattern=rf"^({_PIC_ID}|sha256:[0-9a-f]{{64}})$")]
Word = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{8,64}$")]
Tag = Annotated[str, StringConstraints(pattern=r"^\w[\w.+-]{0,39}$")]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RequestedDecision(_Body):
    """A decision about one picture; what is null stays as it is."""

    key: Key
    version: int = Field(ge=0)
    seen: str = Field(max_length=20_000)
    decision: Annotated[str, StringConstraints(pattern=r"^(|keep|relabel|retire)$")] | None = None
    category: str = Field("", max_length=64)
    tags: Annotated[list[Tag], Field(max_length=20)] | None = None
    note: Annotated[str, StringConstraints(max_length=1000)] | None = None


class Decisions(_Body):
    """A decision about one or several pictures."""

    request: Word
    pictures: list[RequestedDecision] = Field(min_length=1, max_length=MAX_PICTURES)


class Undo(_Body):
    """An undo of the latest decision, or of that of a number."""

    request: Word
    of: int = Field(0, ge=0)


class Start(_Body):
    """A job to start; see `jobs.JOBS`."""

    kind: str = Field(max_length=40)


class Teach(_Body):
    """Examples of a concept: pictures that show it, and pictures that do not."""

    name: str = Field(max_length=64)
    yes: list[PicId] = Field(max_length=MAX_EXAMPLES)
    no: list[PicId] = Field(max_length=MAX_EXAMPLES)


class Named(_Body):
    """A concept to apply or to delete."""

    name: str = Field(max_length=64)


class SavedView(_Body):
    """A view of the map to share; `replaces` is the version of the one of this name, if any."""

    name: views.ViewName
    hash: views.ViewHash
    replaces: int = Field(0, ge=0)


class RemovedView(_Body):
    """A shared view to remove, as it was seen."""

    name: views.ViewName
    version: int = Field(ge=1)


class Nothing(_Body):
    """No more than the address says."""


class Apply(_Body):
    """Applying what was looked at."""

    request: Word
    upto: int = Field(ge=0)


class Keys(_Body):
    """Pictures that a person chose."""

    keys: list[Key] = Field(max_length=MAX_PICTURES)


B = TypeVar("B", bound=_Body)


def add_review(app: FastAPI, reviewing: Reviewing) -> None:
    """Add the addresses for reviewers."""

    def reviewer(request: Request) -> str:
        name = reviewing.who(request.headers.get(TOKEN_HEADER, ""))
        if name is None:
            raise HTTPException(401)
        return name

    _add_errors(app, reviewing)
    _add_reading(app, reviewing, Annotated[str, Depends(reviewer)])
    _add_writing(app, reviewing, Annotated[str, Depends(reviewer)])
    _add_jobs(app, reviewing, Annotated[str, Depends(reviewer)])
    _add_concepts(app, reviewing, Annotated[str, Depends(reviewer)])
    _add_views(app, reviewing, Annotated[str, Depends(reviewer)])


def _add_errors(app: FastAPI, reviewing: Reviewing) -> None:
    @app.exception_handler(Outdated)
    def outdated(_: Request, error: Exception) -> Response:
        now = reviewing.described(error.now) if isinstance(error, Outdated) else {}
        return JSON({"error": str(error), "standing": now}, status_code=409)

    @app.exception_handler(NothingToUndo)
    def nothing(_: Request, error: Exception) -> Response:
        return JSON({"error": str(error), "standing": {}}, status_code=409)

    @app.exception_handler(views.Changed)
    def changed(_: Request, error: Exception) -> Response:
        return JSON({"error": str(error), "standing": {}}, status_code=409)

    @app.exception_handler(ConfigError)
    def not_possible(_: Request, error: Exception) -> Response:
        return failed(422, str(error))


def _add_reading(app: FastAPI, reviewing: Reviewing, who: Any) -> None:
    @app.get("/api/review/me")
    def me(by: who) -> Any:
        categories = list(reviewing.context.place.titles.values())
        return JSON({"name": by, "categories": categories, **reviewing.news(0)})

    @app.get("/api/review/queues")
    def queues(by: who) -> Any:
        return JSON(reviewing.queues())

    @app.get("/api/review/queues/{name}")
    def queue(
        by: who,
        name: str,
        limit: Annotated[int, Query(ge=0, le=200)] = 60,
        offset: Annotated[int, Query(ge=0, le=10**6)] = 0,
    ) -> Any:
        try:
            return JSON(reviewing.queue(name, limit, offset))
        except KeyError:
            return failed(404, f"There is no queue {name}.")

    @app.get("/api/review/news")
    def news(by: who, after: Annotated[int, Query(ge=0)] = 0) -> Any:
        return JSON(reviewing.news(after))

    @app.get("/api/review/pending")
    def pending(by: who) -> Any:
        result = applying.plan(reviewing.config, reviewing.journal.history(), by)
        document = result.as_json()
        return JSON(document | {"changes": document["changes"][:200]})

    @app.get("/api/review/files/{digest}")
    def file(by: who, digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")]) -> Response:
        data = reviewing.context.similar.large_of_bytes(bytes.fromhex(digest))
        if data is None:
            return failed(404, "The file cannot be shown.")
        return Response(data, media_type="image/jpeg")


def _add_writing(app: FastAPI, reviewing: Reviewing, who: Any) -> None:
    @app.post("/api/review/items")
    async def items(request: Request, by: who) -> Any:
        expected = await _body(request, Keys)
        selected = [Item(key, "You chose it") for key in dict.fromkeys(expected.keys)]
        return JSON({"items": await run_in_threadpool(reviewing.items, selected)})

    @app.post("/api/review/decisions")
    async def decide(request: Request, by: who) -> Any:
        expected = await _body(request, Decisions)
        pictures = [one.model_dump() for one in expected.pictures]
        return _answer(
            reviewing, await run_in_threadpool(reviewing.decide, by, expected.request, pictures)
        )

    @app.post("/api/review/undo")
    async def undo(request: Request, by: who) -> Any:
        expected = await _body(request, Undo)
        return _answer(
            reviewing, await run_in_threadpool(reviewing.undo, by, expected.request, expected.of)
        )

    @app.post("/api/review/redo")
    async def redo(request: Request, by: who) -> Any:
        expected = await _body(request, Undo)
        return _answer(reviewing, await run_in_threadpool(reviewing.redo, by, expected.request))

    @app.post("/api/review/apply")
    async def apply(request: Request, by: who) -> Any:
        expected = await _body(request, Apply)
        return JSON(await run_in_threadpool(_apply, reviewing, by, expected))


def _add_jobs(app: FastAPI, reviewing: Reviewing, who: Any) -> None:
    @app.get("/api/review/job")
    def job(by: who) -> Any:
        return JSON(reviewing.jobs.state())

    @app.post("/api/review/job")
    async def start(request: Request, by: who) -> Any:
        expected = await _body(request, Start)
        return JSON(await run_in_threadpool(reviewing.jobs.start, expected.kind, by))

    @app.post("/api/review/job/stop")
    async def stop(request: Request, by: who) -> Any:
        await _body(request, Nothing)
        return JSON(await run_in_threadpool(reviewing.jobs.stop))


def _add_concepts(app: FastAPI, reviewing: Reviewing, who: Any) -> None:
    @app.get("/api/review/concepts")
    def listed(by: who) -> Any:
        return JSON(concepts.list_concepts(reviewing.config))

    @app.get("/api/review/concepts/{name}")
    def examples(by: who, name: Annotated[str, Path(max_length=64)]) -> Any:
        return JSON(concepts.examples_of(reviewing.config, name))

    @app.post("/api/review/concepts")
    async def teach(request: Request, by: who) -> Any:
        body = await _body(request, Teach)
        start = reviewing.jobs.teach
        return JSON(await run_in_threadpool(start, body.name, body.yes, body.no, by))

    @app.get("/api/review/concepts/{name}/matches")
    def matches(
        by: who,
        name: Annotated[str, Path(max_length=64)],
        category: Annotated[str, Query(max_length=64)] = "",
    ) -> Any:
        return JSON(concept_matches(reviewing, name, category, MAX_PICTURES))

    @app.post("/api/review/concepts/apply")
    async def apply(request: Request, by: who) -> Any:
        body = await _body(request, Named)
        return JSON(await run_in_threadpool(reviewing.jobs.apply_concept, body.name, by))

    @app.post("/api/review/concepts/drop")
    async def drop(request: Request, by: who) -> Any:
        body = await _body(request, Named)
        return JSON(await run_in_threadpool(reviewing.jobs.drop_concept, body.name, by))


def _add_views(app: FastAPI, reviewing: Reviewing, who: Any) -> None:
    path = reviewing.config.layout.review_views

    def shown() -> JSON:
        return JSON({"views": [one.model_dump() for one in views.read(path)]})

    @app.get("/api/views")
    def shared() -> Any:
        return shown()

    @app.post("/api/review/views")
    async def save(request: Request, by: who) -> Any:
        body = await _body(request, SavedView)
        await run_in_threadpool(views.save, path, body.name, body.hash, by, body.replaces)
        return await run_in_threadpool(shown)

    @app.post("/api/review/views/remove")
    async def remove(request: Request, by: who) -> Any:
        body = await _body(request, RemovedView)
        await run_in_threadpool(views.remove, path, body.name, body.version)
        return await run_in_threadpool(shown)


def _apply(reviewing: Reviewing, by: str, body: Apply) -> dict[str, Any]:
    reviewed = applying.apply(
        reviewing.config,
        reviewing.journal,
        by,
        Silent(),
        request=body.request,
        upto=body.upto,
    )
    reviewing.context.catalogue.look_again()
    document = reviewed.as_json()
    return document | {"changes": document["changes"][:200], "changed": reviewed.pictures}


def _answer(reviewing: Reviewing, entry: Entry) -> JSON:
    history = reviewing.journal.history()
    standing = reviewing.described({key: history.of(key) for key in entry.marks})
    return JSON(
        {
            "number": entry.number,
            "kind": entry.kind,
            "standing": standing,
            "pending": len(history.pending()),
        }
    )


async def _body(request: Request, kind: type[B]) -> B:
    """The document that was sent, from a page of this site."""
    headers = request.headers
    own_site = headers.get("sec-fetch-site", "same-origin") == "same-origin"
    # That the origin is this host's is checked before: a browser always says where it is from.
    if "origin" not in headers or not own_site:
        raise HTTPException(403)
    if headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise HTTPException(415)
    data = bytearray()
    async for chunk in request.stream():
        data += chunk
        if len(data) > MAX_BODY_BYTES:
            raise HTTPException(413)
    try:
        return kind.model_validate_json(bytes(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{where}: {first['msg']}") from error
