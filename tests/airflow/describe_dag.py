"""Tell what a DAG file builds: `describe_dag.py FILE`; prints one JSON document.

Airflow's own parts are imported first, so that what the file adds can be told apart.
"""

import json
import runpy
import sys
import warnings

from airflow.sdk import DAG, Asset, CronTriggerTimetable, Param, TaskGroup, chain, task  # noqa: F401

before = set(sys.modules)
with warnings.catch_warnings():
    warnings.simplefilter("error")
    dag = runpy.run_path(sys.argv[1])["dag"]
added = set(sys.modules) - before


def described(one: object) -> dict[str, object]:
    return {
        "downstream": sorted(one.downstream_task_ids),
        "rule": one.trigger_rule.value,
        "is_mapped": one.is_mapped,
        "retries": one.retries,
        "retry_delay_s": one.retry_delay.total_seconds(),
        "backs_off": bool(one.retry_exponential_backoff),
        "timeout_s": one.execution_timeout.total_seconds(),
        "pool": one.pool,
        "outlets": [outlet.name for outlet in one.outlets],
        "doc": one.doc_md,
    }


print(
    json.dumps(
        {
            "dag_id": dag.dag_id,
            "timetable": repr(dag.timetable),
            "expression": dag.timetable.expression if dag.timetable.expression else "",
            "time_zone": str(dag.timetable.timezone),
            "catchup": dag.catchup,
            "max_active_runs": dag.max_active_runs,
            "run_timeout_s": dag.dagrun_timeout.total_seconds(),
            "params": dag.params.dump(),
            "tasks": {one.task_id: described(one) for one in dag.tasks},
            "callbacks": [type(one).__name__ for one in dag.on_failure_callback or []],
            "doc": dag.doc_md,
            "naturalist": sorted(name for name in added if name.startswith("naturalist")),
            "heavy": sorted(
                set(sys.modules)
                & {"numpy", "pyarrow", "duckdb", "onnxruntime", "onnx", "PIL", "boto3"}
            ),
        }
    )
)
