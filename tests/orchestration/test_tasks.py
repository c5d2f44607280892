import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from tests.orchestration.days import another, calls, do_day, tables, write_toml
from tests.tiny import flip_byte, ledger_rows, make_all, write_picture

from naturalist.config import Config, load_config
from naturalist.errors import (
    ConfigError,
    FailureBudgetExceeded,
    VerificationFailed,
    WorkspaceError,
    WorkspaceLocked,
)
from naturalist.orchestration import tasks
from naturalist.orchestration.request import Request
from naturalist.pipeline import status
from naturalist.running.lock import is_locked

NAMES = ["animal", "plant"]
QUICK = "[airflow]\nwait_s = 0\nmax_map_length = 2"


@pytest.fixture
def request_(tmp_path: Path) -> Request:
    """A run on eight plants and three animals, not begun."""
    for seed in range(8):
        write_picture(tmp_path / f"sources/plant/{seed}.png", seed)
    for seed in range(20, 23):
        write_picture(tmp_path / f"sources/animal/{seed}.png", seed)
    paths = {name: f"../sources/{name}" for name in NAMES}
    return Request(str(write_toml(tmp_path / "one", paths, QUICK)), "dag/first")


def config_of(request: Request) -> Config:
    return load_config(Path(request.config_path))


def by_hand(request: Request) -> Config:
    """The same collection in another folder, as the command line makes it."""
    path = Path(request.config_path)
    other = path.parent.parent / "other" / path.name
    other.parent.mkdir(exist_ok=True)
    shutil.copyfile(path, other)
    config = load_config(other)
    make_all(config)
    return config


def latest(config: Config) -> dict[str, str]:
    path = Path(config.publish_url) / "latest.json"
    value: dict[str, str] = json.loads(path.read_text())
    return value


def test_a_run_of_many_tasks_makes_the_tables_of_the_command_line(
    request_: Request, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        report = do_day(request_, NAMES)
    assert re.search(r"shard 000001-00002: 2 rows; 2 of 2 done, \d+ rows/s", caplog.text)
    assert re.search(r"image_df_1: 4 rows; 1 of 1 done", caplog.text)
    config = config_of(request_)
    assert tables(config) == tables(by_hand(request_))
    assert len(tables(config)) == 6
    assert report is not None
    told = json.loads(Path(report).read_text())
    assert (told["outcome"], told["run"]) == ("done", "dag/first")
    assert told["stages"]["extract"] == {"shards": 4, "pictures": 11, "refused": 0}
    assert told["stages"]["tables"] == {"written": 3, "rows": 11}
    assert told["stages"]["publish"]["snapshot"] == latest(config)["snapshot"] == "000001"


def test_every_task_can_be_called_twice(request_: Request) -> None:
    for call in calls(request_, NAMES):
        call()
        call()
    report = tasks.end(request_)
    assert tasks.end(request_) is None
    assert tables(config_of(request_)) == tables(by_hand(request_))
    assert report is not None
    assert json.loads(Path(report).read_text())["stages"]["ingest"]["batches"] == [1]


def test_a_task_that_is_repeated_after_the_run_makes_again_what_was_lost(request_: Request) -> None:
    do_day(request_, NAMES)
    config = config_of(request_)
    before = tables(config)
    shutil.rmtree(config.layout.root / "features")
    shutil.rmtree(config.layout.tables / "plant")
    do_day(request_, NAMES)
    assert tables(config) == before


def test_a_second_day_adds_what_is_new_and_a_third_has_nothing_to_do(
    request_: Request, tmp_path: Path
) -> None:
    do_day(request_, NAMES)
    for seed in (8, 9):
        write_picture(tmp_path / f"sources/plant/{seed}.png", seed)
    assert do_day(another(request_, "dag/second"), NAMES) is not None
    config = config_of(request_)
    assert status.collection_status(config)["categories"]["plant"]["table_rows"] == 10
    assert latest(config)["snapshot"] == "000002"
    # The command line, day by day, would have numbered them alike.
    assert tables(config) == tables(by_hand(request_))
    third = another(request_, "dag/third")
    assert do_day(third, NAMES) is None
    assert tasks.ingest(third) == []
    assert tasks.publish_snapshot(third) is None
    assert latest(config)["snapshot"] == "000002"


@pytest.mark.parametrize("task", ["choose_way", "small_run", "pre_upload_standby"])
def test_every_way_of_a_run_reads_a_share_of_stored_pictures_again(
    request_: Request, task: str
) -> None:
    do_day(request_, NAMES)
    config = config_of(request_)
    path = next((config.layout.root / "images").rglob("*.png"))
    status_before = path.stat()
    flip_byte(path, 60)
    os.utime(path, ns=(status_before.st_atime_ns, status_before.st_mtime_ns))
    second = another(request_, "dag/second")
    tasks.begin(second)
    assert tasks.ingest(second) == []
    with pytest.raises(VerificationFailed, match=f"{path.stem}: .*\\. Nothing "):
        getattr(tasks, task)(second)
    # It is no error of what is published: readers have what they had.
    assert latest(config)["snapshot"] == "000001"


def test_no_map_gets_longer_than_asked_for(request_: Request) -> None:
    tasks.begin(request_)
    tasks.ingest(request_)
    named = tasks.plan_extraction(request_, "plant")
    assert named == ["000001-00000..000001-00000", "000001-00001..000001-00002"]
    tasks.extract_group(request_, "plant", named[1])
    assert tasks.plan_extraction(request_, "plant") == named[:1]


def test_while_a_run_is_under_way_the_command_line_says_so(request_: Request) -> None:
    tasks.begin(request_)
    config = config_of(request_)
    assert is_locked(config.layout)
    with pytest.raises(WorkspaceLocked, match="dag/first"):
        make_all(config)
    with pytest.raises(WorkspaceLocked, match="dag/first"):
        tasks.begin(another(request_, "dag/second"))
    tasks.end(request_)
    make_all(config)


def test_a_standby_does_not_let_an_unfinished_stage_pass(request_: Request) -> None:
    tasks.begin(request_)
    tasks.ingest(request_)
    with pytest.raises(WorkspaceError, match=r"animal: shards without features: 1"):
        tasks.verification_standby(request_)
    for name in NAMES:
        for group in tasks.plan_extraction(request_, name):
            tasks.extract_group(request_, name, group)
    tasks.verification_standby(request_)
    with pytest.raises(WorkspaceError, match="animal: tables not written: 1"):
        tasks.table_verification_standby(request_)


def test_too_many_failures_stop_the_run_before_the_upload(
    request_: Request, tmp_path: Path
) -> None:
    (tmp_path / "sources/plant/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(
        FailureBudgetExceeded, match=r"1 of 12 new pictures.*run with the parameter accept_failures"
    ):
        do_day(request_, NAMES)
    report = tasks.end(request_)
    assert report is not None
    assert json.loads(Path(report).read_text())["outcome"] == "RunFailed"
    assert not is_locked(config_of(request_).layout)
    accepting = replace(request_, run="dag/again", accept_failures=True)
    assert do_day(accepting, NAMES) is not None


def test_new_images_are_taken_in_instead_of_the_sources(request_: Request, tmp_path: Path) -> None:
    write_picture(tmp_path / "drop/plant/a.png", 50)
    (tmp_path / "sources/animal/20.png").unlink()
    asked = replace(request_, new_images=str(tmp_path / "drop"))
    do_day(asked, NAMES)
    config = config_of(request_)
    assert [row["path_text"] for row in ledger_rows(config)] == ["a.png"]
    # Its name is remembered, so that the picture is found wherever it is kept.
    shutil.rmtree(tmp_path / "drop")
    do_day(another(request_, "dag/daily"), NAMES)
    assert status.collection_status(config)["categories"]["plant"]["accepted"] == 9


def test_new_images_must_be_in_folders_named_after_categories(
    request_: Request, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="no folder named after a category"):
        tasks.begin(replace(request_, new_images=str(tmp_path)))


def test_folders_named_after_days_are_taken_in_up_to_the_day_of_the_run(tmp_path: Path) -> None:
    for day, seed in (("2026-11-23", 1), ("2026-11-24", 2), ("2026-11-25", 3)):
        for k, name in enumerate(NAMES):
            write_picture(tmp_path / f"incoming/{day}/{name}/{seed}.png", 10 * k + seed)
    paths = {name: f"../incoming/{{ds}}/{name}" for name in NAMES}
    more = f'{QUICK}\ntime_zone = "Europe/Athens"'
    path = write_toml(tmp_path / "one", paths, more)
    # Midnight in Athens is two hours earlier in Greenwich.
    first = Request(str(path), "dag/24", at="2026-11-23T23:30:00+00:00")
    do_day(first, NAMES)
    config = config_of(first)
    sources = status.collection_status(config)["categories"]["plant"]["sources"]
    assert list(sources) == ["photos-2026-11-23", "photos-2026-11-24"]
    # A late file in a folder of an earlier day is found on the next one.
    write_picture(tmp_path / "incoming/2026-11-23/plant/late.png", 40)
    do_day(Request(str(path), "dag/25", at="2026-11-25"), NAMES)
    sources = status.collection_status(config)["categories"]["plant"]["sources"]
    assert {name: one["accepted"] for name, one in sources.items()} == {
        "photos-2026-11-23": 2,
        "photos-2026-11-24": 1,
        "photos-2026-11-25": 1,
    }


def test_pictures_are_read_in_a_folder_that_the_pattern_no_longer_matches(tmp_path: Path) -> None:
    for k, name in enumerate(NAMES):
        write_picture(tmp_path / f"in/2026-11-24/{name}/p.png", k)
    paths = {name: f"../in/{{ds}}/{name}" for name in NAMES}
    path = write_toml(tmp_path / "one", paths, f'{QUICK}\n[images]\nmode = "reference"')
    do_day(Request(str(path), "dag/24", at="2026-11-24"), NAMES)
    config = config_of(Request(str(path), ""))
    before = tables(config)
    shutil.rmtree(config.layout.root / "features")
    do_day(Request(str(path), "dag/23", at="2026-11-23"), NAMES)
    assert tables(config) == before


def test_looking_changes_nothing_and_names_what_is_new(
    request_: Request, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        tasks.look(request_)
    assert "plant: 8 new files in source photos" in caplog.text
    assert not config_of(request_).layout.marker.exists()


def test_an_analysis_is_a_function_that_the_configuration_names(request_: Request) -> None:
    tasks.begin(request_)
    tasks.analyse(request_, "pathlib:PurePath")
    with pytest.raises(ConfigError, match="nowhere"):
        tasks.analyse(request_, "nowhere:update")


def test_a_day_that_is_none_is_refused(request_: Request) -> None:
    with pytest.raises(ConfigError, match="2026-11-24"):
        tasks.begin(replace(request_, at="yesterday"))


def test_templates_that_are_no_truth_are_refused() -> None:
    rendered = dict.fromkeys(("config_path", "run", "at", "new_images"), "x")
    flags = {"dry_run": "True", "rescan": "False", "accept_failures": ""}
    asked = Request.of(rendered | flags)
    assert (asked.dry_run, asked.rescan, asked.accept_failures) == (True, False, False)
    with pytest.raises(ConfigError, match="expected true or false"):
        Request.of(rendered | flags | {"rescan": "perhaps"})
