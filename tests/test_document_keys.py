from jsonschema import validate
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from naturalist.document_keys import printed, printed_schema


class Row(TypedDict):
    picID: str
    rows: int


class Report(TypedDict):
    rows: int
    made_at: str
    listed: list[Row]
    path_text: str
    path: str


def test_values_and_schemas_get_the_same_keys() -> None:
    report = {
        "rows": 1,
        "made_at": "today",
        "listed": [{"picID": "plant_id_1", "rows": 2}],
        "path_text": "a",
        "path": "b",
    }
    document = printed(report)
    assert document == {
        "row_count": 1,
        "made_at": "today",
        "created_at": "today",
        "rows": [{"picID": "plant_id_1", "pic_id": "plant_id_1", "rows": 2}],
        "path_text": "a",
        "path": "b",
    }
    schema = printed_schema(TypeAdapter(Report).json_schema())
    validate(document, schema)
    assert set(schema["properties"]) == set(schema["required"]) == set(document)
    assert set(schema["$defs"]["Row"]["required"]) == {"picID", "pic_id", "rows"}


def test_what_is_printed_once_is_printed_the_same_again() -> None:
    document = printed({"rows": 1, "hits": 2, "entries": [{"made_at": "today"}]})
    assert printed(document) == document
