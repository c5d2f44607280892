"""What Airflow's pages say about the DAG and its tasks."""

from pathlib import Path

NEW_IMAGES = (
    "Folder with a subfolder per category, ingested by this run instead of the configured "
    "sources. Empty: the configured sources."
)
DATE = (
    "Date to run for, such as 2026-11-24: sources with a date in their path are used up to it. "
    "Empty: the date of the run."
)
DRY_RUN = "Only log what would be done."
RESCAN = "Also examine known files again, even if their modification time is unchanged."
ACCEPT_FAILURES = "Publish even if more pictures failed than failure_budget allows."

_TASKS = {
    "begin": "Locks the workspace for this run; waits while another process is writing to it.",
    "ingest": "Scans all sources; names, stores and records new pictures.",
    "small_run": "Runs all stages up to publishing if little is new; otherwise skipped.",
    "plan_extraction": "Lists groups of shards that have no features yet.",
    "extract_group": "Computes features and previews of a group of shards.",
    "verification_standby": "Waits for all categories. Every shard has its features.",
    "plan_verification": "Lists groups of feature files that are not verified.",
    "verify_group": "Verifies features against the ledger, and extracts a sample again.",
    "storage_standby": "Waits for all categories, checks the whole collection, reports.",
    "plan_labelling": "Lists groups of tables that are not written.",
    "label_group": "Writes labelled tables, as CSV and Parquet.",
    "table_verification_standby": "Waits for all categories. Every table is written.",
    "plan_table_verification": "Lists groups of tables that are not verified.",
    "verify_table_group": "Verifies tables file by file.",
    "pre_upload_standby": "Waits for all categories, reports, decides whether to publish.",
    "upload_category": "Uploads files that are not in the store; hidden from readers for now.",
    "plan_pictures": "Lists groups of shards whose pictures are not in the store yet.",
    "send_group": "Packs and uploads pictures of a group of shards; hidden for now.",
    "analysis_step": "Updates one study of the tables.",
    "analysis_standby": "Waits for the studies to end or fail: the tables are published anyway.",
    "analysis_verdict": "Fails if a study failed, so that the run is not reported as successful.",
    "publish_snapshot": "Writes the snapshot and points `latest` to it. Skipped if nothing is new.",
    "analyse": "Calls a function named in the configuration.",
    "end": "Reports what the run did and unlocks the workspace, also after a failure.",
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
