"""Workspaces that older versions made, by the code of then from the history of the repository."""

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import tiny

ROOT = Path(__file__).resolve().parents[2]
VERSIONS = [
    # The last of 0.1, and one from before categories were remembered.
    pytest.param("db0943bf4699f6d8444e8f4d79d643d0159385b7", id="0.1-last"),
    pytest.param(
        "fa7085255a9f4bd2dbf2102cdd5efbabe2252019", id="0.1-early", marks=pytest.mark.long
    ),
]
SETTINGS = """
name = "garden"

[extract]
backbone = "colour_histogram"
workers = 1

[[category]]
name = "plant"
label = 0
source = [{ name = "photos", path = "plant" }]

[[category]]
name = "animal"
label = 1
source = [{ name = "photos", path = "animal" }]
"""


def older_program(commit: str, folder: Path) -> Path:
    """The package as it was at a commit; skips the test where history does not reach so far."""
    command = ["git", "-C", str(ROOT), "archive", commit, "src"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no history: git archive {commit[:8]} failed (a shallow clone, or no clone)")
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder / "src"


def ask(program: Path, garden: Path, *arguments: str) -> str:
    """Run a command of a program and give back what it printed; a failure fails the test."""
    done = subprocess.run(
        [sys.executable, "-m", "naturalist", *arguments, "-c", str(garden), "-q"],
        env=os.environ | {"PYTHONPATH": str(program)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    return done.stdout


def plants(garden: Path) -> list[str]:
    """Ids in the plants' table."""
    table = pq.read_table(garden / "tables/plant/image_df_1.parquet", columns=["picID"])
    return [str(one) for one in table["picID"].to_pylist()]


@pytest.mark.parametrize("commit", VERSIONS)
def test_a_workspace_of_an_older_version_goes_on_with_this_one(commit: str, tmp_path: Path) -> None:
    older, garden = older_program(commit, tmp_path / "older"), tmp_path / "garden"
    tiny.make_sources(garden, {"plant": range(30), "animal": range(100, 130)})
    (garden / "naturalist.toml").write_text(SETTINGS)
    for study in ("run", "cluster", "index"):
        ask(older, garden, study)
    before = plants(garden)
    assert len(before) == 30

    tiny.write_picture(garden / "plant/new.png", 500)
    for command in ("run", "verify", "cluster", "index"):
        ask(ROOT / "src", garden, command)
    assert plants(garden) == [*before, "plant_id_31"]
    near = ask(ROOT / "src", garden, "similar", "plant_id_31")
    assert "_id_" in near.replace("plant_id_31", "")
