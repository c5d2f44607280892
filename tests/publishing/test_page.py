"""The commands on the page about S3 do what it says, in order."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from naturalist.stores.buckets import delete_bucket
from publishing.conftest import OnS3

PAGE = (Path(__file__).parents[2] / "docs/s3.md").read_text()


def test_the_commands_of_the_page_run_in_order(
    made: OnS3, server_in_chain: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(r"<!-- test -->\n```bash\n(.*?)```", PAGE, re.DOTALL)
    made.move_to("s3://pictures/garden")
    garden = made.folder.parent / "garden"
    garden.symlink_to(made.folder)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    try:
        ended = subprocess.run(
            ["bash", "-eu"],
            input=code,
            cwd=garden.parent,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
        )
        assert ended.returncode == 0, ended.stderr
        assert "0 differ from the snapshot" in ended.stdout
        assert re.search(r"public +YES", ended.stdout)
    finally:
        delete_bucket("pictures", made.options, confirmed_name="pictures")
