"""What Airflow's pages say about the DAG and its tasks."""

from pathlib import Path

NEW_IMAGES = (
    "Folder with a folder for each category, taken in by this run instead of the configured "
    "sources. Empty: the configured sources."
)
DATE = "The day to run for, as 2026-11-24: date-patterned sources up to it. Empty: the run's own."
DRY_RUN = "Only log what would be done."
RESCAN = "Examine known files again too, whatever their time."
ACCEPT_FAILURES = "Publish although more pictures than failure_budget could not be used."

_TASKS = {
    "begin": "Takes the workspace for this run; waits if somebody else is writing to it.",
    "ingest": "Looks through all sources; names, places and enters in the ledger what is new.",
    "small_run": "Does all stages up to publishing where little is new; else skipped.",
    "plan_extraction": "Names groups of shards that have no features yet.",
    "extract_group": "Turns the pictures of a group of shards into features and previews.",
    "verification_standby": "Waits for all categories. Every shard has its features.",
    "plan_verification": "Names groups of features parts that are not verified.",
    "verify_group": "Verifies features against the ledger, and extracts a sample again.",
    "storage_standby": "Waits for all categories; checks the collection as a whole and reports.",
    "plan_labelling": "Names groups of tables that are not written.",
    "label_group": "Writes labelled tables, as CSV and Parquet.",
    "table_verification_standby": "Waits for all categories. Every table is written.",
    "plan_table_verification": "Names groups of tables that are not verified.",
    "verify_table_group": "Verifies tables file by file.",
    "pre_upload_standby": "Waits for all categories; reports, and decides about publishing.",
    "upload_category": "Sends the files that the store lacks; readers see nothing yet.",
    "plan_pictures": "Names groups of shards whose pictures the store lacks.",
    "send_group": "Packs and sends the pictures of a group of shards; readers see nothing yet.",
    "analysis_step": "Brings one study of the tables up to date.",
    "analysis_standby": "Waits for the studies, done or failed: the tables are published anyway.",
    "analysis_verdict": "Fails with a study that failed, so that nobody calls the run good.",
    "publish_snapshot": "Writes the snapshot and points `latest` to it. Skipped if nothing is new.",
    "analyse": "Calls a function that the configuration names.",
    "end": "Reports what the run did and gives the workspace back, also after a failure.",
}
_REPORTS = {
    "storage_standby": "verification.md",
    "pre_upload_standby": "verification.md",
    "small_run": "verification.md",
    "end": "runs/",
}


def tooltip(function: str) -> str:
    """One sentence about a function of `naturalist.orchestration.tasks`."""
    return _TASKS[function]


def task_page(function: str, reports_url: str) -> str:
    """What a task's page says, with a link to its report."""
    text = f"{_TASKS[function]}\n\nCalls `naturalist.orchestration.tasks.{function}`."
    report = _REPORTS.get(function)
    if report is None:
        return text
    where = f"{reports_url.rstrip('/')}/{report}" if reports_url else f"reports/{report}"
    named = f"[{report}]({where})" if reports_url else f"`{where}` in the workspace"
    return f"{text}\n\nReport: {named}."


def dag_page(name: str, config_path: Path, reports_url: str) -> str:
    """What the DAG's page says."""
    reports = f"[reports]({reports_url})" if reports_url else "`reports/` in the workspace"
    return (
        f"# {name}\n\nConfiguration: `{config_path}`. Verification and run reports: {reports}.\n\n"
        "Every task can be cleared and run again at any time, on any worker that sees the "
        "workspace. A day with nothing new succeeds; `publish_snapshot` is skipped then."
    )
