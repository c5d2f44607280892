"""The categories that a workspace remembers, beside its image roots in `workspace.json`.

A category has a *key*, fixed when its first picture arrives: the prefix of its pictures' ids and
the name of its folders. Its *name* and label may change later by a person's command, and it may be
retired, which leaves it out of everything that reads, studies or publishes until it is restored.
Readers ask here which categories there are; writers compare the configuration with it first.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, NoReturn

from naturalist import artifacts
from naturalist.errors import ConfigError
from naturalist.layout import Layout
from naturalist.suggestions import did_you_mean

_FIELD = "categories"
MAX_LABEL = 2**31 - 1
"""Labels are whole numbers from 0 to this one: a column of 32-bit integers holds them."""


@dataclass(frozen=True)
class Category:
    """One category of a workspace.

    Attributes:
        key: prefix of its pictures' ids and name of its folders; never changes.
        name: what it is called.
        label: its label in tables; None in a workspace that was made before labels were remembered.
        since: when it was first seen, ISO 8601 in UTC; empty if that is not known.
        retired_at: since when it is left out of everything; None if it is not.
        former_names: earlier names, oldest first.
    """

    key: str
    name: str
    label: int | None
    since: str = ""
    retired_at: str | None = None
    former_names: tuple[str, ...] = ()

    @property
    def is_active(self) -> bool:
        """Whether it is not retired."""
        return self.retired_at is None

    @property
    def words(self) -> frozenset[str]:
        """Its key, its name and its former names."""
        return frozenset((self.key, self.name, *self.former_names))


@dataclass(frozen=True)
class Categories:
    """All categories that a workspace remembers, retired ones too."""

    known: tuple[Category, ...] = ()

    @property
    def active(self) -> tuple[Category, ...]:
        """Those that are not retired."""
        return tuple(one for one in self.known if one.is_active)

    @property
    def all_retired(self) -> bool:
        """Whether there are categories, and every one is retired."""
        return bool(self.known) and not self.active

    @property
    def retired_keys(self) -> frozenset[str]:
        """Keys of the retired ones."""
        return frozenset(one.key for one in self.known if not one.is_active)

    @property
    def retired_names(self) -> frozenset[str]:
        """Names of the retired ones."""
        return frozenset(one.name for one in self.known if not one.is_active)

    @property
    def retired_words(self) -> frozenset[str]:
        """Every key and name that only retired ones have or had."""
        retired = {word for one in self.known if not one.is_active for word in one.words}
        return frozenset(retired - {word for one in self.active for word in one.words})

    @property
    def names(self) -> dict[str, str]:
        """The name of each category that is not retired, by key."""
        return {one.key: one.name for one in self.active}

    def named(self, name: str) -> Category | None:
        """The category with this name; None if there is none."""
        return next((one for one in self.known if one.name == name), None)

    def key_of(self, name: str) -> str:
        """The key of a category; for one that is not known yet, the key that it will get."""
        known = self.named(name)
        if known is not None:
            return known.key
        taken = {one.key.lower() for one in self.known}
        free = (f"{name}-{k}" if k > 1 else name for k in range(1, len(taken) + 2))
        return next(key for key in free if key.lower() not in taken)

    @property
    def keys_by_any_name(self) -> dict[str, str]:
        """The key of each category that is not retired, by its former names, key and name."""
        words = {name: one.key for one in self.active for name in one.former_names}
        words |= {one.key: one.key for one in self.active}
        return words | {one.name: one.key for one in self.active}

    def of_any_name(self, name: str) -> Category | None:
        """The category that has, or else had, a name; None if none did."""
        former = (one for one in reversed(self.known) if name in one.words)
        return self.named(name) or next(former, None)

    def present_name(self, name: str) -> str:
        """What a category is called now, by any name that it had; an unknown name stays."""
        one = self.of_any_name(name)
        return name if one is None else one.name

    def retired_among(self, names: Iterable[str]) -> list[str]:
        """The present names of those that are retired, by any name that they had."""
        known = filter(None, map(self.of_any_name, names))
        return [one.name for one in known if not one.is_active]

    def changed(self, category: Category) -> "Categories":
        """With another value for the category of the same key."""
        return Categories(tuple(category if one.key == category.key else one for one in self.known))


def read(layout: Layout) -> Categories:
    """Read what a workspace remembers; nothing if there is no workspace yet."""
    marker = artifacts.read_json(layout.marker)
    return of_marker(layout, marker if isinstance(marker, dict) else {})


def of_marker(layout: Layout, marker: Mapping[str, Any]) -> Categories:
    """What the content of `workspace.json` says.

    A workspace that was made before categories were remembered has those of its ledger.
    """
    if _FIELD not in marker:
        return Categories(tuple(Category(key, key, None) for key in keys_on_disk(layout)))
    listed = (one | {"former_names": tuple(one["former_names"])} for one in marker[_FIELD])
    return Categories(tuple(Category(**one) for one in listed))


def in_marker(categories: Categories) -> dict[str, Any]:
    """The part of `workspace.json` that remembers the categories."""
    listed = (asdict(one) for one in categories.known)
    return {_FIELD: [one | {"former_names": list(one["former_names"])} for one in listed]}


def changed_between(before: Categories, now: Categories) -> list[str]:
    """Names, as they were, of categories renamed, relabelled, retired or restored in between."""
    by_key = {one.key: one for one in now.known}
    pairs = [(one, by_key[one.key]) for one in before.known if one.key in by_key]
    return [
        old.name
        for old, new in pairs
        if (old.name, old.is_active) != (new.name, new.is_active)
        or old.label not in (None, new.label)
    ]


def write(layout: Layout, categories: Categories) -> None:
    """Remember the categories, atomically; for the one writer of the workspace."""
    marker = artifacts.read_json(layout.marker)
    artifacts.write_json(layout.marker, marker | in_marker(categories))


def has_pictures(layout: Layout, key: str) -> bool:
    """Whether any file was ever seen in a category."""
    return any((layout.ledger / key).glob("[0-9]*.parquet"))


def keys_on_disk(layout: Layout) -> list[str]:
    """The keys of the categories that have a ledger, sorted."""
    if not layout.ledger.is_dir():
        return []
    return sorted(p.name for p in layout.ledger.iterdir() if p.is_dir() and p.name[0] != ".")


def reconcile(
    known: Categories,
    configured: Mapping[str, int],
    in_use: Callable[[str], bool],
    describe: Callable[[str], str],
) -> Categories:
    """Compare the configuration with what a workspace remembers; gives what to remember from now.

    New categories are added; a known one that never saw a file may leave silently.

    Args:
        known: what the workspace remembers.
        configured: label of each category in the configuration, by name.
        in_use: whether a category, by key, ever saw a file.
        describe: what a workspace holds of a category, by key, for messages.

    Raises:
        ConfigError: a category was removed, renamed or relabelled in the configuration.
    """
    kept = [c for c in known.known if c.name in configured or not c.is_active or in_use(c.key)]
    missing = [c for c in kept if c.is_active and c.name not in configured]
    added = [name for name in configured if known.named(name) is None]
    if missing:
        raise ConfigError(_missing(missing, added, configured, describe))
    relabelled = [
        c for c in kept if c.is_active and c.label is not None and configured[c.name] != c.label
    ]
    if relabelled:
        raise ConfigError(_relabelled(relabelled, configured, describe))
    filled = [
        replace(c, label=configured[c.name]) if c.label is None and c.is_active else c for c in kept
    ]
    result = Categories(tuple(filled))
    for name in added:
        fresh = Category(result.key_of(name), name, configured[name], _now())
        result = Categories((*result.known, fresh))
    return result


def _missing(
    missing: Iterable[Category],
    added: list[str],
    configured: Mapping[str, int],
    describe: Callable[[str], str],
) -> str:
    lines = ["the configuration no longer names categories of this workspace:"]
    for one in missing:
        lines.append(f"  {one.name}: {describe(one.key)}")
        same = [name for name in added if one.label in (None, configured[name])]
        new = same[0] if len(same) == 1 else "NEW_NAME"
        lines += [
            f"    new name (pictures keep their ids):  naturalist category rename {one.name} {new}",
            f"    leave it out everywhere from now on:  naturalist category retire {one.name}",
        ]
    lines.append("Or put it back into the configuration. Nothing was changed")
    return "\n".join(lines)


def _relabelled(
    changed: Iterable[Category],
    configured: Mapping[str, int],
    describe: Callable[[str], str],
) -> str:
    lines = ["the configuration gives categories of this workspace other labels:"]
    words = []
    for one in changed:
        new = configured[one.name]
        lines.append(f"  {one.name}: {one.label} -> {new}; {describe(one.key)}")
        words.append(f"{one.name} {new}")
    lines += [
        "If that is meant (their tables are written again, and classifiers need training again):",
        f"  naturalist category relabel {' '.join(words)}",
        "Or restore the labels in the configuration. Nothing was changed",
    ]
    return "\n".join(lines)


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")


def parse_label(text: str) -> int:
    """A label as a person writes it.

    Raises:
        ConfigError: it is no whole number from 0 to `MAX_LABEL`.
    """
    word = text.strip()
    is_number = word.isdecimal() and len(word) <= _MOST_DIGITS
    return check_label(int(word)) if is_number else _refuse_label(word)


def check_label(label: int) -> int:
    """The same label, if it can be one.

    Raises:
        ConfigError: it is out of bounds.
    """
    return label if 0 <= label <= MAX_LABEL else _refuse_label(label)


_MOST_DIGITS = 1000
"""Python refuses to read numbers of some thousand digits."""


def _refuse_label(label: object) -> NoReturn:
    raise ConfigError(f"{label} cannot be a label: give a whole number from 0 to {MAX_LABEL:,}")


def renamed(known: Categories, old: str, new: str) -> Categories:
    """Give a category another name; nothing changes where exactly this was the last change.

    Raises:
        ConfigError: there is no such category, it has the name already, or another one has it.
    """
    if old == new:
        raise ConfigError(f"both names are {new!r}: give the current name, then a new one")
    done = known.named(new)
    if known.named(old) is None and done is not None and done.former_names[-1:] == (old,):
        return known
    one = _require(known, old)
    other = next((c for c in known.known if c.name.lower() == new.lower() and c is not one), None)
    if other is not None:
        raise ConfigError(f"category {other.name!r} already exists: choose another name")
    names = (*(name for name in one.former_names if name != new), old)
    return known.changed(replace(one, name=new, former_names=names))


def relabelled(known: Categories, labels: Mapping[str, int]) -> Categories:
    """Give categories other labels, all at once, so that two can be exchanged.

    Raises:
        ConfigError: there is no such category, a label is out of bounds, or two categories would
            have the same one.
    """
    result = known
    for name, label in labels.items():
        result = result.changed(replace(_require(known, name), label=check_label(label)))
    by_label: dict[int, str] = {}
    # Those with a new label come last, so that the others are the ones that are in the way.
    for one in sorted(result.active, key=lambda one: one.name in labels):
        if one.label is None:
            continue
        holder = by_label.setdefault(one.label, one.name)
        if holder != one.name:
            raise ConfigError(
                f"{holder!r} and {one.name!r} would both have label {one.label}: change both "
                f"at once, as in `naturalist category relabel {one.name} {one.label} "
                f"{holder} N`"
            )
    return result


def retired(known: Categories, name: str) -> Categories:
    """Leave a category out of everything from now on."""
    one = _require(known, name)
    return known.changed(replace(one, retired_at=one.retired_at or _now()))


def restored(known: Categories, name: str) -> Categories:
    """Take a retired category back.

    Raises:
        ConfigError: there is no such category, or its label was given to another one.
    """
    one = _require(known, name)
    holder = next((c for c in known.active if c.label == one.label and c is not one), None)
    if holder is not None:
        raise ConfigError(
            f"{name!r} has label {one.label}, which {holder.name!r} has now: relabel that "
            f"category first, as in `naturalist category relabel {holder.name} N`"
        )
    return known.changed(replace(one, retired_at=None))


def all_retired_message(known: Categories) -> str:
    """What to do where every category is retired."""
    names = ", ".join(one.name for one in known.known)
    return (
        f"every category is retired ({names}), so there are no pictures to work on: restore one "
        f"with `naturalist category restore {known.known[0].name}`, then run `naturalist run`"
    )


def _require(known: Categories, name: str) -> Category:
    one = known.named(name)
    if one is None:
        names = ", ".join(map(_with_former_names, known.known)) or "none yet"
        near = did_you_mean(name, [one.name for one in known.known])
        raise ConfigError(f"this workspace has no category {name!r}: choose one of {names}{near}")
    return one


def _with_former_names(one: Category) -> str:
    before = f" (earlier {', '.join(one.former_names)})" if one.former_names else ""
    return one.name + before
