"""What answers reviewers: pictures to decide about, with what stands, and decisions taken in."""

import datetime as dt
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from naturalist.config import Config
from naturalist.curation.decisions import BY_BYTES
from naturalist.curation.review import ledger_state
from naturalist.curation.reviewing import people
from naturalist.curation.reviewing.history import (
    Change,
    Entry,
    History,
    Mark,
    NothingToUndo,
    Outdated,
    Standing,
)
from naturalist.curation.reviewing.journal import Journal
from naturalist.curation.reviewing.marked import all_tags
from naturalist.curation.reviewing.queues import QUEUES, Item, items_of
from naturalist.dashboard import review_report
from naturalist.dashboard.context import DashboardContext
from naturalist.dashboard.jobs import Jobs
from naturalist.errors import ConfigError
from naturalist.suggestions import choose_one_of

Document = dict[str, Any]
_FACTS = (
    "SELECT category, pic_id, batch, source, path_text, outcome, reason, same_as, sha256, "
    "width, height, size_bytes FROM files WHERE {column} IN (SELECT unnest(?))"
)
_NEWS = 50


@dataclass(eq=False)
class Reviewing:
    """Reviewing of one workspace; safe to use from several threads."""

    context: DashboardContext
    config: Config
    journal: Journal
    jobs: Jobs
    _queues: dict[str, tuple[Any, list[Item]]] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def who(self, token: str) -> str | None:
        """The reviewer whose token it is; None if nobody's."""
        return people.who(self.config.layout.reviewers, token)

    # showing

    def queues(self) -> list[review_report.QueueInfo]:
        """Every queue; `open` is null where its pictures have not been looked for yet."""
        history, mark = self.journal.history(), self._mark()
        result: list[review_report.QueueInfo] = []
        for name, queue in QUEUES.items():
            items = self._kept(name, mark)
            result.append(
                {
                    "name": name,
                    "title": queue.title,
                    "about": queue.about,
                    "command": queue.command,
                    "open": None if items is None else len(self._open(items, history)),
                }
            )
        return result

    def queue(self, name: str, limit: int, offset: int) -> review_report.Queue:
        """Undecided pictures of a queue, and how many there are.

        Raises:
            KeyError: there is no such queue.
        """
        result = self._open(self._items(name), self.journal.history())
        shown = result[offset : offset + limit]
        return {"of": len(result), "items": self.items(shown)}

    def items(self, items: Sequence[Item]) -> list[review_report.Item]:
        """Items with what the ledger says and what stands; pictures that are gone are left out."""
        facts, history = self._facts([one.key for one in items]), self.journal.history()
        return [
            {
                "key": one.key,
                "why": one.why,
                "suggested": {"decision": one.decision, "category": one.category},
                "related": list(one.related),
                **facts[one.key],
                "standing": self._state(history.of(one.key)),
            }
            for one in items
            if one.key in facts
        ]

    def news(self, after: int) -> review_report.News:
        """What was decided after an entry: by whom, and what stands now about those pictures."""
        history = self.journal.history()
        entries = history.entries[max(after, len(history) - _NEWS) :]
        keys = {key for one in entries for key in one.marks}
        return {
            "upto": len(history),
            "pending": len(history.pending()),
            "tags": list(all_tags(history))[:40],
            "entries": [self._entry(history, one) for one in entries],
            "standing": {key: self._state(history.of(key)) for key in sorted(keys)[:2000]},
        }

    def _entry(self, history: History, entry: Entry) -> review_report.NewsEntry:
        first = next(iter(entry.marks), "")
        mark = entry.marks.get(first, Mark())
        return {
            "number": entry.number,
            "kind": entry.kind,
            "by": entry.by,
            "at": _time(entry.at_ns),
            "pictures": len(entry.marks),
            "first": first,
            "decision": mark.decision,
            "category": self._name(mark.category),
            "part": history.part_of(entry, first),
            "tags": list(mark.tags),
            "stands": entry.kind == "decide"
            and all(history.of(key).entry == entry.number for key in entry.marks),
        }

    def described(self, now: Mapping[str, Standing]) -> dict[str, review_report.Standing]:
        """What stands about some pictures."""
        return {key: self._state(one) for key, one in now.items()}

    def _state(self, one: Standing) -> review_report.Standing:
        return {
            "decision": one.mark.decision,
            "category": self._name(one.mark.category),
            "tags": list(one.mark.tags),
            "note": one.mark.note,
            "by": one.by,
            "at": _time(one.at_ns) if one.version else None,
            "version": one.version,
            "pending": one.pending is not None,
        }

    def _name(self, category: str) -> str:
        return str(self.config.names.get(category, category))

    # deciding

    def decide(self, by: str, request: str, expected: Sequence[Mapping[str, Any]]) -> Entry:
        """Write a decision about one or several pictures, all or none; durable when it returns.

        Args:
            by: the reviewer.
            request: another word for each decision; the same one again changes nothing.
            expected: for each picture `key`, `version`, `seen`, and what changes: `decision` and
                `category`, `tags`, `note`.

        Raises:
            Outdated: somebody decided, or the ledger changed, since the reviewer looked.
            ConfigError: a picture is not there, or a decision does not fit it.
        """
        self.context.catalogue.look_again()
        states = self._states([one["key"] for one in expected])
        changes = {one["key"]: self._change(one, states) for one in expected}
        versions = {one["key"]: one["version"] for one in expected}

        def make(history: History) -> Entry | None:
            if history.answered(by, request):
                return None
            later = {
                one["key"]: history.of(one["key"])
                for one in expected
                if one["seen"] != states[one["key"]]
            }
            if later:
                key = next(iter(later))
                raise Outdated(f"{key} is now {states[key]}: look at it again.", later)
            return history.decide(by, time.time_ns(), request, changes, versions, states)

        return self._written(by, request, make)

    def undo(self, by: str, request: str, of: int = 0) -> Entry:
        """Undo the reviewer's latest decision, or any one by its number.

        Raises:
            NothingToUndo, Outdated: as `History.undo`.
        """

        def make(history: History) -> Entry | None:
            if history.answered(by, request):
                return None
            entry = history.undo(by, time.time_ns(), request, of)
            return replace(entry, seen=self._states(list(entry.marks)))

        return self._written(by, request, make)

    def redo(self, by: str, request: str) -> Entry:
        """Do again what the reviewer undid last.

        Raises:
            NothingToUndo, Outdated: as `History.redo`.
        """

        def make(history: History) -> Entry | None:
            if history.answered(by, request):
                return None
            entry = history.redo(by, time.time_ns(), request)
            return replace(entry, seen=self._states(list(entry.marks)))

        return self._written(by, request, make)

    def _written(self, by: str, request: str, make: Any) -> Entry:
        entry = self.journal.append(make) or self.journal.history().answered(by, request)
        if entry is None:
            raise NothingToUndo("There is nothing to do.")
        return entry

    def _change(self, one: Mapping[str, Any], states: Mapping[str, str]) -> Change:
        if one["key"] not in states:
            raise ConfigError(f"there is no picture {one['key']} to decide about")
        tags = one.get("tags")
        decided = None if one.get("decision") is None else self._decided(one)
        return Change(decided, None if tags is None else tuple(tags), one.get("note"))

    def _decided(self, one: Mapping[str, Any]) -> tuple[str, str]:
        decision, name = one["decision"], one.get("category") or ""
        needs = decision == "relabel" or (decision == "keep" and one["key"].startswith(BY_BYTES))
        if not needs:
            return decision, ""
        category = self.config.keys_by_any_name.get(name)
        if category is None:
            allowed = choose_one_of(name, self.config.names.values())
            raise ConfigError(f"category {name!r}: {allowed}")
        return decision, category

    # looking up

    def _states(self, keys: Iterable[str]) -> dict[str, str]:
        return {key: one["state"] for key, one in self._facts(list(keys)).items()}

    def _facts(self, keys: Sequence[str]) -> dict[str, review_report.LedgerFacts]:
        """What the ledger says of each picture that may be shown."""
        catalogue, withheld = self.context.catalogue, self.context.catalogue.withheld()
        by_id = catalogue.rows(_FACTS.format(column="pic_id"), [list(keys)])
        digests = [key[len(BY_BYTES) :] for key in keys if key.startswith(BY_BYTES)]
        rows: dict[str, list[Document]] = {row["pic_id"]: [row] for row in by_id}
        for row in catalogue.rows(_FACTS.format(column="sha256"), [digests]) if digests else []:
            rows.setdefault(f"{BY_BYTES}{row['sha256']}", []).append(row)
        return {
            key: self._fact(key, result)
            for key, result in rows.items()
            if not any(row["pic_id"] in withheld for row in result if row["pic_id"])
        }

    def _fact(self, key: str, rows: list[Document]) -> review_report.LedgerFacts:
        row = min(rows, key=lambda one: (one["pic_id"] is None, str(one["pic_id"])))
        return {
            "picture": row["pic_id"],
            "category": self._name(row["category"]),
            "categories": sorted({self._name(one["category"]) for one in rows}),
            "source": row["source"],
            "path": row["path_text"],
            "batch": row["batch"],
            "width": row["width"],
            "height": row["height"],
            "size_bytes": row["size_bytes"],
            "state": ledger_state(key, rows),
        }

    def _items(self, name: str) -> list[Item]:
        mark = self._mark()
        # Whoever asks for a queue that is there does not wait while another one is made.
        items = self._kept(name, mark)
        if items is None:
            with self._lock:
                items = self._kept(name, mark)
                if items is None:
                    items = items_of(self.config, name)
                    self._queues[name] = (mark, items)
        return items

    def _kept(self, name: str, mark: Any) -> list[Item] | None:
        kept = self._queues.get(name)
        return kept[1] if kept is not None and kept[0] == mark else None

    @staticmethod
    def _open(items: list[Item], history: History) -> list[Item]:
        return [one for one in items if not history.of(one.key).mark.decision]

    def _mark(self) -> Any:
        """Another value as soon as the ledger or a study that queues are made from changed."""
        layout = self.config.layout
        result = [layout.label_issues, layout.near_duplicates, layout.champion]
        result += sorted(layout.clusterings.glob("*/clusters.json"))
        result += sorted(layout.models.glob("*/predictions.parquet"))
        times = [(str(path), path.stat().st_mtime_ns) for path in result if path.exists()]
        return self.context.catalogue.signature(), tuple(times)


def open_reviewing(context: DashboardContext, config_file: Path) -> Reviewing:
    """What answers reviewers of a workspace.

    Args:
        context: everything else about it.
        config_file: its configuration, for the commands that reviewers may start.

    Raises:
        ConfigError: it is no workspace, or nobody has a token.
    """
    config = context.place.config
    if config is None:
        raise ConfigError("decisions need a workspace: remove --from")
    if not people.names(config.layout.reviewers):
        raise ConfigError(
            "there are no reviewers yet: create one with `naturalist reviewers add NAME`"
        )
    return Reviewing(context, config, Journal(config.layout.review_journal), Jobs(config_file))


def _time(at_ns: int) -> str:
    return dt.datetime.fromtimestamp(at_ns / 1e9, dt.UTC).isoformat(timespec="seconds")
