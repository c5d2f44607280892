"""Running the server until it is interrupted."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from naturalist.dashboard.bundle import load_bundle
from naturalist.dashboard.desk import open_desk
from naturalist.dashboard.place import Place
from naturalist.dashboard.security import Door
from naturalist.errors import ConfigError, MissingExtra


def check_installed() -> None:
    """Check that the packages of the extra are there.

    Raises:
        MissingExtra: one is not.
    """
    for package in ("cronsim", "fastapi", "prometheus_client", "uvicorn"):
        try:
            __import__(package)
        except ImportError as error:
            raise MissingExtra(package.replace("_", "-"), "dashboard") from error


def serve(
    place: Place, door: Door, on_ready: Callable[[str], None], *, review: Path | None = None
) -> None:
    """Answer until interrupted.

    Args:
        place: what is shown.
        door: where to listen; port 0 takes a free one.
        on_ready: hears the address when connections are taken.
        review: let those decide who have a reviewer's token; the configuration file.

    Raises:
        MissingExtra: the extra `dashboard` is not installed.
        BundleMissing: the installation has no pages.
        ConfigError: the port is taken, the host is not this machine's, or nobody may review.
    """
    check_installed()
    import uvicorn

    from naturalist.dashboard.app import make_app
    from naturalist.dashboard.connections import MAX_CONNECTIONS, TimedProtocol
    from naturalist.dashboard.reviewing import open_reviewing

    bundle = load_bundle()
    desk = open_desk(place)
    reviewing = open_reviewing(desk, review) if review else None
    listening = _listen(door)
    shown = f"[{door.host}]" if ":" in door.host else door.host
    on_ready(f"http://{shown}:{listening.getsockname()[1]}/")
    # Whoever opens the page soon finds the first map and the ledger's index ready.
    threading.Thread(target=desk.warm_up, daemon=True).start()
    settings = uvicorn.Config(
        make_app(desk, bundle, door, reviewing),
        log_level="warning",
        access_log=False,
        server_header=False,
        date_header=False,
        ws="none",
        http=TimedProtocol,
        limit_concurrency=MAX_CONNECTIONS,
        timeout_graceful_shutdown=3,
    )
    # The server ends by itself, and then passes the interrupt on.
    with listening, contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(settings).run(sockets=[listening])


def _listen(door: Door) -> socket.socket:
    family = socket.AF_INET6 if ":" in door.host else socket.AF_INET
    try:
        return socket.create_server((door.host, door.port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {door.host} port {door.port} ({error.strerror or error}): choose "
            "another --port, or 0 for a free one"
        ) from error
