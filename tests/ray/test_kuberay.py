"""The example for Kubernetes says what the program and the cluster need."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import Naturalist, naturalist

__all__ = ["naturalist"]

HERE = Path(__file__).parents[2] / "docs/kuberay"


@pytest.fixture(scope="module")
def job() -> Any:
    yaml = pytest.importorskip("yaml", reason="comes with Ray: make test-ray")
    return yaml.safe_load((HERE / "rayjob.yaml").read_text())


def pods(job: Any) -> list[Any]:
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [group["template"]["spec"] for group in groups]


def test_what_the_job_calls_is_a_command_that_there_is(job: Any, naturalist: Naturalist) -> None:
    program, *arguments = shlex.split(job["spec"]["entrypoint"])
    assert program == "naturalist"
    ended = naturalist(*arguments)
    # Its options are understood; only the collection is not on this machine.
    assert "/data/creatures does not exist" in ended.err


def test_all_pods_have_the_same_image_and_the_same_workspace(job: Any) -> None:
    containers = [container for pod in pods(job) for container in pod["containers"]]
    assert len(containers) == 2
    assert len({one["image"] for one in containers}) == 1
    assert containers[0]["volumeMounts"] == containers[1]["volumeMounts"]
    assert pods(job)[0]["volumes"] == pods(job)[1]["volumes"]
    folder = shlex.split(job["spec"]["entrypoint"])[3]
    assert folder.startswith(containers[0]["volumeMounts"][0]["mountPath"] + "/")
    assert all({"name": "RAY_USAGE_STATS_ENABLED", "value": "0"} in c["env"] for c in containers)


def test_the_volume_is_the_one_that_the_pods_name_and_may_have_many_writers(job: Any) -> None:
    import yaml

    claim = yaml.safe_load((HERE / "workspace.yaml").read_text())
    (volume,) = pods(job)[0]["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]


def test_the_image_has_the_version_of_ray_that_the_cluster_says(job: Any) -> None:
    version = job["spec"]["rayClusterSpec"]["rayVersion"]
    dockerfile = (HERE / "Dockerfile").read_text()
    assert f"rayproject/ray:{version}-py311" in dockerfile
    assert f"ray[default]=={version}" in dockerfile


@pytest.mark.parametrize("example", ["kuberay", "airflow-workers"])
def test_images_are_made_of_the_clone_and_of_nothing_that_no_index_has(example: str) -> None:
    root = HERE.parents[1]
    text = (HERE.parent / example / "Dockerfile").read_text()
    copied = [line.split()[2:-1] for line in text.splitlines() if line.startswith("COPY")]
    names = [name for names in copied for name in names]
    assert {"pyproject.toml", "src", "frontend"} <= set(names)
    assert all((root / name).exists() for name in names)
    assert not re.search(r"install [^\n]*\bnaturalist\b(?!/)", text.replace("/opt/naturalist", ""))


@pytest.mark.parametrize("page", ["docs/scaling.md", "docs/airflow.md"])
def test_new_environments_get_naturalist_from_a_clone(page: str) -> None:
    text = (HERE.parents[1] / page).read_text()
    assert not re.search(r"pip install (--no-deps )?'?naturalist\b", text)
