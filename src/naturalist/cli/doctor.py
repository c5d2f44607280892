"""The command that checks what works on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from naturalist.cli import output
from naturalist.cli.errors import EXIT_CODES
from naturalist.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from naturalist.counting import counted

if TYPE_CHECKING:
    from naturalist.config import Config
    from naturalist.planning.doctor import Check

app = typer.Typer()


@app.command(epilog=EXIT_CODES)
def doctor(config: ConfigOption = DEFAULT_CONFIG, json: JsonOption = False) -> None:
    """Check what works on this machine, and how to fix the rest.

    Checks the environment, limits, drives, store, backbones, Airflow, Ray, GPU and optional
    packages. Without a configuration, checks the machine only. Changes nothing. Ends with exit
    code 1 if a check fails; warnings and missing optional packages do not count.

    Example: naturalist doctor -c garden
    """
    from naturalist.planning.doctor import examine

    settings = _settings(config)
    checks = list(examine(settings))
    failed = sum(check.state == "error" for check in checks)
    if json:
        output.print_json({"ok": not failed, "rows": [vars(check) for check in checks]})
    else:
        _print(checks, failed)
        if settings is None:
            output.print_text(f"no {config}: sources, drives and store were not checked")
    if failed:
        raise typer.Exit(1)


def _settings(config: Path) -> Config | None:
    from naturalist.config import load_config

    if config == DEFAULT_CONFIG and not config.exists():
        return None
    return load_config(config)


def _print(checks: list[Check], failed: int) -> None:
    for check in checks:
        output.print_text(f"{check.state:<8} {check.name}: {check.found}")
        if check.advice:
            output.print_text(f"{'':<8} -> {check.advice}")
    warnings = sum(check.state == "warning" for check in checks)
    output.print_text(
        f"\n{counted(len(checks), 'check')}: {counted(failed, 'error')}, "
        f"{counted(warnings, 'warning')}"
    )
