"""What is in nothing that is read, studied or published: withdrawn pictures, retired categories."""

import functools
import re
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from naturalist import artifacts, categories
from naturalist.layout import Layout
from naturalist.ledger.rows import not_accepted


@dataclass(frozen=True)
class Withheld:
    """Pictures that are left out, by id.

    Attributes:
        pictures: those that are no longer accepted, of the categories that are not retired.
        retired: keys of retired categories, all of whose pictures are left out.
        words: every key and name that retired categories have or had, but for those that are also
            of another one; texts that have such a word are left out.
    """

    pictures: frozenset[str] = frozenset()
    retired: frozenset[str] = frozenset()
    words: frozenset[str] = frozenset()

    @functools.cached_property
    def _array(self) -> pa.Array:
        # Not before it is needed: the first array of a process loads pandas where there is one.
        return pa.array(sorted(self.pictures), pa.string())

    def __bool__(self) -> bool:
        return bool(self.pictures or self.retired)

    def __contains__(self, pic_id: object) -> bool:
        name = str(pic_id)
        return name in self.pictures or name.rpartition("_id_")[0] in self.retired

    @property
    def fingerprint(self) -> str:
        """Changes with what is left out of tables."""
        return artifacts.fingerprint(sorted(self.pictures), sorted(self.retired))

    def among(self, pic_ids: pa.ChunkedArray) -> pa.ChunkedArray:
        """For each of the ids (strings) whether it is left out, as booleans."""
        mask = pc.is_in(pic_ids, self._array)
        for key in self.retired:
            mask = pc.or_(mask, of_category(pic_ids, key))
        return mask


def of_category(pic_ids: pa.ChunkedArray, key: str) -> pa.ChunkedArray:
    """For each of the ids (strings) whether it is one of a category with this key, as booleans."""
    return pc.match_substring_regex(pic_ids, f"^{re.escape(key)}_id_[0-9]+$")


def withheld(layout: Layout) -> Withheld:
    """What a workspace leaves out now; costs its amendments, not its pictures."""
    known = categories.read(layout)
    active = [one.key for one in known.active]
    gone = {name for key in active for name in not_accepted(layout, key)}
    return Withheld(frozenset(gone), known.retired_keys, known.retired_words)
