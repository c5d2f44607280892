"""Cutting many small pieces of work into few groups, named by a short text.

A group is a range of ids, so its name stays short however many ids are in it, and means the same
when it is asked for again after half of its work was done.
"""

import itertools
from collections.abc import Sequence

_TO = ".."


def cut(ids: Sequence[str], most: int) -> list[str]:
    """Cut sorted ids into at most `most` ranges of nearly equal size.

    Args:
        ids: sorted, all of one length.
        most: most groups.

    Returns:
        Names like `000001-00000..000001-00012`, in order; none if there are no ids.
    """
    count = min(most, len(ids))
    edges = [k * len(ids) // count for k in range(count + 1)] if count else [0]
    return [f"{ids[a]}{_TO}{ids[b - 1]}" for a, b in itertools.pairwise(edges)]


def is_in(group: str, one: str) -> bool:
    """Whether an id is in the range of a group."""
    first, _, last = group.partition(_TO)
    return first <= one <= last
