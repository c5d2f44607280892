"""Every setting that a configuration can have is explained."""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path, PosixPath

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


_UNITS = {"MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "h": 3600}
_AS_PUBLISH = "as for `publish`"


def _defaults() -> dict[str, object]:
    """The default of each setting in the code, as TOML has it."""
    sections = [("", Config), *((f"{name}.", one) for name, one in commented.sections())]
    found = {
        prefix + key: value
        for prefix, section in sections
        for key, value in commented.settings(section).items()
    }
    plain = {tuple: list, PosixPath: str}
    return {key: plain.get(type(v), lambda one: one)(v) for key, v in found.items()}


def _explained() -> Iterator[tuple[str, str]]:
    """Each setting that a page explains and the default that it says, as it is written there."""
    for page, prefix in (("configuration.md", ""), ("airflow.md", "airflow.")):
        for line in (DOCS / page).read_text().splitlines():
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if len(cells) == 3 and cells[1] not in ("default", "---", "", _AS_PUBLISH):
                names = [prefix + name for name in re.findall(r"`([\w.]+)`", cells[0])]
                written = cells[1].split(", ") if len(names) > 1 else [cells[1]]
                several = names if len(written) > 1 else names[:1]
                yield from zip(several, written, strict=True)


def _value(written: str) -> object:
    """A default as a page writes it: TOML in backticks, a number with a unit, or none."""
    number, _, unit = written.partition(" ")
    if unit in _UNITS:
        return int(number) * _UNITS[unit]
    return None if written == "none" else tomllib.loads(f"x = {written.strip('`')}")["x"]


def test_the_defaults_on_the_pages_are_those_of_the_code() -> None:
    code = _defaults()
    said = [(name, written) for name, written in _explained() if name in code]
    assert len(said) > 100
    wrong = {n: (w, code[n]) for n, w in said if (_value(w) or None) != (code[n] or None)}
    assert not wrong


def test_every_setting_has_a_row_with_its_meaning_in_the_generated_reference() -> None:
    code = (
        "import sys; sys.path.insert(0, 'tools'); import settings_reference as s; "
        "print(s.settings_page())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=DOCS.parent
    )
    rows = [line for line in done.stdout.splitlines() if line.startswith("| `")]
    assert len(rows) > len(_defaults())
    assert not [row for row in rows if row.endswith("|  |")]


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
