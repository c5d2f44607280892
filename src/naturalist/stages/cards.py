"""The data card (Markdown) and the Croissant description (JSON-LD) of a published collection.

Both are made from what a snapshot says and hold no time and no address: the same data give the
same bytes, so a run without anything new publishes nothing new. Source of the second: the
Croissant Format Specification 1.1 (https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1).
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from naturalist.counting import counted
from naturalist.schemas import CSV_DELIMITER, FEATURE_PREFIX, table_schema

CARD = "README.md"
CROISSANT = "croissant.json"

_TABLES = "tables/"
_METADATA = "metadata/"
_PARQUET = "application/x-parquet"
_NOT_GIVEN = "not stated"
_CONFORMS_TO = "http://mlcommons.org/croissant/1.1"
_TYPES = {"string": "sc:Text", "int32": "cr:Int32"}
_TERMS = (
    "arrayShape", "citeAs", "column", "equivalentProperty", "extract", "field", "fileObject",
    "fileProperty", "fileSet", "format", "includes", "isArray", "isLiveDataset", "jsonPath", "key",
    "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace",
    "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    **{term: f"cr:{term}" for term in _TERMS},
}
"""The context that the specification gives, whole, as readers expect it."""


@dataclass(frozen=True)
class CardFile:
    """A file as the card names it.

    Attributes:
        name: as in every snapshot: tables/plant/image_df_1.csv.
        path: where it is, seen from the Croissant file.
        size_bytes: its size.
        sha256: of its bytes.
    """

    name: str
    path: str
    size_bytes: int
    sha256: str

    @property
    def is_table(self) -> bool:
        """Whether it is one of the tables."""
        return self.name.startswith(_TABLES)


def data_card(about: Mapping[str, Any], files: Sequence[CardFile]) -> str:
    """The data card, with the front matter that Hugging Face reads.

    Args:
        about: what a snapshot says beside its files: collection, categories, sources, backbone.
        files: the published files; tables and files at the top are listed.
    """
    listed = [file for file in _in_order(files) if file.is_table or "/" not in file.name]
    has_csv = any(file.is_table and file.name.endswith(".csv") for file in files)
    sections = [
        _FRONT_MATTER.format(name=json.dumps(about["collection"])),
        _summary(about, has_csv=has_csv),
        _section("Categories", "", ("category", "label", "rows"), map(_row, about["categories"])),
        _section("Sources", _OF_SOURCES, _SOURCE_COLUMNS, map(_source_row, _sources(about))),
        _section("Features", _OF_FEATURES, ("property", "value"), _properties(about["backbone"])),
        _columns(about["backbone"]["dim"], has_csv=has_csv),
        *_metadata(about),
        _section("Files", _OF_FILES, ("file", "bytes", "sha256"), map(_file_row, listed)),
        _USE,
    ]
    return "\n".join(sections)


_FRONT_MATTER = """\
---
pretty_name: {name}
tags: [image-features, image-classification]
configs:
  - config_name: default
    data_files: tables/*/*.parquet
---
"""

_USE = """\
## Use

`naturalist pull URL DIR` fetches all of it, verified, and later only what changed. In Python,
`naturalist.load(URL_OR_DIR).numpy()` gives features, labels and picture ids as arrays.
"""


_OF_SOURCES = """\
The licence of a picture is that of its source, which the column `source` of the Parquet tables
names.
"""
_OF_FEATURES = "Made by this network:\n"
_OF_FILES = "The snapshot lists all of them, the ledger, reports and previews too.\n"
_OF_METADATA = """\
Metadata of the pictures, one row for each row of the table of the same name, in the same
order; `pic_id` is the `picID` of the table:
"""
_METADATA_COLUMNS = ("column", "type", "pictures with a value", "from")
_SOURCE_COLUMNS = ("category", "source", "pictures", "origin", "licence")


def _summary(about: Mapping[str, Any], *, has_csv: bool) -> str:
    categories = about["categories"]
    rows = sum(one["table_rows"] for one in categories)
    return (
        f"# Data card: {about['collection']}\n\n"
        f"{counted(rows, 'picture')} in {counted(len(categories), 'category', 'categories')}, "
        f"each as {about['backbone']['dim']} "
        f"features and a label, in tables as {'CSV and Parquet' if has_csv else 'Parquet'}.\n"
    )


def _section(title: str, text: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return "\n".join([f"## {title}\n", *([text] if text else []), _table(columns, rows)])


def _columns(dim: int, *, has_csv: bool) -> str:
    rows = [
        [f"`{field.name}`", _kind(field), field.metadata[b"description"].decode()]
        for field in table_schema(dim)
    ]
    csv = (
        f"CSV, separated by `{CSV_DELIMITER}`: `picID`, `{FEATURE_PREFIX}1` to "
        f"`{FEATURE_PREFIX}{dim}`, `category_label`. The same rows, in the same order.\n"
    )
    parquet = _section("Columns", "Parquet:\n", ("column", "type", "meaning"), rows)
    if not has_csv:
        return parquet
    return f"{parquet}\n{csv}"


def _metadata(about: Mapping[str, Any]) -> list[str]:
    rows = [
        [f"`{one['name']}`", one["type"], one["pictures"], ", ".join(one["sources"])]
        for one in about.get("columns", ())
    ]
    return [_section("Metadata", _OF_METADATA, _METADATA_COLUMNS, rows)] if rows else []


def _properties(backbone: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, value) for name, value in backbone.items() if value not in ("", None)]


def _kind(field: pa.Field) -> str:
    return str(field.type) if str(field.type) in _TYPES else f"{field.type.list_size} x float32"


def _row(category: Mapping[str, Any]) -> list[Any]:
    return [category["name"], category["label"], category["table_rows"]]


def _file_row(file: CardFile) -> list[Any]:
    return [file.name, file.size_bytes, f"`{file.sha256}`"]


def _sources(about: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return list(about.get("sources", ()))


def _source_row(source: Mapping[str, Any]) -> list[Any]:
    origin = str(source["origin"]) or _NOT_GIVEN
    link = f"<{origin}>" if _is_link(origin) else origin
    name, licence = source["name"], source["licence"] or _NOT_GIVEN
    return [source["category"], name, source["pictures"], link, licence]


def _is_link(text: str) -> bool:
    return text.startswith(("https://", "http://")) and not set(text) & set(' <>"|\n')


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = " ".join(str(value).split())
    if not _is_link(text.removeprefix("<").removesuffix(">")):
        text = text.replace("<", "&lt;")
    return text.replace("|", "\\|")


def croissant(about: Mapping[str, Any], files: Sequence[CardFile]) -> str:
    """The Croissant description: every table with its checksum, and the rows as a record set.

    Args:
        about: as for `data_card`.
        files: the published files; the tables among them are described.
    """
    tables = [file for file in _in_order(files) if file.is_table]
    parquet = [file.path for file in tables if file.name.endswith(".parquet")]
    beside = [file for file in _in_order(files) if file.name.startswith(_METADATA)]
    sources = _sources(about)
    licences = sorted({one["licence"] for one in sources if one["licence"]})
    dim = about["backbone"]["dim"]
    value = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": _CONFORMS_TO,
        "name": about["collection"],
        "description": f"Pictures as {dim} features each, by {about['backbone']['name']}, with the "
        f"label of their category; see {CARD}.",
        **({"license": licences} if licences else {}),
        "isBasedOn": [_based_on(one) for one in sources],
        "distribution": [
            *map(_file_object, [*tables, *beside]),
            *([_file_set("parquet-tables", "All tables as Parquet.", parquet)] if parquet else []),
            *([_metadata_set(beside)] if beside else []),
        ],
        "recordSet": [
            _categories(about["categories"]),
            *([_rows(dim)] if parquet else []),
            *([_metadata_rows(about["columns"])] if beside else []),
        ],
    }
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def _in_order(files: Iterable[CardFile]) -> list[CardFile]:
    # image_df_2 comes before image_df_10.
    return sorted(files, key=lambda file: (_folder(file), len(file.name), file.name))


def _folder(file: CardFile) -> str:
    return str(PurePosixPath(file.name).parent)


def _based_on(source: Mapping[str, Any]) -> dict[str, Any]:
    result = {"@type": "sc:Dataset", "name": source["name"]}
    if source["licence"]:
        result["license"] = source["licence"]
    if source["origin"]:
        result["url" if _is_link(source["origin"]) else "description"] = source["origin"]
    return result


def _file_object(file: CardFile) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": file.name,
        "name": PurePosixPath(file.name).name,
        "contentUrl": file.path,
        "contentSize": f"{file.size_bytes} B",
        "encodingFormat": _PARQUET if file.name.endswith(".parquet") else "text/csv",
        "sha256": file.sha256,
    }


def _metadata_set(files: Sequence[CardFile]) -> dict[str, Any]:
    text = "Metadata columns of the pictures, one file per table."
    return _file_set("parquet-metadata", text, [file.path for file in files])


def _file_set(name: str, description: str, paths: Sequence[str]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": name,
        "name": name,
        "description": description,
        "encodingFormat": _PARQUET,
        "includes": list(paths),
    }


def _categories(categories: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    fields = [("label", "sc:Integer"), ("name", "sc:Text")]
    return {
        "@type": "cr:RecordSet",
        "@id": "categories",
        "name": "categories",
        "key": {"@id": "categories/label"},
        "field": [
            {"@type": "cr:Field", "@id": f"categories/{name}", "name": name, "dataType": kind}
            for name, kind in fields
        ],
        "data": [{f"categories/{name}": one[name] for name, _ in fields} for one in categories],
    }


def _rows(dim: int) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": "rows",
        "name": "rows",
        "description": "One row per picture.",
        "key": {"@id": "rows/picID"},
        "field": list(_fields(dim)),
    }


_PLAIN = re.compile(r"[A-Za-z0-9._]+")
_METADATA_TYPES = {
    "text": "sc:Text",
    "integer": "cr:Int64",
    "number": "cr:Float64",
    "boolean": "sc:Boolean",
    "date": "sc:Date",
    "time": "sc:DateTime",
}


def _metadata_rows(columns: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The record set of the metadata columns, one record per picture."""
    key = {"@id": "metadata/pic_id"}
    return {
        "@type": "cr:RecordSet",
        "@id": "metadata",
        "name": "metadata",
        "description": "Metadata of each picture.",
        "key": key,
        "field": [
            _metadata_field("pic_id", "text", "Id of the picture.")
            | {"references": {"field": {"@id": "rows/picID"}}},
            *(
                _metadata_field(one["name"], one["type"], f"From {', '.join(one['sources'])}.", k)
                for k, one in enumerate(columns)
            ),
        ],
    }


def _metadata_field(
    name: str, kind: str, description: str, number: int | None = None
) -> dict[str, Any]:
    # Ids hold no spaces; the number keeps names apart that differ in such characters only.
    plain = name if _PLAIN.fullmatch(name) else f"{re.sub(r'[^A-Za-z0-9._-]', '_', name)}-{number}"
    return {
        "@type": "cr:Field",
        "@id": f"metadata/{plain}",
        "name": name,
        "description": description,
        "dataType": _METADATA_TYPES[kind],
        "source": {"fileSet": {"@id": "parquet-metadata"}, "extract": {"column": name}},
    }


def _fields(dim: int) -> Iterator[dict[str, Any]]:
    for field in table_schema(dim):
        kind = _TYPES.get(str(field.type))
        shape = {} if kind else {"isArray": True, "arrayShape": str(dim)}
        yield {
            "@type": "cr:Field",
            "@id": f"rows/{field.name}",
            "name": field.name,
            "description": field.metadata[b"description"].decode(),
            "dataType": kind or "cr:Float32",
            **shape,
            "source": {
                "fileSet": {"@id": "parquet-tables"},
                "extract": {"column": field.name},
            },
        }
