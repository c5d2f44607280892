"""The build hook: when it builds, with which node, and how it is left out."""

import importlib.util
import json
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from naturalist.dashboard import bundle, front_end_sources

ROOT = Path(__file__).resolve().parents[2]

pytest.importorskip("hatchling")


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The module `hatch_build`."""
    spec = importlib.util.spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.delenv(module.LEAVE_OUT, raising=False)
    return module


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with the front end's sources alone."""
    skipped = shutil.ignore_patterns("node_modules")
    shutil.copytree(ROOT / "frontend", tmp_path / "frontend", ignore=skipped)
    return tmp_path


def _built(hook: ModuleType, clone: Path) -> None:
    hook.sources.static_folder(clone).mkdir(parents=True)
    hook.sources.stamp(clone)


def _hook(hook: ModuleType, clone: Path):  # type: ignore[no-untyped-def]
    return hook.FrontEndHook(str(clone), {}, None, None, "", "wheel")


def test_a_bundle_is_kept_until_a_source_changes(hook: ModuleType, clone: Path) -> None:
    assert not hook.sources.is_current(clone)
    _built(hook, clone)
    assert hook.sources.is_current(clone)
    (clone / "frontend" / "node_modules").mkdir()
    (clone / "frontend" / "node_modules" / "anything.js").write_text("")
    assert hook.sources.is_current(clone)
    (clone / "frontend" / "src" / "main.tsx").write_text("changed")
    assert not hook.sources.is_current(clone)


def test_a_clone_says_that_its_pages_are_older_than_their_sources(
    hook: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    _built(hook, clone)
    for name in ("app.js", "app.css"):
        (hook.sources.static_folder(clone) / name).write_text("built")
    monkeypatch.setattr(bundle.front_end_sources, "clone_root", lambda: clone)
    bundle.load_bundle()
    assert caplog.messages == []
    (clone / "frontend" / "src" / "main.tsx").write_text("changed")
    bundle.load_bundle()
    (message,) = caplog.messages
    assert str(clone / "frontend") in message
    assert "make front-end" in message


def test_an_installed_wheel_compares_its_pages_with_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    installed = tmp_path / "lib" / "site-packages" / "naturalist" / "dashboard"
    monkeypatch.setattr(front_end_sources, "__file__", str(installed / "front_end_sources.py"))
    assert front_end_sources.clone_root() is None


def test_node_is_asked_for_only_where_there_is_none_that_will_do(
    hook: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clone / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    assert _hook(hook, clone).dependencies() == [hook.NODE_PACKAGE]
    for version, wanted in (("v18.20.4", [hook.NODE_PACKAGE]), ("v22.12.0", [])):
        for name in ("node", "npm"):
            (folder / name).write_text(f"#!/bin/sh\necho {version}\n")
            (folder / name).chmod(0o755)
        assert _hook(hook, clone).dependencies() == wanted
    monkeypatch.setenv("PATH", os.defpath + "-nowhere")
    _built(hook, clone)
    assert _hook(hook, clone).dependencies() == []


def test_the_front_end_can_be_left_out(
    hook: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _built(hook, clone)
    monkeypatch.setenv(hook.LEAVE_OUT, "1")
    made = _hook(hook, clone)
    assert made.dependencies() == []
    made.initialize("standard", {})
    assert not hook.sources.static_folder(clone).exists()


def test_a_build_that_fails_says_what_to_do(
    hook: ModuleType, clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = clone / "bin"
    folder.mkdir()
    for name, text in (("node", "echo v22.12.0"), ("npm", "echo no registry; exit 1")):
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")
    with pytest.raises(SystemExit, match=r"no registry(.|\n)*NATURALIST_NO_DASHBOARD=1"):
        _hook(hook, clone).initialize("standard", {})


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((ROOT / "frontend" / "package-lock.json").read_text())
    packages = [one for name, one in lock["packages"].items() if name]
    assert packages
    assert not any("resolved" in one for one in packages)
    assert all(one["integrity"].startswith("sha512-") for one in packages)
