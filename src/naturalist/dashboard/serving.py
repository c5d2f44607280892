"""Running the server until it is interrupted."""

import contextlib
import socket
import threading
from collections.abc import Callable
from pathlib import Path

from naturalist.dashboard.bundle import load_bundle
from naturalist.dashboard.collection import Collection
from naturalist.dashboard.context import open_context
from naturalist.dashboard.security import ListenOptions
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
    place: Collection,
    listen: ListenOptions,
    on_ready: Callable[[str], None],
    *,
    review: Path | None = None,
) -> None:
    """Answer until interrupted.

    Args:
        place: what is shown.
        listen: where to listen; port 0 takes a free one.
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
    context = open_context(place)
    reviewing = open_reviewing(context, review) if review else None
    listening = _listen(listen)
    shown = f"[{listen.host}]" if ":" in listen.host else listen.host
    on_ready(f"http://{shown}:{listening.getsockname()[1]}{listen.root}")
    # Whoever opens the page soon finds the first map and the ledger's index ready. The program ends
    # after it: a thread that Python stops within Arrow or DuckDB would abort the process.
    threading.Thread(target=context.warm_up).start()
    settings = uvicorn.Config(
        make_app(context, bundle, listen, reviewing),
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


def _listen(listen: ListenOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    try:
        return socket.create_server((listen.host, listen.port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(
            f"cannot listen on {listen.host} port {listen.port} ({error.strerror or error}): "
            "choose another --port, or 0 for a free one"
        ) from error
