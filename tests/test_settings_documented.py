"""Every setting that a configuration can have is explained."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from naturalist.config import Config, NewCategory, commented, load_config, render_config

DOCS = Path(__file__).parents[1] / "docs"


def _settings() -> Iterator[str]:
    yield from commented.settings(Config)
    for name, section in commented.sections():
        yield from (f"{name}.{setting}" for setting in commented.settings(section))


@pytest.mark.parametrize("setting", list(_settings()))
def test_the_page_of_settings_has(setting: str) -> None:
    page = "airflow.md" if setting.startswith("airflow.") else "configuration.md"
    text = (DOCS / page).read_text()
    # A list of tables, such as the categories, is shown as TOML writes it.
    shown = (f"`{setting}`", f"`{setting.rpartition('.')[2]}`", f"`[[{setting}]]`")
    assert any(form in text for form in shown), setting


def _uncommented(line: str) -> str:
    """A line of TOML that is a comment, as it is without; prose stays a comment."""
    try:
        return line.removeprefix("# ") if tomllib.loads(line.removeprefix("# ")) else line
    except tomllib.TOMLDecodeError:
        return line


def test_a_new_configuration_shows_every_setting_and_says_its_default(tmp_path: Path) -> None:
    text = render_config("garden", [NewCategory("plant", 0, ())])
    shown = "\n".join(map(_uncommented, text.splitlines()))
    content = tomllib.loads(shown)
    for name, section in commented.sections():
        table = content
        for part in name.split("."):
            table = table[part]
        expected = {n for n, _ in commented.sections(section)} | set(commented.settings(section))
        assert set(table) == expected, name
    garden = {"name": "garden", "category": [{"name": "plant", "label": 0}]}
    defaults = Config.model_validate(garden).model_dump() | {"analyse": None}
    for part, file in (("as-written", text), ("all", shown.replace("start_date =", "# "))):
        path = tmp_path / part / "naturalist.toml"
        path.parent.mkdir()
        path.write_text(file)
        found = load_config(path).model_dump()
        assert found | {"analyse": None} == defaults
