from naturalist.pipeline.severities import health_document, run_document, verification_document

FOUND = {"check": "picture", "severity": "hard", "detail": "", "pic_id": None, "file": None}
SAID = FOUND | {"severity": "error"}


def test_a_verification_has_errors_and_warnings_and_categories_of_any_name() -> None:
    report = {
        "categories": {"hard": {"seen": 1}, "soft": {"seen": 2}},
        "hard": [FOUND],
        "soft": [],
        "checks": {"hard": {"picture": "asks"}, "soft": {}},
        "repaired": {"taken_away": [], "left": [FOUND]},
    }
    assert verification_document(report) == {
        "categories": report["categories"],
        "errors": [SAID],
        "warnings": [],
        "checks": {"errors": {"picture": "asks"}, "warnings": {}},
        "repaired": {"taken_away": [], "left": [SAID]},
    }


def test_stages_of_a_run_have_them_too_and_other_stages_stay() -> None:
    ingest = {"added": {"hard": {"seen": 1}}}
    stages = {"ingest": ingest, "verify-tables": {"hard": 0, "soft": 2}}
    told = {"ingest": ingest, "verify-tables": {"errors": 0, "warnings": 2}}
    assert run_document({"stages": stages}) == {"stages": told}
    assert run_document({"stages": {"rolling": {"damaged": [FOUND]}}}) == {
        "stages": {"rolling": {"damaged": [SAID]}}
    }
    health = {"runs": [{"stages": stages}], "verification": {"hard": 1, "verdicts": [FOUND]}}
    assert health_document(health) == {
        "runs": [{"stages": told}],
        "verification": {"errors": 1, "verdicts": [SAID]},
    }
    assert health_document({"runs": [], "verification": None})["verification"] is None


def test_a_damaged_report_of_a_run_stays_as_it_is() -> None:
    for damaged in (None, [], {}, {"stages": 1}, {"stages": {"rolling": 3}}):
        assert run_document(damaged) == damaged
