import ast
import re
from pathlib import Path

import pytest
from tests.orchestration.days import write_toml
from tests.pipeline.collections_of_pictures import Ran, command


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_toml(tmp_path / "my creatures", {"plant": "plants", "animal": "animals"})


def init(config: Path, home: Path, *more: str) -> Ran:
    return command(["airflow", "init", "-c", str(config), "--home", str(home), *more])


def test_init_writes_three_lines_and_tells_three_commands(config: Path, tmp_path: Path) -> None:
    told = init(config, tmp_path / "air flow", "--json").json
    path = Path(told["dag_file"])
    assert path == tmp_path / "air flow/dags/naturalist_tiny.py"
    quoted = re.fullmatch(
        r"from naturalist.orchestration import airflow_dag\n\ndag = airflow_dag\((.*)\)\n",
        path.read_text(),
    )
    assert quoted is not None
    assert ast.literal_eval(quoted[1]) == str(config)
    assert told["dag_id"] == "naturalist_tiny"
    export, start, unpause = told["commands"]
    assert f"AIRFLOW_HOME='{tmp_path}/air flow'" in export
    assert start == "airflow standalone"
    assert unpause.startswith("airflow dags unpause naturalist_tiny")


def test_init_can_be_repeated_and_overwrites_nothing(config: Path, tmp_path: Path) -> None:
    assert init(config, tmp_path / "home").code == 0
    again = init(config.parent, tmp_path / "home")
    assert again.code == 0
    assert "airflow standalone" in again.out
    path = tmp_path / "home/dags/naturalist_tiny.py"
    path.write_text("mine")
    refused = init(config, tmp_path / "home")
    assert refused.code == 2
    assert "airflow.dag_id" in refused.err
    assert path.read_text() == "mine"
