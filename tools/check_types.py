"""Check the types of the dashboard's pages against the reports that the program declares.

Usage: python tools/check_types.py

An interface may leave out what no page reads, and may call a key optional that is always there.
What it names has to exist, under the same name and with the same type, null included; and every
interface has to be declared.
"""

import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Union, get_args, get_origin

from pydantic import BaseModel
from typing_extensions import get_type_hints

from naturalist.curation import concept_reports
from naturalist.dashboard import report, review_report, review_routes
from naturalist.studies.classifier.report import EvaluationReport, SourceAccuracy
from naturalist.studies.clusters.report import ClusterEntry, ClusterReport
from naturalist.studies.drift.report import DriftReport
from naturalist.studies.maps.report import SampleReport

_PAGES: dict[str, Any] = {
    "About": report.About,
    "Alert": report.Alert,
    "Category": report.Category,
    "ChangeGroup": report.ChangeGroup,
    "ChangedPicture": report.ChangedPicture,
    "ChangesDoc": report.ChangesDoc,
    "Cluster": ClusterEntry,
    "Clustering": ClusterReport,
    "ColumnInfo": report.ColumnInfo,
    "ColumnTitle": report.ColumnTitle,
    "Drift": DriftReport,
    "DuplicateGroups": report.DuplicateGroups,
    "Evaluation": EvaluationReport,
    "Failure": report.Failure,
    "FileRow": report.FileRow,
    "Files": report.Files,
    "Growth": report.Growth,
    "HealthDoc": report.HealthDoc,
    "LabelIssues": report.LabelIssues,
    "MapInfo": report.MapInfo,
    "Model": report.Model | report.DamagedModel,
    "Models": report.Models,
    "PictureRow": report.PictureRow,
    "RegionLevel": report.RegionLevel,
    "Run": report.Run,
    "RunTrend": report.RunTrend,
    "Sample": SampleReport,
    "Similar": report.Similar,
    "SnapshotInfo": report.SnapshotInfo,
    "SourceAccuracy": SourceAccuracy,
    "Total": report.Total,
    "Verification": report.Verification,
}
_REVIEW: dict[str, Any] = {
    "Answer": review_report.Answer,
    "CategoryEffect": review_report.CategoryEffect,
    "CategoryMatches": review_report.CategoryMatches,
    "ConceptApplied": review_report.ConceptApplied,
    "ConceptDropped": concept_reports.DroppedConcept,
    "ConceptExamples": review_report.ConceptExamples,
    "ConceptFacts": concept_reports.ConceptFacts,
    "ConceptInfo": concept_reports.ListedConcept,
    "ConceptMade": concept_reports.MadeConcept,
    "ConceptMatches": review_report.ConceptMatches,
    "ConceptMeasures": concept_reports.ConceptMeasures,
    "Item": review_report.Item,
    "JobState": review_report.JobState,
    "Lesson": concept_reports.ConceptLesson,
    "Me": review_report.Me,
    "News": review_report.News,
    "NewsEntry": review_report.NewsEntry,
    "Plan": review_report.Plan,
    "Precision": concept_reports.ConceptPrecision,
    "QueueInfo": review_report.QueueInfo,
    "RequestedDecision": review_routes.RequestedDecision,
    "SharedView": review_report.SharedView,
    "SharedViews": review_report.SharedViews,
    "Standing": review_report.Standing,
}
FILES = {Path("frontend/src/types.ts"): _PAGES, Path("frontend/src/review/client.ts"): _REVIEW}
"""What the interfaces of each file are in the program."""
_INTERFACE = re.compile(
    r"^export interface (\w+)(?: extends (\w+))? \{\n(.*?)^\}", re.MULTILINE | re.DOTALL
)
_TOKEN = re.compile(r"\s*(\w+|\"[^\"]*\"|\[\]|[{}()<>|:;?,])")
_PLAIN: dict[Any, str] = {
    str: "string",
    int: "number",
    float: "number",
    bool: "boolean",
    type(None): "null",
    Any: "unknown",
}

Shape = frozenset[Any]
"""Alternatives: names of plain types, ("list", shape), ("map", shape), ("object", fields)."""


class Reader:
    """Reads a type of TypeScript, of the few kinds that documents have."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
        self._at = 0

    def _next(self, expected: str = "") -> str:
        token: str = self._tokens[self._at]
        if expected and token != expected:
            raise SystemExit(f"{expected!r} expected, not {token!r}")
        self._at += 1
        return token

    def _is(self, *tokens: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] in tokens

    def fields(self) -> dict[str, Shape]:
        """Fields up to a closing brace, or the end."""
        result = {}
        while self._at < len(self._tokens) and not self._is("}"):
            name = self._next()
            if self._is("?"):
                self._next()
            self._next(":")
            result[name] = self.shape()
            self._next(";") if self._is(";") else None
        return result

    def shape(self) -> Shape:
        """A type with its alternatives."""
        result: set[Any] = set()
        while True:
            result |= self._one()
            if not self._is("|"):
                return frozenset(result)
            self._next()

    def _one(self) -> set[Any]:
        token = self._next()
        if token == "{":
            inner: set[Any] = {("object", tuple(self.fields().items()))}
            self._next("}")
        elif token == "(":
            inner = set(self.shape())
            self._next(")")
        elif token == "Record":
            self._next("<")
            self.shape()
            self._next(",")
            inner = {("map", self.shape())}
            self._next(">")
        else:
            inner = {_plain(token)}
        while self._is("[]"):
            self._next()
            inner = {("list", frozenset(inner))}
        return inner


def _plain(token: str) -> Any:
    """A plain type, the type of a literal, or the name of an interface."""
    if token.startswith('"'):
        return "string"
    if token.isdigit():
        return "number"
    if token in ("true", "false"):
        return "boolean"
    return token if token in _PLAIN.values() else ("name", token)


def declared(hint: Any) -> Shape:
    """The shape of a Python type."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin is NotRequired:
        return declared(inside[0])
    if origin in (Union, types.UnionType):
        return frozenset().union(*map(declared, inside))
    if origin is Literal:
        return frozenset(_PLAIN[type(value)] for value in inside)
    if origin is list:
        return frozenset({("list", declared(inside[0]))})
    if origin is dict:
        return frozenset({("map", declared(inside[1]))})
    if origin is Annotated:
        return declared(inside[0])
    if hint in _PLAIN:
        return frozenset({_PLAIN[hint]})
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        # What a page sends: what may be null is left out instead.
        sent = ((name, declared(one.annotation)) for name, one in hint.model_fields.items())
        return frozenset({("object", tuple((name, shape - {"null"}) for name, shape in sent))})
    fields = get_type_hints(hint)
    return frozenset({("object", tuple((name, declared(one)) for name, one in fields.items()))})


def differences(shown: Shape, made: Shape, known: dict[str, Any], at: str) -> Iterator[str]:
    """Where a type of the pages is not that of the program, in words."""
    if "unknown" in shown | made:
        return
    plain = [frozenset(one for one in shape if isinstance(one, str)) for shape in (shown, made)]
    if plain[0] != plain[1]:
        words = [" | ".join(sorted(names)) or "no plain type" for names in plain]
        yield f"{at}: the pages have {words[0]}, the program makes {words[1]}"
    made_by_kind = _by_kind(made)
    for one in shown:
        if not isinstance(one, tuple):
            continue
        kind, inside = one
        if kind == "name":
            kind, inside = "object", tuple(known[inside].items())
        if kind == "map" and "object" in made_by_kind:
            continue  # read by key, whatever the keys are
        if kind not in made_by_kind:
            yield f"{at}: the pages have a {kind}, the program makes none"
        elif kind == "object":
            fields = dict(made_by_kind[kind])
            for name, shape in inside:
                if name not in fields:
                    yield f"{at}.{name}: the program makes no such key"
                else:
                    yield from differences(shape, fields[name], known, f"{at}.{name}")
        else:
            yield from differences(inside, made_by_kind[kind], known, f"{at}[]")


def _by_kind(made: Shape) -> dict[str, Any]:
    """What is inside of lists, maps and objects; objects of several kinds have the keys of all."""
    result: dict[str, Any] = {}
    for kind, inside in (one for one in made if isinstance(one, tuple)):
        result[kind] = (*result.get(kind, ()), *inside) if kind == "object" else inside
    return result


def _interfaces(text: str) -> dict[str, dict[str, Shape]]:
    """The fields of each interface, those that it extends included."""
    result: dict[str, dict[str, Shape]] = {}
    for name, base, body in _INTERFACE.findall(text):
        result[name] = result.get(base, {}) | Reader(body).fields()
    return result


def check(text: str, reports: dict[str, Any]) -> list[str]:
    """Every difference of a file of types from the reports of the same names."""
    known = _interfaces(text)
    result = [f"{name}: the pages have no such interface" for name in reports if name not in known]
    result += [f"{name}: no report is declared for it" for name in known if name not in reports]
    for name in sorted(reports.keys() & known.keys()):
        page = frozenset({("object", tuple(known[name].items()))})
        result += differences(page, declared(reports[name]), known, name)
    return result


def main() -> None:
    """Print the differences and exit with 1 if there are any."""
    failed = False
    for path, reports in FILES.items():
        result = check(path.read_text(), reports)
        print("\n".join(result) or f"{path}: as the program declares it")
        failed |= bool(result)
    sys.exit(failed)


if __name__ == "__main__":
    main()
