"""`naturalist pull`, `verify URL` and `snapshots`: what they say and how they end."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.conftest import Naturalist
from consume.conftest import local, made_once, on_s3
from naturalist import snapshots
from naturalist.consume.folder import staging
from naturalist.counting import size_text
from published import PublishedCollection

__all__ = ["local", "made_once", "on_s3"]


@pytest.fixture
def grown(local: PublishedCollection) -> PublishedCollection:
    """Two snapshots."""
    local.add("plant", range(20, 25))
    return local


def endpoint(collection: PublishedCollection) -> list[str]:
    return ["--endpoint-url", str(collection.options.endpoint_url), "--region", "us-east-1"]


# pull


def test_pull_says_what_it_fetched(
    naturalist: Naturalist, local: PublishedCollection, tmp_path: Path
) -> None:
    done = naturalist("pull", local.url, str(tmp_path / "here"), "--categories", "plant")
    assert done.code == 0
    assert "snapshot 000001" in done.out
    assert "removed 0" in done.out
    assert re.search(r"pull: [\d,]+ kB, [\d,]+ kB/s, took ", done.err)
    assert (tmp_path / "here/tables/plant/image_df_1.parquet").exists()
    looked = f"naturalist dashboard --from {tmp_path / 'here'}"
    assert looked in done.out
    # Commands that need a workspace lead to what works on a pulled collection.
    refused = naturalist("status", "-c", str(tmp_path / "here"))
    assert refused.code == 2
    assert looked in refused.err


def test_pull_with_json_prints_one_document(
    naturalist: Naturalist, on_s3: PublishedCollection, tmp_path: Path
) -> None:
    words = [on_s3.url, str(tmp_path / "here"), "--formats", "parquet,csv", "--json", "-q"]
    first = naturalist("pull", *words, *endpoint(on_s3))
    assert (first.code, first.err) == (0, "")
    assert first.json["fetched_files"] == first.json["files"] > 0
    assert first.json["outputs"] == [str(tmp_path / "here")]
    again = naturalist("pull", *words, *endpoint(on_s3)).json
    assert (again["fetched_files"], again["changed"]) == (0, False)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--categories", "tree"], 2, "choose one of animal, plant"),
        (["--formats", "xlsx"], 2, "choose one of csv, parquet"),
        (["--snapshot", "000009"], 7, "has no snapshot 000009: see"),
        (["--jobs", "0"], 2, "see --help"),
    ],
)
def test_pull_says_what_cannot_be(
    naturalist: Naturalist,
    local: PublishedCollection,
    tmp_path: Path,
    words: list[str],
    code: int,
    said: str,
) -> None:
    done = naturalist("pull", local.url, str(tmp_path / "here"), *words)
    assert done.code == code
    assert said in done.err


def test_pull_without_anything_published_says_so(naturalist: Naturalist, tmp_path: Path) -> None:
    done = naturalist("pull", str(tmp_path / "nothing"), str(tmp_path / "here"), "--json")
    assert done.code == 7
    assert "no collection is published" in done.json["error"]["message"]


SLOW = """
import sys, threading
from naturalist.stores.local import LocalStore

fetch, fetched = LocalStore.fetch, []

def slowly(self, key, path, sha256=None, size_bytes=None):
    if len(fetched) == 4:
        print("here", flush=True)
        threading.Event().wait()
    fetch(self, key, path, sha256)
    fetched.append(key)

LocalStore.fetch = slowly
from naturalist.cli import main
main()
"""


def test_a_pull_that_was_killed_goes_on_with_what_it_had(
    naturalist: Naturalist, local: PublishedCollection, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    words = ["pull", local.url, str(here), "--jobs", "1", "-q"]
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, *words], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
        process.send_signal(signal.SIGKILL)
    had = {path.stat().st_ino for path in staging(here).iterdir()}
    assert len(had) == 4
    assert not (here / "tables").exists()
    assert naturalist(*words).code == 0
    assert had <= {path.stat().st_ino for path in here.rglob("*") if path.is_file()}
    assert naturalist("verify", str(here)).code == 0


# verify


def test_verify_of_a_url_reads_everything_back(
    naturalist: Naturalist, on_s3: PublishedCollection
) -> None:
    done = naturalist("verify", on_s3.url, *endpoint(on_s3))
    assert done.code == 0
    assert "read back, 0 differ from the snapshot" in done.out
    quick = naturalist("verify", on_s3.url, "--quick", "--json", *endpoint(on_s3))
    assert quick.code == 0
    assert quick.json["passed"]
    assert quick.json["quick"]
    assert quick.json["rows"] == []


def test_verify_names_what_is_not_as_published_and_ends_with_4(
    naturalist: Naturalist, local: PublishedCollection
) -> None:
    file = snapshots.read(local.store).files[0]
    (Path(local.url) / file.key).write_bytes(b"x" * file.size_bytes)
    done = naturalist("verify", local.url)
    assert done.code == 4
    assert file.key in done.out
    assert "1 differ from the snapshot" in done.out
    as_json = naturalist("verify", local.url, "--json", "-q")
    assert as_json.code == 4
    assert [one["fault"] for one in as_json.json["rows"]] == ["sha256"]


def test_verify_of_a_pulled_folder_takes_no_snapshot(
    naturalist: Naturalist, local: PublishedCollection, tmp_path: Path
) -> None:
    local.pull(tmp_path / "here")
    done = naturalist("verify", str(tmp_path / "here"), "--snapshot", "000001")
    assert done.code == 2
    assert "do not work on a pulled folder" in done.err


def test_verify_without_a_url_verifies_the_workspace(
    naturalist: Naturalist, tmp_path: Path
) -> None:
    done = naturalist("verify", "-c", str(tmp_path))
    assert done.code == 2
    assert "naturalist init" in done.err


# snapshots


def test_snapshots_are_listed(naturalist: Naturalist, grown: PublishedCollection) -> None:
    done = naturalist("snapshots", "list", "--url", grown.url)
    assert done.code == 0
    assert "000001" in done.out
    assert "latest" in done.out.splitlines()[2]
    as_json = naturalist("snapshots", "list", "--url", grown.url, "--json").json["rows"]
    assert all(size_text(one["size_bytes"]) in done.out for one in as_json)
    assert [(one["id"], one["is_latest"]) for one in as_json] == [
        ("000001", False),
        ("000002", True),
    ]


def test_a_diff_is_shown(naturalist: Naturalist, grown: PublishedCollection) -> None:
    done = naturalist("snapshots", "diff", "000001", "000002", "--url", grown.url)
    assert done.code == 0
    assert "tables/plant/image_df_3.parquet" in done.out
    as_json = naturalist("snapshots", "diff", "000002", "000001", "--url", grown.url, "--json").json
    assert "tables/plant/image_df_3.parquet" in {one["name"] for one in as_json["removed"]}


def test_a_rollback_and_what_it_was_are_told(
    naturalist: Naturalist, grown: PublishedCollection
) -> None:
    words = ["snapshots", "rollback", "000001", "--why", "wrong labels", "--url", grown.url]
    assert "latest is held at snapshot 000001; it was 000002" in naturalist(*words).out
    assert naturalist(*words, "--json").json["changed"] is False


def test_a_prune_only_tells_unless_it_is_meant(
    naturalist: Naturalist, grown: PublishedCollection
) -> None:
    words = ["snapshots", "prune", "--keep", "1", "--grace-days", "0", "--url", grown.url]
    before = sorted(Path(grown.url).rglob("*"))
    shown = naturalist(*words, "--dry-run")
    assert (shown.code, "to be removed: " in shown.out) == (0, True)
    for more in ((), ("--json",)):
        refused = naturalist(*words, *more)
        assert (refused.code, "--yes" in refused.err + refused.out) == (2, True)
    assert sorted(Path(grown.url).rglob("*")) == before
    planned = naturalist(*words, "--dry-run", "--json").json
    done = naturalist(*words, "--yes", "--json").json
    assert (planned["removed"], planned["dry_run"]) == (False, True)
    assert (done["removed"], done["dry_run"]) == (True, False)
    assert planned["objects"] == done["objects"] != []
    assert done["snapshots"] == ["000001"]
    assert naturalist("verify", grown.url).code == 0


def test_the_store_is_that_of_the_configuration(
    naturalist: Naturalist, grown: PublishedCollection, tmp_path: Path
) -> None:
    made = naturalist(
        "init", str(tmp_path / "new"), "--publish", grown.url,
        "--category", f"plant=0:{grown.folder / 'sources/plant'}",
        "--category", f"animal=1:{grown.folder / 'sources/animal'}",
    )  # fmt: skip
    assert made.code == 0
    found = naturalist("snapshots", "list", "-c", str(tmp_path / "new"), "--json").json["rows"]
    assert len(found) == 2


def test_without_a_store_one_is_asked_for(
    naturalist: Naturalist, grown: PublishedCollection, tmp_path: Path
) -> None:
    naturalist(
        "init", str(tmp_path / "new"),
        "--category", f"plant=0:{grown.folder / 'sources/plant'}",
        "--category", f"animal=1:{grown.folder / 'sources/animal'}",
    )  # fmt: skip
    done = naturalist("snapshots", "list", "-c", str(tmp_path / "new"))
    assert done.code == 2
    assert "pass --url" in done.err
