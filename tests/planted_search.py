"""Searches what every test prints for planted secrets: a plugin of pytest.

A test in which one is printed fails, whatever else it finds out: by itself or by the programs that
it starts, or in what `capsys` and its like hand to it.
"""

import os
from collections.abc import Callable, Generator
from typing import Any

import pytest

from planted import ENVIRONMENT, OF_ALL_TESTS, check, told


def pytest_configure() -> None:
    """Plant one, and search what `capsys` and its like hand out."""
    os.environ[OF_ALL_TESTS] = ENVIRONMENT[OF_ALL_TESTS]
    pytest.CaptureFixture.readouterr = _searched(pytest.CaptureFixture.readouterr)  # type: ignore[method-assign]


def _searched(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def readouterr(self: Any) -> Any:
        printed = read(self)
        texts = (one if isinstance(one, str) else one.decode("latin-1") for one in printed)
        check(*texts)
        return printed

    return readouterr


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Search what a test printed, and why it failed."""
    report = yield
    found = told(report.longreprtext, *(text for _, text in report.sections))
    if found:
        report.outcome = "failed"
        report.sections = []
        report.longrepr = f"secrets were printed: {found}"
    return report
