"""The server: pages, a JSON API, columns of maps as bytes, thumbnails and metrics."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse, Response

from naturalist import __version__
from naturalist.curation import searching
from naturalist.dashboard import attached_values, documents, metrics, sprites, studies
from naturalist.dashboard.answers import JSON, failed, packed
from naturalist.dashboard.bundle import Bundle, page
from naturalist.dashboard.catalogue import ORDERS, Catalogue
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.review_routes import add_review
from naturalist.dashboard.reviewing import Reviewing
from naturalist.dashboard.security import ListenOptions, SecurityMiddleware
from naturalist.dashboard.selection import Selection, add_selection
from naturalist.dashboard.similar import Busy
from naturalist.errors import ConfigError, NaturalistError, NotFound, PictureError
from naturalist.progress import SILENT

_FOREVER = "private, max-age=604800, immutable"
_PIC_ID = r"^[A-Za-z][A-Za-z0-9_-]{0,63}_id_[1-9][0-9]{0,8}$"
_PIC_IDS = rf"^{_PIC_ID[1:-1]}(,{_PIC_ID[1:-1]}){{0,{sprites.MOST - 1}}}$"
_WORD = r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,99}$"
_JPEG = "image/jpeg"
_UPLOADS_AT_ONCE = 8
_ORDER = f"^({'|'.join(ORDERS)})$"
_WORD_MATCHES = 200
MAX_SELECTED = 10_000
"""Pictures that can be chosen at once by a filter."""

PicId = Annotated[str, Path(pattern=_PIC_ID)]
Name = Annotated[str, Path(pattern=_WORD)]
SnapshotId = Annotated[str, Path(pattern=r"^[0-9]{6,12}$")]
Count = Annotated[int, Query(ge=1, le=200)]
# What no collection reaches, and every database can count to.
Offset = Annotated[int, Query(ge=0, le=10**12)]


def make_app(
    context: DashboardContext,
    bundle: Bundle | None,
    listen: ListenOptions,
    reviewing: Reviewing | None = None,
    selection: Selection | None = None,
) -> SecurityMiddleware:
    """The application, guarded; without a bundle it has no pages, only the API.

    Without `reviewing` there is no address that changes anything. With `selection` the page of the
    map tells what is selected.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        if reviewing is not None:
            reviewing.jobs.close()
        context.close()

    app = FastAPI(
        title="naturalist",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        # A redirect would leave out the prefix of a proxy.
        redirect_slashes=False,
        openapi_url="/api/openapi.json",
        lifespan=lifespan,
        default_response_class=JSON,
    )
    _add_errors(app)
    _add_pages(app, context, bundle)
    offered = {"review": reviewing is not None, "selection": selection is not None}
    _add_collection(app, context, offered)
    _add_files(app, context.catalogue)
    _add_pictures(app, context)
    _add_similar(app, context)
    _add_columns(app, context)
    _add_maps(app, context)
    _add_studies(app, context)
    _add_changes(app, context)
    if reviewing is not None:
        add_review(app, reviewing)
    if selection is not None:
        add_selection(app, selection)
    return SecurityMiddleware(app, listen)


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(NaturalistError)
    def naturalist_error(_: Request, error: Exception) -> Response:
        return failed(404 if isinstance(error, NotFound) else 503, str(error))

    @app.exception_handler(Busy)
    def busy(_: Request, error: Exception) -> Response:
        return failed(503, str(error))

    @app.exception_handler(PictureError)
    def picture_error(_: Request, error: Exception) -> Response:
        return failed(422, f"The picture cannot be read: {_why(error)}")

    @app.exception_handler(Exception)
    def unexpected(_: Request, error: Exception) -> Response:
        # The traceback goes to the server's own output.
        return failed(
            500,
            f"The server failed ({type(error).__name__}); what it printed says where. "
            "`naturalist verify` finds damaged files.",
        )

    @app.exception_handler(RequestValidationError)
    def not_valid(_: Request, error: Exception) -> Response:
        return failed(422, "This URL does not exist here: a name or number is wrong.")

    @app.exception_handler(HTTPException)
    def http_error(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        return failed(status, "There is nothing here." if status == 404 else "Not possible here.")


def _why(error: Exception) -> str:
    """In words, as the pages write reasons."""
    if not isinstance(error, PictureError):
        return str(error)
    detail = f" ({error.detail})" if error.detail else ""
    return f"{error.reason.value.replace('_', ' ')}{detail}. {error.reason.meaning}"


def _add_pages(app: FastAPI, context: DashboardContext, bundle: Bundle | None) -> None:
    if bundle is None:
        return
    files = bundle.files()
    html = page(context.place.name, "static/", bundle.version)

    @app.get("/", include_in_schema=False)
    def index() -> Response:
        return Response(html, media_type="text/html", headers={"cache-control": "no-cache"})

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str, request: Request) -> Response:
        if name not in files:
            return failed(404, "There is no such file.")
        kind, data, compressed = files[name]
        headers = {"cache-control": _FOREVER, "vary": "accept-encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["content-encoding"] = "gzip"
            data = compressed
        return Response(data, media_type=kind, headers=headers)


def _add_collection(app: FastAPI, context: DashboardContext, offered: dict[str, bool]) -> None:
    @app.get("/healthz")
    def healthz() -> Response:
        return PlainTextResponse("ok\n")

    @app.get("/metrics")
    def prometheus() -> Response:
        text = metrics.exposition(context.health.document())
        return Response(text, media_type=metrics.CONTENT_TYPE)

    @app.get("/api/about")
    def about() -> Any:
        return JSON({**documents.about(context), **offered})

    @app.get("/api/health")
    def health() -> Any:
        return JSON(context.health.document())


def _add_files(app: FastAPI, catalogue: Catalogue) -> None:
    @app.get("/api/pictures")
    def pictures(
        request: Request,
        text: Annotated[str, Query(max_length=300)] = "",
        batch: Annotated[str, Query(pattern=r"^[0-9]{0,9}$")] = "",
        limit: Count = 60,
        offset: Offset = 0,
        sort: Annotated[str, Query(pattern=_ORDER)] = "id",
    ) -> Any:
        expected = _filters(request, batch)
        rows = catalogue.page(expected, text, limit, offset, sort)
        return JSON({"of": catalogue.count(expected, text), "rows": rows})

    @app.get("/api/picture-ids")
    def picture_ids(
        request: Request,
        text: Annotated[str, Query(max_length=300)] = "",
        batch: Annotated[str, Query(pattern=r"^[0-9]{0,9}$")] = "",
    ) -> Any:
        return JSON({"ids": catalogue.ids(_filters(request, batch), text, MAX_SELECTED)})

    @app.get("/api/facets")
    def facets() -> Any:
        counted = {
            name: catalogue.rows(
                f"SELECT {name} AS name, count(*) AS files FROM files WHERE {name} IS NOT NULL "  # noqa: S608
                f"GROUP BY {name} ORDER BY files DESC, name"
            )
            for name in ("category", "source", "outcome", "reason", "batch")
        }
        return JSON(counted)

    @app.get("/api/pictures/{pic_id}")
    def picture(pic_id: PicId) -> Any:
        row = catalogue.picture(pic_id)
        if row is None:
            return failed(404, f"The ledger knows no picture {pic_id}.")
        copies = catalogue.rows(
            "SELECT category, source, path_text, outcome FROM files WHERE same_as = ? LIMIT 20",
            [pic_id],
        )
        return JSON(
            {**row, "copies": copies, "columns": attached_values.of_picture(catalogue, pic_id)}
        )


def _add_pictures(app: FastAPI, context: DashboardContext) -> None:
    @app.get("/api/pictures/{pic_id}/thumbnail")
    def thumbnail(pic_id: PicId) -> Response:
        data = context.thumbnails.get(pic_id)
        if data is None:
            return failed(404, f"There is no thumbnail of {pic_id}.")
        return Response(data, media_type=_JPEG, headers={"cache-control": _FOREVER})

    @app.get("/api/pictures/{pic_id}/large")
    def large(pic_id: PicId) -> Response:
        data = context.similar.large(pic_id)
        if data is None:
            return failed(404, f"The picture {pic_id} is not stored here.")
        return Response(data, media_type=_JPEG, headers={"cache-control": _FOREVER})

    @app.get("/api/sprites")
    def strip(ids: Annotated[str, Query(pattern=_PIC_IDS)]) -> Response:
        result = context.thumbnails.several(ids.split(","))
        missing = ",".join(str(at) for at, jpeg in enumerate(result) if jpeg is None)
        headers = {"cache-control": _FOREVER, "x-missing": missing}
        return Response(sprites.strip(result), media_type=sprites.MEDIA_TYPE, headers=headers)


def _add_similar(app: FastAPI, context: DashboardContext) -> None:
    @app.get("/api/words")
    def words(text: Annotated[str, Query(min_length=1, max_length=200)]) -> Any:
        if context.place.config is None:
            return failed(404, "Only a workspace can be searched by words.")
        request = searching.Request(text, k=_WORD_MATCHES, paths=False)
        try:
            result = searching.search_words(context.place.config, request, SILENT, update=False)
        except ConfigError as error:
            # Words that say nothing may still be part of a path, which the page asks for too.
            return JSON({"ids": [], "messages": [str(error)]})
        ids = [hit["picID"] for hit in result["rows"]]
        return JSON({"ids": ids, "messages": result["messages"]})

    @app.get("/api/pictures/{pic_id}/similar")
    def similar(pic_id: PicId, k: Count = 12) -> Any:
        if not context.similar.offered:
            return JSON({"pictures": []})
        return JSON({"pictures": context.similar.to_picture(pic_id, k)})

    _add_upload(app, context)


def _add_columns(app: FastAPI, context: DashboardContext) -> None:
    catalogue = context.catalogue

    @app.get("/api/columns")
    def metadata_columns() -> Any:
        return JSON({"columns": [one.describe() for one in catalogue.attached]})

    @app.get("/api/columns/{column}/values")
    def values(
        column: Name,
        text: Annotated[str, Query(max_length=300)] = "",
        limit: Annotated[int, Query(ge=1, le=1_000)] = 200,
    ) -> Any:
        with catalogue.steady():
            result = next((one for one in catalogue.attached if one.id == column), None)
            if result is None:
                return failed(404, f"There is no metadata column {column}.")
            return JSON(attached_values.values_of(catalogue, result, text, limit))


def _filters(request: Request, batch: str) -> dict[str, str]:
    """The filters of an address; a batch is a number, or nothing."""
    expected = {k: v[:300] for k, v in request.query_params.items() if k != "batch"}
    return expected | {"batch": batch}


def _add_upload(app: FastAPI, context: DashboardContext) -> None:
    config = context.place.config
    limit = int((config.dashboard.max_upload_mb if config else 0) * 1_000_000)
    slots = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    @app.post("/api/similar")
    async def similar_to_upload(request: Request, k: Count = 24) -> Any:
        from starlette.concurrency import run_in_threadpool

        if not context.similar.offered or config is None:
            return failed(404, "A new picture can only be compared in a workspace with tables.")
        # Each holds its bytes in memory until it is answered.
        if slots.locked():
            return failed(503, str(Busy()))
        async with slots:
            data = bytearray()
            async for chunk in request.stream():
                data += chunk
                if len(data) > limit:
                    return failed(413, f"The picture has more than {limit / 1e6:g} MB.")
            result = await run_in_threadpool(context.similar.to_bytes, bytes(data), k)
            return JSON({"pictures": result})


def _add_maps(app: FastAPI, context: DashboardContext) -> None:
    maps = context.maps

    @app.get("/api/maps/{name}")
    def map_of(name: Name) -> Any:
        points = maps.get(name)
        return (
            failed(404, f"There is no map {name}.")
            if points is None
            else JSON(maps.describe(points))
        )

    @app.get("/api/maps/{name}/positions")
    def positions(name: Name, request: Request) -> Response:
        points = maps.get(name)
        if points is None:
            return failed(404, f"There is no map {name}.")
        data = points.positions.astype("<u2", copy=False).tobytes()
        return packed(request, data, "application/octet-stream")

    @app.get("/api/maps/{name}/columns/{column}")
    def column(name: Name, column: Name, request: Request) -> Response:
        points = maps.get(name)
        result = maps.column(points, column) if points is not None else None
        if result is None:
            return failed(404, f"There is no column {column} of a map {name}.")
        little = result.data.astype(result.data.dtype.newbyteorder("<"), copy=False)
        return packed(request, little.tobytes(), "application/octet-stream")

    @app.get("/api/maps/{name}/columns/{column}/about")
    def about_column(name: Name, column: Name) -> Any:
        points = maps.get(name)
        result = maps.column(points, column) if points is not None else None
        if result is None:
            return failed(404, f"There is no column {column} of a map {name}.")
        return JSON(result.describe())

    @app.get("/api/maps/{name}/row/{pic_id}")
    def row(name: Name, pic_id: PicId) -> Any:
        points = maps.get(name)
        result = maps.row_of(points, pic_id) if points is not None else None
        if result is None:
            return failed(404, f"The map {name} has no picture {pic_id}.")
        return JSON({"row": result, "pic_id": pic_id})


def _add_changes(app: FastAPI, context: DashboardContext) -> None:
    @app.get("/api/snapshots")
    def snapshots() -> Any:
        return JSON({"snapshots": context.changes.list()})

    @app.get("/api/snapshots/{before}/to/{after}")
    def changes(before: SnapshotId, after: SnapshotId) -> Any:
        return JSON(context.changes.between(before, after))


def _add_studies(app: FastAPI, context: DashboardContext) -> None:
    place = context.place

    @app.get("/api/clusterings/{name}")
    def clustering(name: Name) -> Any:
        result = studies.clustering(place, name)
        return failed(404, f"There is no clustering {name}.") if result is None else JSON(result)

    @app.get("/api/clusterings/{name}/sheets/{cluster}")
    def sheet(name: Name, cluster: Annotated[int, Path(ge=-1, le=10**9)]) -> Response:
        path = studies.sheet(place, name, cluster)
        if path is None:
            return failed(404, f"Cluster {cluster} has no contact sheet.")
        return Response(path.read_bytes(), media_type="image/png")

    @app.get("/api/models")
    def models() -> Any:
        return JSON(studies.models(place))

    @app.get("/api/label-issues")
    def label_issues() -> Any:
        return JSON(studies.label_issues(place))

    @app.get("/api/duplicates")
    def duplicates(limit: Count = 20, offset: Offset = 0) -> Any:
        return JSON(studies.duplicate_groups(place, limit, offset))
