import json
import os
import re
from pathlib import Path

import pytest

import tiny
from dashboard.studied import SCRIPT, studied_collection
from naturalist import snapshots
from naturalist.config import Config
from naturalist.curation.takedown import take_down
from naturalist.dashboard.bundle import Bundle
from naturalist.dashboard.collection import open_workspace
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.export import export
from naturalist.errors import ConfigError
from naturalist.pipeline import publishing
from naturalist.stores import open_store

BUNDLE = Bundle(b"script", b"style")
PAYLOAD = re.compile(r"naturalistData\((.*?),(\".*\")\)\n", re.DOTALL)


def documents(folder: Path) -> dict[str, str]:
    """What every script hands over, by the path that the pages ask for."""
    index = (folder / "data" / "index.js").read_text()
    files = json.loads(index.partition("=")[2])["files"]
    found = {}
    for path, name in files.items():
        match = PAYLOAD.fullmatch((folder / name).read_text())
        assert match is not None, name
        assert json.loads(match[1]) == name
        found[path] = json.loads(match[2])
    return found


def test_an_export_has_what_the_pages_ask_for(context: DashboardContext, tmp_path: Path) -> None:
    made = export(context, BUNDLE, tmp_path / "site")
    found = documents(tmp_path / "site")
    assert {"about", "health", "models", "label-issues", "clusterings/default"} <= set(found)
    assert "maps/tsne-3d/columns/prediction" in found
    assert made.thumbnails == made.pictures == 49
    assert made.files == sum(path.is_file() for path in (tmp_path / "site").rglob("*"))


def test_an_export_names_no_path_of_this_machine(
    context: DashboardContext, studied: Config, tmp_path: Path
) -> None:
    export(context, BUNDLE, tmp_path / "site")
    private = [str(studied.layout.root), str(studied.layout.root.parent)]
    for path in (tmp_path / "site").rglob("*"):
        if path.is_file():
            text = path.read_text()
            assert not any(one in text for one in private), path
    assert json.loads(documents(tmp_path / "site")["health"])["runs"][1].get("error") is None


def test_no_payload_ends_its_script(context: DashboardContext, tmp_path: Path) -> None:
    export(context, BUNDLE, tmp_path / "site")
    found = documents(tmp_path / "site")
    assert json.loads(found["models"])["history"][0]["reason"] == SCRIPT
    assert SCRIPT not in (tmp_path / "site" / "index.html").read_text()


def test_fewer_thumbnails_are_taken_along_when_asked(
    context: DashboardContext, tmp_path: Path
) -> None:
    made = export(context, BUNDLE, tmp_path / "site", thumbnails=10)
    assert made.thumbnails == 10


def test_an_earlier_export_is_exchanged_and_nothing_else(
    context: DashboardContext, tmp_path: Path
) -> None:
    export(context, BUNDLE, tmp_path / "site")
    (tmp_path / "site" / "stale.js").write_text("")
    export(context, BUNDLE, tmp_path / "site")
    assert not (tmp_path / "site" / "stale.js").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(ConfigError, match="not from an export"):
        export(context, BUNDLE, tmp_path / "mine")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_studies_and_the_site_go_with_the_next_snapshot(tmp_path: Path) -> None:
    config = studied_collection(tmp_path, each=2)
    context = _with_site(config)
    with tiny.job(config) as job:
        publishing.publish_snapshot(job)
    store = open_store(config.publish_url)
    files = {file.name: file for file in snapshots.read(store).files}
    assert {"maps/tsne-2d/points.parquet", "models/m1/predictions.parquet"} <= set(files)
    assert "clusters/default/clusters.json" in files
    # Files of the site find each other by their names, so they lie side by side in the bucket.
    folders = {
        f.key.rpartition(n.removeprefix("site/"))[0] for n, f in files.items() if "site/" in n
    }
    assert len(folders) == 1
    assert files["site/index.html"].key.endswith("/index.html")

    gone = next(iter(context.catalogue.accepted_ids()))
    context.close()
    take_down(config, [gone], "asked by the owner", "a person")
    tiny.make_all(config)
    names = {file.name for file in snapshots.read(store).files}
    assert not any(name.startswith("site/") for name in names)
    with_site = _with_site(config)
    assert gone not in (config.layout.site / "data" / "index.js").read_text()
    with_site.close()


def _with_site(config: Config) -> DashboardContext:
    from naturalist.dashboard.context import open_context

    context = open_context(open_workspace(config))
    export(context, BUNDLE, config.layout.site)
    return context


def test_what_a_killed_export_left_is_removed_by_the_next_one(
    context: DashboardContext, tmp_path: Path
) -> None:
    left = tmp_path / ".site.0123abcd.tmp"
    (left / "data").mkdir(parents=True)
    os.utime(left, (1, 1))
    for _ in range(2):
        export(context, BUNDLE, tmp_path / "site")
        assert [path.name for path in tmp_path.iterdir()] == ["site"]
