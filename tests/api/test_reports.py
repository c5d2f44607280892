import json

import pytest

from documented import faults_of
from naturalist.api import Opened
from naturalist.api.reports import REPORTS, schema_of


def test_every_type_has_a_json_schema_with_a_description() -> None:
    for command in REPORTS:
        schema = schema_of(command)
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
        "names": garden.names(),
        "drift": garden.drift(),
        "evaluate": garden.evaluate(),
    }
    for command, result in documents.items():
        envelope = {"envelope": 1, "command": command, "ok": True}
        printed = json.loads(json.dumps(envelope | dict(result.report)))
        assert (command, faults_of(command, printed)) == (command, [])
