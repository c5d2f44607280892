"""When a study does nothing, extends its result, or makes it: decided once for all of them."""

import importlib
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from naturalist import studies
from naturalist.errors import MissingExtra
from naturalist.studies.study import Outgrown, Report, bring_up_to_date, check_installed

ROOMS = ("classifier", "clusters", "drift", "duplicates", "labels", "maps", "similar", "words")
WITHOUT_OPTIONS = ("similar",)


@dataclass
class Counting:
    """A study that notes what it was told to do."""

    report: Report | None = None
    before: str | None = None
    reason: str = ""
    calls: list[str] = field(default_factory=list)

    def current(self) -> Report | None:
        return self.report

    def kept(self) -> str | None:
        return self.before

    def grow(self, kept: str) -> Report | Outgrown[str]:
        self.calls.append(f"grow {kept}")
        return Outgrown(kept, self.reason) if self.reason else {"rows": 1}

    def make(self, outgrown: Outgrown[str] | None) -> Report:
        why = "" if outgrown is None else f" of {outgrown.kept}: {outgrown.reason}"
        self.calls.append(f"make{why}")
        return {"rows": 2}


@pytest.mark.parametrize(
    ("study", "rebuild", "calls", "changed"),
    [
        (Counting({"rows": 0}, "old"), False, [], False),
        (Counting({"rows": 0}, "old"), True, ["make of old: None"], True),
        (Counting({"rows": 0}), True, ["make"], True),
        (Counting(), False, ["make"], True),
        (Counting(before="old"), False, ["grow old"], True),
        (Counting(before="old", reason="noise"), False, ["grow old", "make of old: noise"], True),
    ],
)
def test_a_study_does_nothing_grows_or_is_made(
    study: Counting, rebuild: bool, calls: list[str], changed: bool
) -> None:
    result = bring_up_to_date(study, rebuild=rebuild)
    assert study.calls == calls
    assert result.changed == changed
    assert result.as_json == result.report | {"changed": changed}


def test_every_room_has_the_same_inner_names() -> None:
    folder = Path(studies.__file__).parent
    assert sorted(path.parent.name for path in folder.glob("*/__init__.py")) == sorted(ROOMS)
    for room in ROOMS:
        importlib.import_module(f"naturalist.studies.{room}.study")
        assert (folder / room / "methods" / "__init__.py").exists(), room
        assert (folder / room / "options.py").exists() != (room in WITHOUT_OPTIONS), room


def test_a_missing_package_is_named_before_a_study_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    check_installed()
    monkeypatch.setitem(sys.modules, "openTSNE", None)
    with pytest.raises(MissingExtra, match=r"openTSNE.*naturalist\[analysis\]"):
        check_installed()
