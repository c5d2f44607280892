"""The page about S3 says what is true."""

import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

from naturalist.stores import S3Options

PAGE = (Path(__file__).parents[2] / "docs" / "s3.md").read_text()


def test_the_example_runs_as_it_is(tmp_path: Path) -> None:
    (code,) = re.findall(r"<!-- test -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr


def test_every_option_is_explained_with_its_name() -> None:
    explained = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert explained == [field.name for field in fields(S3Options)]
