"""What an audit found, and putting it together from single files."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from naturalist.auditing.contents import pieces
from naturalist.auditing.traces import Known, Search, Trace
from naturalist.errors import StoreError
from naturalist.images.exposure import told_by

Level = Literal["error", "warning", "info"]
PlaceKind = Literal["published", "pulled", "workspace"]

_EXAMPLES = 3
_LEVELS: dict[str, Level] = {
    "local_path": "error",
    "user_name": "error",
    "host_name": "error",
    "secret": "error",
    "position": "error",
    "unreadable": "error",
    "mail_address": "warning",
    "picture_metadata": "warning",
    "picture_metadata_unknown": "warning",
    "licence_missing": "warning",
    "origin_missing": "info",
    "source_path": "info",
    "metadata_column": "info",
    "thumbnails": "info",
    "pictures": "info",
    "dashboard": "info",
    "other_snapshots": "info",
}
_ORDER = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """One thing that a collection tells.

    Attributes:
        level: error: it should not leave; warning: somebody should look at it; info: published on
            purpose.
        kind: what it is.
        what: the text, name or number that was found; empty for secrets.
        count: how often.
        where: up to three places.
    """

    level: Level
    kind: str
    what: str
    count: int
    where: tuple[str, ...]


@dataclass(frozen=True)
class Exposure:
    """What was looked at, and what was found.

    Attributes:
        place: the collection.
        kind: published, pulled or workspace (what its next publication would hold).
        snapshot: id of the snapshot; empty for a workspace.
        files: files that were read, single pictures among them.
        size_bytes: of these.
        findings: errors first.
        not_checked: what nobody looked for, and why.
    """

    place: str
    kind: PlaceKind
    snapshot: str
    files: int
    size_bytes: int
    findings: tuple[Finding, ...]
    not_checked: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found that should not leave."""
        return not any(finding.level == "error" for finding in self.findings)


@dataclass
class Collector:
    """Takes files one by one, and counts what they tell."""

    known: Known
    files: int = 0
    size_bytes: int = 0
    _counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    _places: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._search = Search(self.known)

    def look_at(self, name: str, data: bytes) -> None:
        """Take a file apart and look for everything.

        Args:
            name: its name in the collection, which is looked at too.
            data: its bytes.
        """
        self.files += 1
        self.size_bytes += len(data)
        self._add_traces(self._search.in_bytes(name.encode(), is_text=False), name)
        try:
            for piece in pieces(name, data):
                where = f"{name}: {piece.part}" if piece.part else name
                self._add_traces(self._search.in_bytes(piece.data, is_text=piece.is_text), where)
                if not piece.is_text:
                    self._look_at_picture(piece.data, where)
        except StoreError as error:
            self.add("unreadable", str(error), name)

    def _look_at_picture(self, data: bytes, where: str) -> None:
        reported = told_by(data)
        if reported is None:
            return
        if reported.position:
            self.add("position", "GPS position", where)
        if reported.metadata:
            self.add("picture_metadata", "EXIF, XMP or comments", where)
        elif reported.metadata is None:
            self.add("picture_metadata_unknown", "format that cannot be checked", where)

    def _add_traces(self, traces: Iterable[Trace], where: str) -> None:
        for trace in traces:
            self.add(trace.kind, trace.text, where)

    def add(self, kind: str, what: str, where: str = "", count: int = 1) -> None:
        """Count one thing."""
        key = (kind, what)
        self._counts[key] += count
        places = self._places.setdefault(key, [])
        if where and where not in places and len(places) < _EXAMPLES:
            places.append(where)

    def look_at_description(self, about: Mapping[str, Any], names: Iterable[str]) -> None:
        """Take what a snapshot says: licences, columns, what its files show on purpose.

        Args:
            about: what a snapshot says beside its files.
            names: of its files.
        """
        for source in about.get("sources", ()):
            place = f"{source['category']}/{source['name']}"
            for key, kind in (("licence", "licence_missing"), ("origin", "origin_missing")):
                if not source.get(key):
                    self.add(kind, place, place)
        for column in about.get("columns", ()):
            what = f"{column['name']} ({column['type']})"
            self.add("metadata_column", what, ", ".join(column["sources"]), column["pictures"])
        shown = Counter(filter(None, map(_shown_by, names)))
        for kind, count in shown.items():
            self.add(kind, _SHOWN[kind], "", count)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found so far, errors first, then by kind and number."""
        result = [
            Finding(_LEVELS[kind], kind, what, count, tuple(self._places[kind, what]))
            for (kind, what), count in self._counts.items()
        ]
        order = {level: at for at, level in enumerate(_ORDER)}
        return tuple(sorted(result, key=lambda f: (order[f.level], f.kind, -f.count, f.what)))


_SHOWN = {
    "source_path": "files of the ledger, with the path of each file inside its source",
    "thumbnails": "files with thumbnails of pictures",
    "pictures": "files with whole pictures",
    "dashboard": "files of the exported dashboard, with thumbnails",
}


def _shown_by(name: str) -> str:
    first = name.partition("/")[0]
    if first in ("previews",) or ("sheet" in name and name.endswith(".png")):
        return "thumbnails"
    if first == "pictures":
        return "pictures"
    if first == "site":
        return "dashboard"
    return "source_path" if first == "ledger" and "/amendments/" not in name else ""
