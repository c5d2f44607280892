"""The files that others' machines run: workflows, container, compose."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


def workflow(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows" / name).read_text())
    return found


def commands(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_the_hosted_checks_are_those_of_ci_run() -> None:
    jobs = workflow("ci.yml")["jobs"]
    assert "bash .ci/run" in commands(jobs["checks"])
    recipes = re.findall(r"make .*?(\w[\w-]*)$", commands(jobs["newer-python"]), re.MULTILINE)
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{recipe}:", makefile, re.MULTILINE) for recipe in recipes)


def test_nothing_that_ci_run_leaves_out_by_itself_is_left_out_on_hosted_machines() -> None:
    steps = workflow("ci.yml")["jobs"]["checks"]["steps"]
    actions = {one["uses"].partition("@")[0]: one["with"] for one in steps if "uses" in one}
    engines = json.loads((ROOT / "frontend/package.json").read_text())["engines"]["node"]
    node = [int(part) for part in actions["actions/setup-node"]["node-version"].split(".")]
    assert node >= [int(part) for part in engines.removeprefix(">=").split(".")]
    assert actions["actions/checkout"]["fetch-depth"] == 0


def test_the_pythons_that_are_tried_are_those_that_are_said_to_work() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    said = {c.rpartition(" ")[2] for c in project["classifiers"] if ":: 3." in c}
    tried = workflow("ci.yml")["jobs"]["newer-python"]["strategy"]["matrix"]["python"]
    assert said == {"3.11", *tried}


def test_recipes_let_programs_keep_what_they_compile() -> None:
    recipe = 'told: ; @echo "[$$PYTHONDONTWRITEBYTECODE]"'
    done = subprocess.run(
        ["make", "--silent", "--no-print-directory", f"--eval={recipe}", "told"],
        cwd=ROOT,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"


def test_a_release_holds_no_password_and_its_rights_are_few() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    assert "secrets." not in text
    jobs = workflow("release.yml")["jobs"]
    assert "permissions" not in jobs["build"]
    assert jobs["publish"]["permissions"]["id-token"] == "write"
    assert workflow("release.yml")["permissions"] == {"contents": "read"}


def test_what_the_containers_copy_is_there_and_is_not_ignored() -> None:
    files = [ROOT / "Dockerfile", *ROOT.glob("docs/*/Dockerfile")]
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"].values()
    inline = [
        one["build"]["dockerfile_inline"] for one in services if isinstance(one.get("build"), dict)
    ]
    copied = [
        word
        for text in [*(file.read_text() for file in files), *inline]
        for line in text.splitlines()
        if re.match(r"COPY (?!--from)", line)
        for word in line.split()[1:-1]
        if word != "." and not word.startswith("--")
    ]
    assert inline
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert copied
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_services_of_compose_are_reached_from_this_machine_only() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    ports = [port for one in services.values() for port in one.get("ports", ())]
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_lock_files_meet_what_is_asked_for() -> None:
    pytest.importorskip("packaging")
    tool = [sys.executable, str(ROOT / "tools/write_locks.py"), "--check"]
    done = subprocess.run(tool, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_extra_but_the_named_ones_is_in_all() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    named = re.findall(r"\[([^]]+)\]", extras["all"][0])[0].split(",")
    left_out = {"airflow", "demo", "ray", "timm", "torch"}
    assert set(extras) - set(named) == left_out | {"all"}
    (row,) = re.findall(r"^\| `all` \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    assert set(re.findall(r"`(\w+)`", row)) == left_out
