import json

import pytest
from pydantic import TypeAdapter

from naturalist.api import Opened
from naturalist.api.reports import REPORTS


def test_every_type_has_a_json_schema_with_a_description() -> None:
    for command, report in REPORTS.items():
        schema = TypeAdapter(report).json_schema(mode="serialization")
        assert schema["type"] == "object", command
        assert schema["description"], command


@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_documents_are_of_their_declared_types(garden: Opened) -> None:
    decisions = [{"pic_id": "plant_id_1", "decision": "retire"}]
    documents = {
        "run": garden.run(),
        "status": garden.status(),
        "ledger": garden.ledger(limit=0),
        "search": garden.search("shore"),
        "similar": garden.similar("plant_id_1"),
        "predict": garden.predict(garden.config.layout.root.parent / "photos/human"),
        "review": garden.review(decisions, by="ada", dry_run=True),
        "cluster": garden.clusters(),
        "map": garden.map(),
        "duplicates": garden.duplicates(),
        "label-issues": garden.suspects(),
    }
    for command, result in documents.items():
        printed = json.loads(json.dumps(result.report))
        checked = TypeAdapter(REPORTS[command]).validate_python(printed)
        declared = set(TypeAdapter(REPORTS[command]).json_schema()["properties"])
        assert set(printed) - declared <= {"changed", "listed"}, command
        assert checked
