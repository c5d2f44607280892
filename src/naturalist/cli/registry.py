"""Every command: its purpose, the module that holds it, and its summary.

`naturalist --help` prints this table without importing any command, so that it starts fast. A
command's summary is the first line of its docstring; a test compares both.
"""

from typing import NamedTuple


class Entry(NamedTuple):
    """A command or a group of commands of `naturalist`."""

    name: str
    module: str  # below naturalist.cli
    summary: str
    app: str = "app"  # name of the typer application in that module
    is_group: bool = False


SECTIONS: dict[str, tuple[Entry, ...]] = {
    "Start": (
        Entry("demo", "setup", "Build and run a small collection of real pictures."),
        Entry("init", "setup", "Create a collection: write a commented naturalist.toml."),
        Entry("sources", "sources", "List and download known data sets.", is_group=True),
        Entry("run", "stages", "Run every stage that has work to do."),
    ),
    "Look": (
        Entry("status", "inspect", "Show counts per category."),
        Entry("ledger", "inspect", "Show the ledger: one row per file ever seen."),
        Entry("search", "search", "Search pictures by words."),
        Entry("similar", "similar", "Find the pictures most similar to a picture."),
        Entry("map", "maps", "Map all pictures in two or three dimensions."),
        Entry("dashboard", "dashboard", "Show the collection in the browser."),
    ),
    "Study": (
        Entry("cluster", "clusters", "Cluster the features and describe each cluster."),
        Entry("names", "search", "Name clusters, map regions or near-duplicate groups."),
        Entry(
            "concept",
            "search",
            "Teach your own search words by examples.",
            "concept_app",
            is_group=True,
        ),
        Entry("index", "similar", "Update the index of similar pictures."),
        Entry("sample", "maps", "Choose a representative sample of the pictures."),
        Entry("drift", "drift", "Compare a batch with the batches before it."),
        Entry("train", "classifier", "Train a classifier on the tables."),
        Entry("evaluate", "classifier", "Measure the classifier on sources it never saw."),
        Entry("refine", "classifier", "Train a new model and promote it if it is better."),
        Entry("predict", "predict", "Predict the category of pictures."),
        Entry("models", "models", "List, show, promote and export classifiers.", is_group=True),
    ),
    "Curate": (
        Entry("duplicates", "duplicates", "Group near-duplicate pictures."),
        Entry("quality", "quality", "Count dark, blurred, blank and odd pictures."),
        Entry("overlap", "overlap", "Show which pictures sources, or collections, have in common."),
        Entry("label-issues", "label_issues", "Rank pictures by how likely their label is wrong."),
        Entry("review", "review", "Apply decisions: keep, relabel or retire pictures."),
        Entry(
            "reviewers", "reviewers", "List, add and remove people who may decide.", is_group=True
        ),
        Entry("tags", "tags", "List tags and notes given in the dashboard."),
        Entry(
            "category", "category", "List, rename, relabel and retire categories.", is_group=True
        ),
        Entry("takedown", "takedown", "Remove pictures from everything published from now on."),
        Entry("metadata", "metadata", "Match rows of metadata files with pictures."),
    ),
    "Share": (
        Entry("publish", "stages", "Publish tables, ledger and reports."),
        Entry("pull", "consume", "Download a published collection."),
        Entry(
            "snapshots", "snapshots", "List, compare, roll back and prune snapshots.", is_group=True
        ),
        Entry("mcp", "mcp", "Let an assistant look, and propose decisions (MCP)."),
        Entry("export", "export", "Export features for TensorBoard, Embedding Atlas or CSV."),
        Entry("audit", "audit", "List what a collection reveals about people and machines."),
        Entry("bucket", "bucket", "Create, share, audit and delete an S3 bucket.", is_group=True),
    ),
    "Operate": (
        Entry("doctor", "doctor", "Check what works on this machine, and how to fix the rest."),
        Entry("ingest", "stages", "Register new files of all sources."),
        Entry("extract", "stages", "Compute the features of new pictures."),
        Entry("verify", "verify", "Verify the workspace or a published collection."),
        Entry("tables", "stages", "Write tables that are missing or outdated."),
        Entry("plan", "plan", "Estimate time, disk, memory and cost of a collection."),
        Entry(
            "backbones", "backbones", "List, download, add and benchmark backbones.", is_group=True
        ),
        Entry(
            "airflow",
            "airflow",
            "Write a DAG file for daily runs with Apache Airflow.",
            is_group=True,
        ),
        Entry("help", "help", "Show help on exit codes and other topics."),
    ),
}

ENTRIES: dict[str, Entry] = {
    entry.name: entry for entries in SECTIONS.values() for entry in entries
}


def command_name(arguments: list[str]) -> str:
    """The command in a list of arguments, as in `snapshots list`; `naturalist` if there is none."""
    first, *rest = [*arguments[:2], ""]
    if first not in ENTRIES:
        return "naturalist"
    if ENTRIES[first].is_group and rest[0] and not rest[0].startswith("-"):
        return f"{first} {rest[0]}"
    return first
