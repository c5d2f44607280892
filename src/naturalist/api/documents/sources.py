"""Documents about data sets, address lists, metadata, networks, Airflow, MCP and help."""

from typing import Any, NotRequired

from typing_extensions import TypedDict

from naturalist.api.documents.made import extended, listed
from naturalist.backbones.spec import BackboneSpec
from naturalist.catalogue.entries import Entry
from naturalist.catalogue.records import Record
from naturalist.ledger import SourceCounts
from naturalist.metadata.summary import Column, FileSummary

SourceDocument = extended(
    "SourceDocument",
    "A data set of the catalogue; `fetched` and `path` are null if it is not on this machine.",
    Entry,
    page=str,
    path=str | None,
    fetched=Record | None,
)


SourceList = listed("SourceList", "Data sets of the catalogue.", SourceDocument)


class FetchedSet(TypedDict):
    """What became of one data set: fetched, or an error."""

    name: str
    path: NotRequired[str]
    new: NotRequired[bool]
    fetched: NotRequired[Record]
    ingested: NotRequired[SourceCounts]
    freed_bytes: NotRequired[int]
    error: NotRequired[str]


class FetchDocument(TypedDict):
    """Data sets that were fetched; `ok` is false if one of them could not be."""

    rows: list[FetchedSet]


HeldSet = extended(
    "HeldSet",
    "A data set that was fetched, and where it is.",
    Record,
    path=str,
)


SourceStatus = listed("SourceStatus", "Data sets that are on this machine, or were.", HeldSet)


class MetadataProblem(TypedDict):
    """A row of metadata without a picture, or a picture without a row."""

    category: str
    source: str
    file: str | None
    problem: str
    row: int | None
    key: str | None
    pic_id: str | None
    path: str | None
    detail: str | None


class MetadataDocument(TypedDict):
    """Columns that were matched with pictures, and what became of the rows of each file."""

    fingerprint: str
    columns: list[Column]
    files: list[FileSummary]
    tables: dict[str, str]
    """Each file that was written, with its sha256."""
    problems: NotRequired[list[MetadataProblem]]


class DecisionCount(TypedDict):
    """How many decisions were written into a file."""

    decisions: int


class ListedBackbone(TypedDict):
    """A network, whether its weights are here, and its specification if that is known."""

    name: str
    state: str
    spec: BackboneSpec | None


class BackboneList(TypedDict):
    """Networks that this installation knows."""

    rows: list[ListedBackbone]


AddedBackbone = extended(
    "AddedBackbone",
    "A backbone that was added.",
    BackboneSpec,
    id=str,
)


BackboneDocument = extended(
    "BackboneDocument",
    "All that decides the vectors of a backbone.",
    BackboneSpec,
    id=str,
    fingerprint=str,
)


class AirflowDocument(TypedDict):
    """The DAG file that was written, and the commands that start Airflow."""

    dag_file: str
    dag_id: str
    commands: list[str]


class ToolList(TypedDict):
    """The tools of the MCP server, as the protocol describes them."""

    rows: list[dict[str, Any]]


class ExitCode(TypedDict):
    """An exit code of commands."""

    exit_code: int
    meaning: str


class HelpDocument(TypedDict):
    """Topics of help, or with the topic `exit-codes` the exit codes."""

    topics: NotRequired[dict[str, str]]
    rows: NotRequired[list[ExitCode]]
