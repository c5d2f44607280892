"""What a person selects on the map of a notebook's frame, for the notebook to ask for."""

import threading
from dataclasses import dataclass, field

from fastapi import FastAPI, Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.responses import Response

from naturalist.dashboard.answers import JSON, failed

MAX_SELECTED = 1_000_000
MAX_BODY_BYTES = 80_000_000


class Ids(BaseModel):
    """Pictures that are selected now."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: list[str] = Field(max_length=MAX_SELECTED)


@dataclass(eq=False)
class Selection:
    """The pictures that are selected now; safe to use from several threads."""

    ids: tuple[str, ...] = ()
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def take(self, ids: list[str]) -> None:
        """Hold these from now on."""
        with self._lock:
            self.ids = tuple(dict.fromkeys(ids))


def add_selection(app: FastAPI, selection: Selection) -> None:
    """Add the address to which the page of the map sends what is selected."""

    @app.post("/api/selection")
    async def select(request: Request) -> Response:
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > MAX_BODY_BYTES:
                return failed(413, "Too many pictures.")
        try:
            selection.take(Ids.model_validate_json(bytes(data)).ids)
        except ValidationError:
            return failed(422, "Expected a list of picture ids.")
        return JSON({"selected": len(selection.ids)})
