import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.airflow.conftest import (
    CATEGORIES,
    DAG_ID,
    QUICK,
    SMALL,
    Home,
    by_hand,
    make_home,
    states,
)
from tests.airflow.server import environment

Described = dict[str, Any]
STAGES = ("extraction", "verification", "labelling", "table_verification")
STANDBYS = (
    "verification_standby",
    "storage_standby",
    "table_verification_standby",
    "pre_upload_standby",
)


@pytest.fixture(scope="module")
def described(home: Home) -> Described:
    value: Described = json.loads(home.python("describe_dag.py", str(home.dag_file)))
    return value


def test_the_dag_file_has_three_lines(home: Home) -> None:
    lines = [line for line in home.dag_file.read_text().splitlines() if line]
    assert len(lines) == 2
    assert home.told["dag_id"] == DAG_ID
    assert len(home.told["commands"]) == 3


def test_reading_the_dag_file_imports_nothing_heavy(described: Described) -> None:
    assert described["heavy"] == []
    assert described["naturalist"] == [
        "naturalist",
        "naturalist.counting",
        "naturalist.errors",
        "naturalist.orchestration",
        "naturalist.orchestration.dag",
        "naturalist.orchestration.texts",
        "naturalist.reasons",
        "naturalist.schedule",
    ]


def test_stages_and_standbys_follow_each_other_in_the_order_of_the_seed(
    described: Described,
) -> None:
    tasks = described["tasks"]
    before = ["ingest"]
    assert tasks["begin"]["downstream"] == ["end", "ingest"]
    assert tasks["small_run"]["downstream"] == ["publish_snapshot"]
    for stage, standby in zip(STAGES, STANDBYS, strict=True):
        plans = sorted(f"{stage}.{name}.plan" for name in CATEGORIES)
        for task in before:
            assert [name for name in tasks[task]["downstream"] if name != "small_run"] == plans
        for plan in plans:
            work = [name for name in tasks[plan]["downstream"] if name != standby]
            assert [tasks[name]["is_mapped"] for name in work] == [True]
            assert tasks[work[0]]["downstream"] == [standby]
        before = [standby]
    uploads = sorted(f"upload.{name}" for name in CATEGORIES)
    assert tasks["pre_upload_standby"]["downstream"] == uploads
    assert tasks[uploads[0]]["downstream"] == ["publish_snapshot"]
    assert tasks["publish_snapshot"]["downstream"] == ["end"]
    assert tasks["publish_snapshot"]["outlets"] == ["naturalist-test-snapshot"]
    assert len(tasks) == 4 * 2 * len(CATEGORIES) + len(STANDBYS) + len(CATEGORIES) + 5


def test_a_standby_waits_for_everything_and_lets_an_empty_day_pass(described: Described) -> None:
    assert {described["tasks"][name]["rule"] for name in STANDBYS} == {"none_failed"}


def test_the_schedule_is_every_morning_at_seven_one_run_at_a_time(described: Described) -> None:
    assert described["expression"] == "0 7 * * *"
    assert described["time_zone"] == "UTC"
    assert described["catchup"] is False
    assert described["max_active_runs"] == 1
    assert described["run_timeout_s"] == 23 * 3600


def test_every_task_is_retried_with_back_off_within_a_pool_and_a_time(
    described: Described,
) -> None:
    for task in described["tasks"].values():
        assert (task["retries"], task["retry_delay_s"], task["backs_off"]) == (3, 1, True)
        assert (task["pool"], task["timeout_s"]) == ("default_pool", 6 * 3600)
        assert "naturalist.orchestration.tasks." in task["doc"]


def test_a_run_can_be_asked_for_new_images_a_day_or_a_dry_run(described: Described) -> None:
    assert described["params"] == {
        "new_images": "",
        "date": "",
        "dry_run": False,
        "rescan": False,
        "accept_failures": False,
    }


LOUD = """
import sys
from naturalist.orchestration import airflow_dag
dag = airflow_dag(sys.argv[1], dag_id="another")
print(dag.dag_id, dag.timetable.timezone, *[type(c).__name__ for c in dag.on_failure_callback])
print(dag.task_dict["end"].doc_md.splitlines()[-1])
print(sorted(dag.task_dict["publish_snapshot"].downstream_task_ids), dag.task_dict["end"].pool)
"""


def test_the_configuration_sets_zone_messengers_links_pool_and_analysis(
    home: Home, tmp_path: Path
) -> None:
    text = (home.collection.folder / "naturalist.toml").read_text()
    more = """
time_zone = "Europe/Athens"
email = ["someone@example.org"]
webhook_connection = "chat"
reports_url = "https://example.org/reports/"
pool = "pictures"
analysis = ["my_maps:update"]
"""
    (tmp_path / "naturalist.toml").write_text(text.rstrip() + more)
    printed = home.python(LOUD, str(tmp_path)).splitlines()
    assert printed == [
        "another Europe/Athens SmtpNotifier HttpNotifier",
        "Report: [runs/](https://example.org/reports/runs/).",
        "['analyse_update'] pictures",
    ]


STUDIES = """
import json, sys
from naturalist.orchestration import airflow_dag
dag = airflow_dag(sys.argv[1])
tasks = {t.task_id: [t.trigger_rule.value, *sorted(t.downstream_task_ids)] for t in dag.tasks}
print(json.dumps(tasks))
"""


def test_studies_lie_beside_the_uploads_and_a_failed_one_fails_the_run_after_publishing(
    home: Home, tmp_path: Path
) -> None:
    text = (home.collection.folder / "naturalist.toml").read_text()
    more = '\n[analyse]\nsteps = ["map", "duplicates"]\n'
    (tmp_path / "naturalist.toml").write_text(text.rstrip() + more)
    tasks = json.loads(home.python(STUDIES, str(tmp_path)))
    assert "analysis.duplicates" in tasks["pre_upload_standby"]
    assert "analysis.duplicates" in tasks["small_run"]
    assert tasks["analysis.duplicates"] == ["none_failed_min_one_success", "analysis.map"]
    assert tasks["analysis.map"] == ["all_success", "analysis_standby", "analysis_verdict"]
    assert tasks["analysis_standby"] == ["all_done", "publish_snapshot"]
    assert tasks["upload.plant"] == ["all_success", "publish_snapshot"]
    assert tasks["publish_snapshot"][1:] == ["analysis_verdict", "end"]
    assert tasks["analysis_verdict"] == ["all_success", "end"]


def test_pictures_are_sent_by_tasks_for_each_category_where_they_are_published(
    home: Home, tmp_path: Path
) -> None:
    text = (home.collection.folder / "naturalist.toml").read_text()
    text = text.replace("[publish]", '[publish]\npictures = "tars"')
    (tmp_path / "naturalist.toml").write_text(text)
    tasks = json.loads(home.python(STUDIES, str(tmp_path)))
    assert {f"pictures.{name}.plan" for name in CATEGORIES} <= set(tasks["pre_upload_standby"])
    assert tasks["pictures.plant.plan"][1:] == ["pictures.plant.send_group"]
    assert tasks["pictures.plant.send_group"][1:] == ["publish_snapshot"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = 3 = 4", "cannot be used"),
        ('name = "x"', "cannot be used ('category')"),
        ('name = "x"\ncategory = []\n[airflow]\ntime_zone = "Nowhere"', "is not a time zone"),
    ],
)
def test_a_broken_configuration_is_an_import_error_with_a_sentence(
    home: Home, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "naturalist.toml").write_text(text)
    script = (
        "import sys\nfrom naturalist.errors import ConfigError\n"
        "from naturalist.orchestration import airflow_dag\n"
        "try:\n    airflow_dag(sys.argv[1])\nexcept ConfigError as error:\n    print(error)"
    )
    assert said in home.python(script, str(tmp_path))


def test_a_dry_run_does_nothing_and_a_run_makes_the_tables_of_the_command_line(
    home: Home,
) -> None:
    dry = states(home.python("run_dag.py", str(home.dag_file), '{"dry_run": true}'))
    assert {state for found in dry.values() for state in found} == {"skipped"}
    assert not (home.collection.folder / "ledger").exists()
    real = states(home.python("run_dag.py", str(home.dag_file), "{}"))
    assert real.pop("small_run") == ["skipped"]
    assert {state for found in real.values() for state in found} == {"success"}
    assert len(real["extraction.plant.extract_group"]) == 2
    other = by_hand(home)
    assert home.collection.tables() == other.tables()
    assert home.collection.outcomes() == other.outcomes()
    assert home.collection.leftovers() == []


def test_a_small_run_is_one_task_and_a_day_with_nothing_to_do_is_none(
    photos: Path, tmp_path: Path
) -> None:
    home = make_home(tmp_path, photos, 6, more=SMALL)
    command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    subprocess.run(command, env=environment(home.home, home.dags), capture_output=True, check=True)
    first = states(home.python("run_dag.py", str(home.dag_file), "{}"))
    worked = {name for name, found in first.items() if found == ["success"]}
    assert worked == {"begin", "ingest", "small_run", "publish_snapshot", "end"}
    assert home.collection.tables() == by_hand(home).tables()
    empty = states(home.python("run_dag.py", str(home.dag_file), "{}"))
    worked = {name for name, found in empty.items() if found == ["success"]}
    assert worked == {"begin", "ingest", "end"}
    assert {name for name, found in empty.items() if found != ["skipped"]} == worked
    assert len(list((home.collection.published / "snapshots").iterdir())) == 1


def test_a_study_that_fails_keeps_nobody_from_the_tables_and_fails_the_run(
    photos: Path, tmp_path: Path
) -> None:
    # What clusters need is not installed beside this Airflow.
    studies = f'{QUICK}\n[analyse]\nsteps = ["duplicates", "clusters"]'
    home = make_home(tmp_path, photos, 6, more=studies)
    command = [str(Path(sys.executable).with_name("airflow")), "db", "migrate"]
    subprocess.run(command, env=environment(home.home, home.dags), capture_output=True, check=True)
    found = states(home.python("run_dag.py", str(home.dag_file), "{}", check=False))
    assert found["analysis.duplicates"] == ["success"]
    assert found["analysis.clusters"] == ["failed"]
    assert found["publish_snapshot"] == ["success"]
    assert found["analysis_verdict"] == ["upstream_failed"]
    assert found["end"] == ["success"]
    assert (home.collection.published / "latest.json").exists()
