"""What reviewers decided, entry by entry, and what stands now. Pure; reads and writes nothing.

An entry is never changed. Undoing one is another entry, which gives its pictures the marks that
they had before; redoing is a third. So everything that was ever decided can be looked up.

A picture is named by its id, or, where files in conflict have none, by ``sha256:`` and their bytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Literal

EntryKind = Literal["decide", "undo", "redo", "apply"]
Part = Literal["decision", "tags", "note"]
NO_DECISION = ("", "")
_RETIRED = "refused retired"


@dataclass(frozen=True, slots=True)
class Mark:
    """What stands about one picture.

    Attributes:
        decision: keep, relabel or retire; empty if nothing is decided.
        category: key of the category, with relabel, and with keep for files in conflict.
        tags: words of the reviewers' own, sorted.
        note: for other reviewers; never published.
    """

    decision: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    note: str = ""

    @property
    def decided(self) -> tuple[str, str]:
        """Decision and category."""
        return self.decision, self.category


@dataclass(frozen=True)
class Change:
    """What a reviewer wants to change of a mark; None leaves that part as it is."""

    decided: tuple[str, str] | None = None
    tags: tuple[str, ...] | None = None
    note: str | None = None

    def of(self, mark: Mark) -> Mark:
        """The mark with the change."""
        decision, category = mark.decided if self.decided is None else self.decided
        tags = mark.tags if self.tags is None else tuple(sorted(set(self.tags)))
        return Mark(decision, category, tags, mark.note if self.note is None else self.note)


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal.

    Attributes:
        number: 1 for the first entry.
        request: chosen by who asked, so that asking again writes nothing twice.
        of: the entry that is undone or redone.
        marks: by picture, what stands from here on; with `apply`, what the ledger holds now.
        seen: by picture, what the ledger said of it when this was decided.
    """

    number: int
    kind: EntryKind
    by: str
    at_ns: int
    request: str
    marks: Mapping[str, Mark]
    seen: Mapping[str, str] = field(default_factory=dict)
    of: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands about one picture, and since which entry.

    Attributes:
        mark: what stands.
        entry: the decision it comes from; 0 for none. An undo goes back to an earlier one.
        version: the last entry that changed it; a decision must name it.
        by: whose entry `version` is.
        at_ns: when that was.
        author: who made the decision, or took it back; tags and notes leave it.
        decided_in: the entry that did.
        seen: what the ledger said when that was written.
        applied: decision and category that the ledger was made to hold; None if none.
        origin: what the ledger said before the first of those.
    """

    mark: Mark = Mark()
    entry: int = 0
    version: int = 0
    by: str = ""
    at_ns: int = 0
    author: str = ""
    decided_in: int = 0
    seen: str = ""
    applied: tuple[str, str] | None = None
    origin: str = ""

    @property
    def pending(self) -> tuple[str, str] | None:
        """The decision that the ledger does not hold yet; None if it holds all."""
        if self.mark.decision:
            return None if self.mark.decided == self.applied else self.mark.decided
        if self.applied is None or self.reversal == self.applied:
            return None
        return self.reversal

    @property
    def reversal(self) -> tuple[str, str] | None:
        """The decision that takes back what was applied; None if there is no way back."""
        return {"accepted": ("keep", ""), _RETIRED: ("retire", "")}.get(self.origin)


class Outdated(Exception):
    """A decision rests on a state that is not the present one.

    Attributes:
        now: the current state of the pictures concerned.
    """

    def __init__(self, message: str, now: Mapping[str, Standing]) -> None:
        super().__init__(message)
        self.now = dict(now)


class NothingToUndo(Exception):
    """There is no such entry, or what it did cannot be taken back; the message says which."""


class History:
    """All entries in order, and what stands after the last one."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self._standing: dict[str, Standing] = {}
        self._before: dict[int, dict[str, Standing]] = {}
        self._undone: dict[int, int] = {}
        self._requests: dict[tuple[str, str], Entry] = {}
        self._pending: dict[str, tuple[str, str]] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def of(self, key: str) -> Standing:
        """What stands about a picture."""
        return self._standing.get(key, _NOTHING)

    def pictures(self) -> Iterator[tuple[str, Standing]]:
        """Every picture about which something was ever said."""
        yield from self._standing.items()

    def pending(self) -> dict[str, tuple[str, str]]:
        """Decisions that the ledger does not hold yet, by picture, the oldest first."""
        if self._pending is None:
            result = [
                (one.decided_in, key, one.pending) for key, one in self.pictures() if one.pending
            ]
            self._pending = {key: decided for _, key, decided in sorted(result) if decided}
        return self._pending

    def answered(self, by: str, request: str) -> Entry | None:
        """The entry that a request made earlier; None for a new one."""
        return self._requests.get((by, request))

    def add(self, entry: Entry) -> None:
        """Take the next entry."""
        self._pending = None
        self.entries.append(entry)
        self._requests[entry.by, entry.request] = entry
        if entry.kind == "apply":
            self._apply(entry)
            return
        if entry.kind == "decide":
            self._before[entry.number] = {key: self.of(key) for key in entry.marks}
        elif entry.kind == "undo":
            self._undone[entry.of] = entry.number
        else:
            del self._undone[entry.of]
        for key, mark in entry.marks.items():
            old = self.of(key)
            if _changed_part(old.mark, mark) == "decision":
                old = self._decided(old, entry, key)
            self._standing[key] = replace(
                old,
                mark=mark,
                entry=self._entry_behind(entry, key),
                version=entry.number,
                by=entry.by,
                at_ns=entry.at_ns,
            )

    def _decided(self, old: Standing, entry: Entry, key: str) -> Standing:
        """With the author of an entry's decision; one that comes back keeps its author."""
        author = entry.by
        if entry.kind == "undo" and entry.marks[key].decision:
            author = self._before[entry.of][key].author
        elif entry.kind == "redo":
            author = self.entries[entry.of - 1].by
        seen = entry.seen.get(key, "")
        return replace(old, author=author, decided_in=entry.number, seen=seen)

    def _entry_behind(self, entry: Entry, key: str) -> int:
        if entry.kind == "decide":
            return entry.number
        return self._before[entry.of][key].entry if entry.kind == "undo" else entry.of

    def _apply(self, entry: Entry) -> None:
        for key, mark in entry.marks.items():
            old = self.of(key)
            applied = None if mark.decided == NO_DECISION else mark.decided
            origin = (old.origin or entry.seen.get(key, "")) if applied else ""
            self._standing[key] = replace(old, applied=applied, origin=origin)

    def part_of(self, entry: Entry, key: str) -> Part:
        """Which part of a picture's mark an entry changed; of several, the decision or the tags."""
        before = self._before.get(entry.number, {}).get(key, _NOTHING).mark
        return _changed_part(before, entry.marks.get(key, before))

    # what the next entry would be

    def decide(
        self,
        by: str,
        at_ns: int,
        request: str,
        changes: Mapping[str, Change],
        versions: Mapping[str, int],
        seen: Mapping[str, str],
    ) -> Entry:
        """The entry of a decision about one or several pictures.

        Raises:
            Outdated: somebody decided about one of them since; nothing may be written.
        """
        later = {k: self.of(k) for k in changes if self.of(k).version != versions.get(k, 0)}
        if later:
            raise Outdated(_conflict_message(later), later)
        marks = {key: change.of(self.of(key).mark) for key, change in changes.items()}
        return Entry(len(self) + 1, "decide", by, at_ns, request, marks, dict(seen))

    def undo(self, by: str, at_ns: int, request: str, of: int = 0) -> Entry:
        """The entry that undoes one; without a number, the latest of this person's that stands.

        Raises:
            NothingToUndo: there is none, or the ledger knows no way back.
            Outdated: somebody decided later about the same pictures.
        """
        target = self._decision(of) if of else self._latest_of(by)
        if target is None or target.number in self._undone:
            raise NothingToUndo(
                "There is nothing to undo." if not of else "It has already been undone."
            )
        later = {k: self.of(k) for k in target.marks if self.of(k).entry != target.number}
        if later:
            raise Outdated(_conflict_message(later), later)
        before = self._before[target.number]
        marks = {key: before[key].mark for key in target.marks}
        for key, mark in marks.items():
            standing = self.of(key)
            if not mark.decision and standing.applied and not standing.reversal:
                raise NothingToUndo(
                    f"{key} was in conflict before, and the decision is applied: decide again "
                    "instead of undoing it."
                )
        return Entry(len(self) + 1, "undo", by, at_ns, request, marks, of=target.number)

    def redo(self, by: str, at_ns: int, request: str) -> Entry:
        """The entry that does again what this person undid last.

        Raises:
            NothingToUndo: there is none, or this person decided something since.
            Outdated: somebody decided later about the same pictures.
        """
        target = self._latest_undone_by(by)
        if target is None:
            raise NothingToUndo("There is nothing to redo.")
        before = self._before[target.number]
        later = {k: self.of(k) for k in target.marks if self.of(k).entry != before[k].entry}
        if later:
            raise Outdated(_conflict_message(later), later)
        return Entry(len(self) + 1, "redo", by, at_ns, request, target.marks, of=target.number)

    def _decision(self, number: int) -> Entry | None:
        result = self.entries[number - 1] if 0 < number <= len(self) else None
        return result if result is not None and result.kind == "decide" else None

    def _latest_of(self, by: str) -> Entry | None:
        mine = (one for one in reversed(self.entries) if one.by == by and one.kind == "decide")
        return next((one for one in mine if one.number not in self._undone), None)

    def _latest_undone_by(self, by: str) -> Entry | None:
        for entry in reversed(self.entries):
            if entry.by != by or entry.kind == "apply":
                continue
            if entry.kind == "decide":
                return None
            if entry.kind == "undo" and self._undone.get(entry.of) == entry.number:
                return self.entries[entry.of - 1]
        return None


_NOTHING = Standing()


def _changed_part(before: Mark, after: Mark) -> Part:
    """A mark that stays as it is was decided again."""
    if after.decided == before.decided and after != before:
        return "tags" if after.tags != before.tags else "note"
    return "decision"


def _conflict_message(later: Mapping[str, Standing]) -> str:
    key, one = next(iter(later.items()))
    text = " ".join(filter(None, one.mark.decided)) or "no decision"
    more = f", and {len(later) - 1} more" if len(later) > 1 else ""
    return f"{one.by or 'Somebody'} changed {key} since you looked: {text}{more}."


# lines

_FIELDS = tuple(one.name for one in fields(Entry))


def to_json(entry: Entry) -> dict[str, Any]:
    """An entry as JSON values."""
    marks = {key: asdict(mark) for key, mark in entry.marks.items()}
    fields_of = {name: getattr(entry, name) for name in _FIELDS}
    return fields_of | {"marks": marks, "seen": dict(entry.seen)}


def from_json(value: Mapping[str, Any]) -> Entry:
    """An entry of its JSON values.

    Raises:
        TypeError, KeyError: they are none.
    """
    marks = {
        key: Mark(**{**one, "tags": tuple(one["tags"])}) for key, one in value["marks"].items()
    }
    return Entry(**{**value, "marks": marks})
