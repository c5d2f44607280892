"""The pages inside a notebook, and what a person selects there back in Python.

    shown = naturalist.show("garden")     # the last line of a cell
    shown.selected                        # ids of the pictures that are selected on the map
    shown.frame()                         # the same with category, source and metadata

A frame of another program may not keep cookies: the address itself carries the secret, as the path
below which alone the server answers.
"""

import secrets
import socket
import threading
import time
import weakref
from dataclasses import dataclass, field
from html import escape
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from naturalist.config import load_config
from naturalist.config.reading import CONFIG_NAME
from naturalist.dashboard import attached_values
from naturalist.dashboard.bundle import Bundle, load_bundle
from naturalist.dashboard.collection import Collection, open_published, open_workspace
from naturalist.dashboard.context import DashboardContext, open_context
from naturalist.dashboard.security import ListenOptions
from naturalist.dashboard.selection import Selection
from naturalist.dashboard.serving import check_installed
from naturalist.errors import MissingExtra, NaturalistError
from naturalist.stores import S3Options

if TYPE_CHECKING:
    import pandas as pd

_HOST = "127.0.0.1"
_STARTED_WITHIN_S = 30
_ENDED_WITHIN_S = 5
_PAGES = ("health", "map", "clusters", "models", "pictures", "changes")


@dataclass(eq=False)
class Shown:
    """Pages that are served for one notebook until `close`, or until it is no longer used.

    Attributes:
        url: of the pages; whoever has it can read the collection on this machine.
        height: of the frame, in CSS pixels.
        proxy: what a notebook server puts before the port, such as "/user/ada/proxy/"; empty for a
            browser on this machine.
    """

    url: str
    page: str
    height: int
    proxy: str
    _context: DashboardContext = field(repr=False)
    _selection: Selection = field(repr=False)
    _close: weakref.finalize = field(init=False, repr=False)  # type: ignore[type-arg]

    @property
    def selected(self) -> list[str]:
        """Ids of the pictures that are selected on the map, in the order of selection."""
        return list(self._selection.ids)

    def frame(self) -> "pd.DataFrame":
        """The selected pictures as a data frame: picID, category, source, path, metadata columns.

        Raises:
            MissingExtra: pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError as error:
            raise MissingExtra("pandas", "pandas") from error
        columns = ["picID", "category", "source", "path"]
        columns += [one.name for one in self._context.catalogue.attached]
        return pd.DataFrame([self._row(pic) for pic in self.selected], columns=columns)

    def close(self) -> None:
        """End the server; the frame stays empty from then on."""
        self._close()

    def _row(self, pic_id: str) -> dict[str, Any]:
        catalogue = self._context.catalogue
        row = catalogue.picture(pic_id) or {}
        own = {
            "picID": pic_id,
            "category": row.get("category"),
            "source": row.get("source"),
            "path": row.get("path_text"),
        }
        return attached_values.of_picture(catalogue, pic_id) | own

    def _repr_html_(self) -> str:
        address = self.url
        if self.proxy:
            port, _, path = self.url.removeprefix(f"http://{_HOST}:").partition("/")
            address = f"{self.proxy.rstrip('/')}/{port}/{path}"
        return (
            f'<iframe src="{escape(address)}#/{escape(self.page)}" title="naturalist" '
            f'style="width:100%;height:{self.height}px;border:0" '
            'allow="clipboard-write"></iframe>'
        )


def show(
    place: "str | PathLike[str]" = ".",
    *,
    page: str = "map",
    height: int = 720,
    proxy: str = "",
    snapshot: str | None = None,
    options: S3Options | None = None,
) -> Shown:
    """Show the pages of a collection in a notebook; read-only.

    Args:
        place: a workspace, a pulled folder, or the address of a published collection.
        page: which page: health, map, clusters, models, pictures or changes.
        height: of the frame, in CSS pixels.
        proxy: for a notebook server on another machine with jupyter-server-proxy: its address up to
            "proxy/", such as "/user/ada/proxy/".
        snapshot: id of a snapshot such as "000012"; None for the newest. Published ones only.
        options: how to reach an S3 server; ``S3Options(anonymous=True)`` for a public bucket.

    Raises:
        MissingExtra: the extra `dashboard` is not installed.
        BundleMissing: the installation has no pages.
        NotFound: there is no collection at that place.
        ValueError: there is no such page.
    """
    if page.partition("?")[0] not in _PAGES:
        raise ValueError(f"page is {page!r}; there are {', '.join(_PAGES)}")
    check_installed()
    bundle = load_bundle()
    context = open_context(_open(place, snapshot, options))
    selection = Selection()
    listen = ListenOptions(_HOST, base_path=f"/{secrets.token_hex(24)}", is_secret_path=True)
    server = _Server(context, bundle, listen, selection)
    url = f"http://{_HOST}:{server.port}{listen.root}"
    shown = Shown(url, page, height, proxy, context, selection)
    shown._close = weakref.finalize(shown, server.stop)
    return shown


def _open(
    place: "str | PathLike[str]", snapshot: str | None, options: S3Options | None
) -> Collection:
    text = str(place)
    path = Path(text).expanduser()
    if "://" not in text and (path.is_file() or (path / CONFIG_NAME).is_file()):
        return open_workspace(load_config(path))
    return open_published(text, snapshot, options)


class _Server:
    """A server in a thread of this process."""

    def __init__(
        self,
        context: DashboardContext,
        bundle: Bundle,
        listen: ListenOptions,
        selection: Selection,
    ) -> None:
        import uvicorn

        from naturalist.dashboard.app import make_app

        self._socket = socket.create_server((_HOST, 0), backlog=128)
        self.port = int(self._socket.getsockname()[1])
        app = make_app(context, bundle, listen, selection=selection)
        settings = uvicorn.Config(app, log_level="error", access_log=False, ws="none")
        self._server = uvicorn.Server(settings)
        self._thread = threading.Thread(target=self._run, name="naturalist-show", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + _STARTED_WITHIN_S
        while not self._server.started:
            if not self._thread.is_alive() or time.monotonic() > deadline:
                raise NaturalistError("the server of the pages did not start")
            self._thread.join(0.02)

    def _run(self) -> None:
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """End it, and remove what was made for answering."""
        self._server.should_exit = True
        self._thread.join(_ENDED_WITHIN_S)
        self._socket.close()
