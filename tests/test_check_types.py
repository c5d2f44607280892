"""The dashboard's types are those of the reports, and the tool that says so finds differences."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tools"))

from check_types import FILES, check  # noqa: E402

TYPES, CLIENT = ((ROOT / path).read_text() for path in FILES)
OF_PAGES, OF_REVIEW = FILES.values()


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_pages_read_what_the_program_declares(path: Path) -> None:
    assert check((ROOT / path).read_text(), FILES[path]) == []


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("single_source?: boolean;", "one_source?: boolean;", "Cluster.one_source: the program"),
        ("  purity: number | null;", "  purity: number;", "Cluster.purity: the pages have number"),
        ("suggested: string; score: number;", "suggested: string; score: string;", "score: the"),
        ("words?: string[];", "words?: string;", "Drift.words: the pages have string"),
        ("members: { picID: string;", "members: { pic_id: string;", "members[].pic_id"),
        ("export interface Clustering {", "export interface Groups {", "no such interface"),
        (
            "interface Sample {",
            "interface Extra {\n  a: 1;\n}\nexport interface Sample {",
            "Extra: no",
        ),
        ("age_s: number | null;", "age_s: number;", "HealthDoc.freshness.last_run.age_s"),
        ("extends FileRow {\n", "extends FileRow {\n  taken_at: string;\n", "PictureRow.taken_at"),
        ("  snapshot: string | null;", "  snapshot: string;", "About.snapshot"),
        ("gap: number | null;", "gap: number;", "Evaluation.gap: the pages have number"),
        ("error?: string;\n  evaluation", "fault?: string;\n  evaluation", "Model.fault"),
    ],
)
def test_a_difference_is_named(old: str, new: str, found: str) -> None:
    assert old in TYPES
    said = "\n".join(check(TYPES.replace(old, new), OF_PAGES))
    assert found in said


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("  at: string | null;\n  version", "  at: string;\n  version", "Standing.at: the pages"),
        ("  left_out: { key: string;", "  left_out: { pic: string;", "Plan.left_out[].pic"),
        ("  seen: string;", "  looked: string;", "RequestedDecision.looked: the program"),
        ("  decision?: string;", "  decision?: string | null;", "RequestedDecision.decision"),
        ("  exit_code?: number | null;", "  exit_code?: number;", "JobState.exit_code"),
        ("extends News {\n", "extends News {\n  token: string;\n", "Me.token"),
    ],
)
def test_a_difference_of_what_reviewers_read_or_send_is_named(
    old: str, new: str, found: str
) -> None:
    assert old in CLIENT
    assert found in "\n".join(check(CLIENT.replace(old, new), OF_REVIEW))
