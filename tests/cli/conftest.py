"""Calling the command line in this process, as `main` runs it."""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from documented import assert_documented
from inline_work import in_this_process
from naturalist.cli import main
from stores.conftest import aws_chain, bucket, s3_options, shared_bucket

__all__ = ["aws_chain", "bucket", "s3_options", "shared_bucket"]


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON document on stdout, which is as its schema says."""
        document = json.loads(self.out)
        assert_documented(document)
        return document


Naturalist = Callable[..., Ended]


@pytest.fixture
def naturalist(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Naturalist:
    """Run `naturalist` with arguments."""

    # Whoever runs the tests may have set a width, and narrow tables break words.
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: str) -> Ended:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["naturalist", *arguments])
        with in_this_process(), pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Ended(int(ended.value.code or 0), printed.out, printed.err)

    return call
