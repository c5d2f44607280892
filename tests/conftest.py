"""What all tests share: fixtures, `--long`, the profile of hypothesis."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

import inline_work

# Each worker of pytest-xdist is one core's: threads of numpy would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# A shell without job control lets what it starts in the background ignore SIGINT, and so would all
# programs that tests interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = [
    "planted_search",
    "s3_server",
    "shared_data",
    "photo_collection",
    "ray_cluster",
]

# Two slow, shared cores: how long an example takes says nothing about the code. Each run draws
# other examples, so that fewer in each find as much in a week.
settings.register_profile(
    "naturalist",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=True,
    max_examples=40,
)
settings.register_profile("long", settings.get_profile("naturalist"), max_examples=200)
settings.load_profile("naturalist")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--long`, which also runs the tests marked `long`, and `--kills`."""
    parser.addoption(
        "--long", action="store_true", help="also run the tests marked long (minutes each)"
    )
    parser.addoption(
        "--kills", type=int, default=20, help="with --long: how often each command is killed"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Draw more examples with `--long`, and tell each result as it comes."""
    if config.getoption("--long"):
        settings.load_profile("long")
        config.pluginmanager.register(TellsAtOnce(config))


class TellsAtOnce:
    """Says how each test ended, and why it failed: whoever stops hours of tests loses nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._plugins = config.pluginmanager

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Say it, at the end of the test or at a failure before or after."""
        said = self._plugins.get_plugin("terminalreporter")
        if said is None or not (report.when == "call" or report.failed):
            return
        said.write_line(f"\n{report.outcome} {report.nodeid} {report.duration:.0f} s")
        if report.failed:
            said.write_line(report.longreprtext)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip tests marked `long` unless `--long` was given."""
    if config.getoption("--long"):
        return
    for item in items:
        if "long" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="long: run with --long"))


@pytest.fixture
def without_workers() -> Iterator[None]:
    """A run that a test starts by a function does all of its work in this process."""
    with inline_work.in_this_process():
        yield


@pytest.fixture
def with_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that run in this process start workers, as they do for people."""
    monkeypatch.setattr(inline_work, "USES_WORKERS", True)
