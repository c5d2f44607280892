"""The example for Airflow with workers on other machines fits together, and fits the program.

It has not run on a cluster: what the chart and Kubernetes make of it is not tested here.
"""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from naturalist.schedule import AirflowSection

ROOT = Path(__file__).parents[2]
HERE = ROOT / "docs/airflow-workers"


@pytest.fixture(scope="module")
def values() -> Any:
    return yaml.safe_load((HERE / "values.yaml").read_text())


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (HERE / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def section() -> AirflowSection:
    content = tomllib.loads((HERE / "naturalist.toml").read_text())
    return AirflowSection.model_validate(content["airflow"])


def test_all_parts_of_airflow_mount_the_volume_that_may_have_many_writers(values: Any) -> None:
    claim = yaml.safe_load((HERE / "workspace.yaml").read_text())
    (volume,), (mount,) = values["volumes"], values["volumeMounts"]
    assert volume["name"] == mount["name"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_dag_file_names_a_collection_on_that_volume_as_airflow_init_writes_it(
    values: Any,
) -> None:
    tree = ast.parse((HERE / "naturalist_creatures.py").read_text())
    *_, imported, assigned = tree.body
    assert ast.unparse(imported) == "from naturalist.orchestration import airflow_dag"
    assert isinstance(assigned, ast.Assign)
    call = ast.unparse(assigned)
    assert re.fullmatch(r"dag = airflow_dag\('/.+/naturalist\.toml'\)", call)
    assert f"'{values['volumeMounts'][0]['mountPath']}/" in call


def test_the_image_has_the_tested_airflow_and_the_python_that_tasks_run_in(
    values: Any, dockerfile: str, section: AirflowSection
) -> None:
    version = values["airflowVersion"]
    assert (ROOT / f"constraints/airflow-{version}-py311.txt").exists()
    assert f"FROM apache/airflow:{version}-python3.11" in dockerfile
    environment = section.python.removesuffix("/bin/python")
    assert f"python3 -m venv {environment} " in dockerfile
    assert f"{values['defaultAirflowRepository']}:{values['defaultAirflowTag']} " in dockerfile


def test_what_the_image_copies_is_in_the_repository(dockerfile: str) -> None:
    copied = [
        name
        for line in re.findall(r"^COPY --chown=airflow:0 (.+)$", dockerfile, re.MULTILINE)
        for name in line.split()[:-1]
    ]
    assert len(copied) > 5
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_a_worker_has_a_cpu_for_each_process_of_the_tasks_that_it_runs_at_once(
    values: Any, section: AirflowSection
) -> None:
    tasks = int(values["config"]["celery"]["worker_concurrency"])
    assert tasks * section.workers_per_task == int(
        values["workers"]["resources"]["requests"]["cpu"]
    )
