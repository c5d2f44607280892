"""Commands for Apache Airflow."""

import importlib.metadata
import shlex
from pathlib import Path
from typing import Annotated

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption

app = typer.Typer(help="Write a DAG file for daily runs with Apache Airflow.")


@app.callback()
def _group() -> None:
    """Write a DAG file for daily runs with Apache Airflow."""


@app.command(epilog=EXIT_CODES)
def init(
    config: ConfigOption = DEFAULT_CONFIG,
    home: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Airflow's home folder (default: $AIRFLOW_HOME or ~/airflow)."
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Write a DAG file for daily runs with Apache Airflow.

    Prints the commands that start Airflow. The file goes into the folder `dags` of Airflow's home.

    Example: naturalist airflow init -c garden
    """
    from naturalist.config import CONFIG_NAME, load_config
    from naturalist.orchestration.dag_file import airflow_home, dag_id, write_dag_file

    settings = load_config(config)
    selected = home.absolute() if home else airflow_home()
    config_file = config / CONFIG_NAME if config.is_dir() else config
    path = write_dag_file(settings, config_file, selected / "dags")
    commands = _commands(selected, dag_id(settings))
    if json:
        output.print_json(
            {"dag_file": str(path), "dag_id": dag_id(settings), "commands": commands},
            outputs=[path],
        )
        return
    output.print_text(f"wrote {path}\n")
    if not _is_installed():
        output.print_text(
            "Airflow is not installed here yet: run `pip install 'naturalist[airflow]'`\n"
        )
    output.print_text("Start a standalone Airflow:\n")
    for command in commands:
        output.print_text(f"  {command}")
    output.print_text("\nand open http://127.0.0.1:8080 . More is in docs/airflow.md.")


def _is_installed() -> bool:
    try:
        importlib.metadata.version("apache-airflow")
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _commands(home: Path, name: str) -> list[str]:
    quoted = shlex.quote(str(home))
    settings = "AIRFLOW__API__HOST=127.0.0.1 AIRFLOW__CORE__LOAD_EXAMPLES=False"
    return [
        f"export AIRFLOW_HOME={quoted} {settings}",
        "airflow standalone",
        f"airflow dags unpause {name}   # in another terminal, after the same export",
    ]
