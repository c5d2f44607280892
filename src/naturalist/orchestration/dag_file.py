"""Writing the three lines that Airflow reads."""

import os
from pathlib import Path

from naturalist import artifacts
from naturalist.config import Config
from naturalist.errors import ConfigError

_TEXT = """\
from naturalist.orchestration import airflow_dag

dag = airflow_dag({path})
"""


def airflow_home() -> Path:
    """Where Airflow keeps its things, unless it is told otherwise."""
    return Path(os.environ.get("AIRFLOW_HOME") or Path.home() / "airflow").absolute()


def dag_id(config: Config) -> str:
    """Name of a collection's DAG."""
    return config.airflow.id_for(config.name)


def write_dag_file(config: Config, config_path: Path, dags: Path) -> Path:
    """Write the DAG file of a collection; one that is there with this text is left alone.

    Args:
        config: the collection.
        config_path: its file.
        dags: Airflow's folder of DAG files; made if it is not there.

    Raises:
        ConfigError: another file has this name.
    """
    path = dags / f"{dag_id(config)}.py"
    # ASCII only: a path may hold bytes that are no text.
    text = _TEXT.format(path=ascii(str(config_path.resolve())))
    if path.exists() and path.read_text("utf-8") != text:
        raise ConfigError(
            f"{path} already exists with other contents: delete it, or set airflow.dag_id to "
            "another name"
        )
    artifacts.write_bytes(path, text.encode())
    return path
