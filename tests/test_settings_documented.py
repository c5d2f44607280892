"""Every setting that a configuration can have is explained."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from naturalist.config import Config

DOCS = Path(__file__).parents[1] / "docs"


def _settings(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            yield from _settings(kind, f"{prefix}{name}.")
        else:
            yield prefix + name


@pytest.mark.parametrize("setting", list(_settings(Config)))
def test_the_page_of_settings_has(setting: str) -> None:
    page = "airflow.md" if setting.startswith("airflow.") else "configuration.md"
    text = (DOCS / page).read_text()
    # A list of tables, such as the categories, is shown as TOML writes it.
    shown = (f"`{setting}`", f"`{setting.rpartition('.')[2]}`", f"`[[{setting}]]`")
    assert any(form in text for form in shown), setting
