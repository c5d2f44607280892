"""The DAG: it wires tasks, and every task is one function of `naturalist.orchestration.tasks`.

Nothing heavy is imported here, because Airflow reads DAG files again and again.
"""

import datetime as dt
import importlib
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from naturalist.errors import ConfigError, MissingExtra
from naturalist.orchestration import texts
from naturalist.schedule import AirflowSection, AnalyseSection

if TYPE_CHECKING:
    from airflow.sdk import DAG

_CALLS = "naturalist.orchestration.calls"
_PICTURES = ("pictures", "plan_pictures", "send_group")
"""Sending pictures, beside the uploads: name of the group, what plans, what works."""
_SMALL = "small_run"
"""The task that does all stages of a small run; it takes the place of the groups and standbys."""
_ONE_WAY = "none_failed_min_one_success"
"""The rule of a task after both ways: one of them is skipped."""

_REQUEST = {
    "run": "{{ dag.dag_id }}/{{ run_id }}",
    "at": "{{ params.date or (dag_run.logical_date or dag_run.run_after).isoformat() }}",
    "new_images": "{{ params.new_images }}",
    "dry_run": "{{ params.dry_run }}",
    "rescan": "{{ params.rescan }}",
    "accept_failures": "{{ params.accept_failures }}",
}


@dataclass(frozen=True)
class _Stage:
    """A stage that works on the categories side by side, and the standby after it."""

    name: str
    plan: str
    work: str
    then: str


_STAGES = (
    _Stage("extraction", "plan_extraction", "extract_group", "verification_standby"),
    _Stage("verification", "plan_verification", "verify_group", "storage_standby"),
    _Stage("labelling", "plan_labelling", "label_group", "table_verification_standby"),
    _Stage(
        "table_verification", "plan_table_verification", "verify_table_group", "pre_upload_standby"
    ),
)


@dataclass(frozen=True)
class _Collection:
    """What the DAG needs to know; the tasks read and check the whole configuration."""

    path: Path
    name: str
    categories: tuple[str, ...]
    publishes_pictures: bool
    analysis_steps: tuple[str, ...]
    settings: AirflowSection


def airflow_dag(config_path: str | Path, *, dag_id: str = "") -> "DAG":
    """Build the DAG of one collection.

    Args:
        config_path: absolute path of its `naturalist.toml`, or of the folder that has it.
        dag_id: name of the DAG; by default `airflow.dag_id`, or `naturalist_` and the collection.

    Raises:
        ConfigError: the path is relative, or the file cannot be used.
        MissingExtra: Airflow is not installed.
    """
    try:
        from airflow.sdk import DAG, Param
    except ImportError as error:
        raise MissingExtra("apache-airflow", "airflow") from error
    collection = _read(Path(config_path).expanduser())
    settings = collection.settings
    params = {
        "new_images": Param("", type="string", description=texts.NEW_IMAGES),
        "date": Param("", type="string", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description=texts.DATE),
        "dry_run": Param(False, type="boolean", description=texts.DRY_RUN),
        "rescan": Param(False, type="boolean", description=texts.RESCAN),
        "accept_failures": Param(False, type="boolean", description=texts.ACCEPT_FAILURES),
    }
    with DAG(
        dag_id or settings.id_for(collection.name),
        description=f"Pictures of {collection.name}: features, tables, snapshot",
        doc_md=texts.dag_page(collection.name, collection.path, settings.reports_url),
        schedule=_timetable(settings),
        start_date=_start(settings),
        catchup=settings.catchup,
        max_active_runs=1,
        dagrun_timeout=dt.timedelta(seconds=settings.run_timeout_s),
        default_args=_defaults(settings),
        on_failure_callback=_messengers(collection.name, settings),
        params=params,
        tags=list(settings.tags),
    ) as dag:
        _wire(collection)
    return dag


def _read(path: Path) -> _Collection:
    if not path.is_absolute():
        raise ConfigError(f"{path}: use an absolute path: Airflow runs in another folder")
    path = path / "naturalist.toml" if path.is_dir() else path
    try:
        content = tomllib.loads(path.read_text("utf-8"))
        return _Collection(
            path,
            content["name"],
            tuple(category["name"] for category in content["category"]),
            _publishes_pictures(content.get("publish", {})),
            AnalyseSection.model_validate(content.get("analyse", {})).in_order,
            AirflowSection.model_validate(content.get("airflow", {})),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        hint = f"see what `naturalist status -c {path}` says"
        raise ConfigError(f"{path} cannot be used ({text}): {hint}") from error


def _publishes_pictures(section: dict[str, Any]) -> bool:
    return bool(section.get("url")) and section.get("pictures", "none") != "none"


def _timetable(settings: AirflowSection) -> Any:
    from airflow.sdk import CronTriggerTimetable

    if not settings.schedule:
        return None
    return CronTriggerTimetable(settings.schedule, timezone=settings.time_zone)


def _start(settings: AirflowSection) -> dt.datetime | None:
    if settings.start_date is None:
        return None
    return dt.datetime.combine(settings.start_date, dt.time(), settings.zone)


def _defaults(settings: AirflowSection) -> dict[str, Any]:
    return {
        "owner": settings.owner,
        "pool": settings.pool,
        "retries": settings.retries,
        "retry_delay": dt.timedelta(seconds=settings.retry_delay_s),
        "retry_exponential_backoff": 2.0,
        "max_retry_delay": dt.timedelta(seconds=settings.max_retry_delay_s),
        "execution_timeout": dt.timedelta(seconds=settings.task_timeout_s),
    }


def _messengers(name: str, settings: AirflowSection) -> list[Any]:
    result: list[Any] = []
    subject = f"naturalist: a run of {name} failed"
    text = f"{subject}: {{{{ dag.dag_id }}}} {{{{ run_id }}}}"
    if settings.email:
        from airflow.providers.smtp.notifications.smtp import SmtpNotifier

        result.append(
            SmtpNotifier(
                to=list(settings.email),
                subject=subject,
                html_content=f"<p>{text}</p>",
                smtp_conn_id=settings.smtp_connection,
            )
        )
    if settings.webhook_connection:
        try:
            from airflow.providers.http.notifications import HttpNotifier
        except ImportError as error:
            raise MissingExtra("apache-airflow-providers-http", "airflow") from error
        result.append(HttpNotifier(http_conn_id=settings.webhook_connection, json={"text": text}))
    return result


def _wire(collection: _Collection) -> None:
    from airflow.sdk import Asset, TaskGroup, chain

    steps = _Steps(collection)
    begin = steps.one("begin").as_setup()
    ingest = steps.ingest(_large_way(collection), _small_way(collection))
    small = steps.one(_SMALL)
    chain(begin, ingest, small)
    before = ingest
    for stage in _STAGES:
        group = steps.stage(stage.name, stage.plan, stage.work)
        standby = steps.one(stage.then, trigger_rule="none_failed")
        chain(before, group, standby)
        before = standby
    with TaskGroup("upload", tooltip=texts.tooltip("upload_category")) as uploads:
        for category in collection.categories:
            steps.one("upload_category", category, category=category)
    # Without an address of its own: Airflow refuses a consumer that names it without the same one.
    snapshot = Asset(f"naturalist-{collection.name}-snapshot")
    publish = steps.publish(snapshot)
    chain(before, uploads, publish)
    if collection.publishes_pictures:
        chain(before, steps.stage(*_PICTURES), publish)
    chain(small, publish)
    studied = _wire_analysis(collection, steps, [before, small], publish)
    last = [
        steps.one("analyse", f"analyse_{name.partition(':')[2]}", name=name)
        for name in collection.settings.analysis
    ]
    end = steps.one("end").as_teardown(setups=begin)
    chain(publish, *([last] if last else []), end)
    chain(studied, end)


def _large_way(collection: _Collection) -> list[str]:
    """Ids of the tasks that a small run leaves out."""
    stages = [(stage.name, stage.work) for stage in _STAGES]
    if collection.publishes_pictures:
        stages.append((_PICTURES[0], _PICTURES[2]))
    ids = [stage.then for stage in _STAGES]
    for category in collection.categories:
        ids.append(f"upload.{category}")
        ids += [f"{name}.{category}.{task}" for name, work in stages for task in ("plan", work)]
    return ids


def _small_way(collection: _Collection) -> list[str]:
    """Ids of the tasks that a run with nothing to do leaves out, beside those of the large way.

    Studies are part of no such run, see `ways.choose`.
    """
    functions = [name.partition(":")[2] for name in collection.settings.analysis]
    return [_SMALL, "publish_snapshot", *(f"analyse_{name}" for name in functions)]


def _wire_analysis(
    collection: _Collection, steps: "_Steps", before: list[Any], publish: Any
) -> list[Any]:
    """The studies, beside the uploads; publishing waits for them and does not need them.

    Returns:
        The task that fails when a study did, so that the run is not called good.
    """
    from airflow.sdk import TaskGroup, chain

    if not collection.analysis_steps:
        return []
    with TaskGroup("analysis", tooltip=texts.tooltip("analysis_step")):
        first, *others = collection.analysis_steps
        studies = [steps.one("analysis_step", first, step=first, trigger_rule=_ONE_WAY)]
        studies += [steps.one("analysis_step", name, step=name) for name in others]
    standby = steps.one("analysis_standby", trigger_rule="all_done")
    verdict = steps.one("analysis_verdict")
    chain(before, *studies, standby, publish, verdict)
    chain(studies[-1], verdict)
    return [verdict]


class _Steps:
    """Makes the tasks of one collection."""

    def __init__(self, collection: _Collection) -> None:
        self._request = {"config_path": str(collection.path), **_REQUEST}
        self._reports_url = collection.settings.reports_url
        self._categories = collection.categories
        self._python = collection.settings.python

    def _task(self, function: str, task_id: str, **options: Any) -> Any:
        from airflow.sdk import task

        page = texts.task_page(function, self._reports_url)
        return task(task_id=task_id or function, doc_md=page, **options)(
            _caller(function, self._python)
        )

    def one(self, function: str, task_id: str = "", **arguments: str) -> Any:
        """A task that calls a function once."""
        rule = {k: arguments.pop(k) for k in ("trigger_rule",) if k in arguments}
        return self._task(function, task_id, **rule)(self._request, arguments)

    def mapped(self, function: str, groups: Any, **arguments: str) -> Any:
        """A task that calls a function for each group."""
        made = self._task(function, "", map_index_template="{{ group }}")
        return made.partial(request=self._request, arguments=arguments).expand(group=groups)

    def stage(self, name: str, plan: str, work: str) -> Any:
        """A group of tasks: for each category one that plans, and one for each group of work."""
        from airflow.sdk import TaskGroup

        with TaskGroup(name, tooltip=texts.tooltip(work)) as group:
            for category in self._categories:
                with TaskGroup(category):
                    planned = self.one(plan, "plan", category=category)
                    self.mapped(work, planned, category=category)
        return group

    def ingest(self, large_way: list[str], small_way: list[str]) -> Any:
        """The task that takes in what is new, and skips the ways that the run does not take."""
        from airflow.sdk import task
        from airflow.sdk.exceptions import DownstreamTasksSkipped

        call, choose = (_caller(name, self._python) for name in ("ingest", "choose_way"))

        @task(task_id="ingest", doc_md=texts.task_page("ingest", self._reports_url))  # type: ignore[untyped-decorator]
        def ingest(request: dict[str, str], ti: Any = None) -> None:
            ti.xcom_push(key="return_value", value=call(request, {}))
            # All at once: the scheduler would skip a long way step by step, a second for each.
            skipped = {"large": [_SMALL], "small": large_way, "nothing": [*large_way, *small_way]}
            raise DownstreamTasksSkipped(tasks=skipped[choose(request, {})])

        return ingest(self._request)

    def publish(self, snapshot: Any) -> Any:
        """The task that publishes, and tells Airflow of a new snapshot if there is one."""
        from airflow.sdk import Metadata, task
        from airflow.sdk.exceptions import AirflowSkipException

        call = _caller("publish_snapshot", self._python)

        @task(  # type: ignore[untyped-decorator]
            task_id="publish_snapshot",
            outlets=[snapshot],
            trigger_rule=_ONE_WAY,
            doc_md=texts.task_page("publish_snapshot", self._reports_url),
        )
        def publish_snapshot(request: dict[str, str]) -> Iterator[Any]:
            name = call(request, {})
            if name is None:
                raise AirflowSkipException("nothing new: no new snapshot")
            yield Metadata(snapshot, {"snapshot": name})

        return publish_snapshot(self._request)


def _caller(function: str, python: str = "") -> Callable[..., Any]:
    def call(request: dict[str, str], arguments: dict[str, str], group: str = "") -> Any:
        from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

        calls = importlib.import_module(_CALLS)
        selected = arguments | ({"group": group} if group else {})
        try:
            if python:
                return calls.call_with(python, function, request, selected)
            return calls.call(function, request, selected)
        except calls.DryRun as error:
            raise AirflowSkipException("dry run: nothing was done") from error
        except calls.Hopeless as error:
            raise AirflowFailException(str(error)) from error

    call.__name__ = function
    return call
